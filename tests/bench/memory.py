"""`make bench ARGS=memory`: resident memory after the start, and with a full window."""

import argparse

from tests.bench.servers import Bench, resident
from tests.bench.traffic import send_distinct

KEYS = 1_000_000


def memory(bench: Bench, args: argparse.Namespace) -> None:
    """Print the resident memory of the exporter, and of the previous build."""
    del args
    print(f"\n### Resident memory, MB\n\n| version | after the start | after {KEYS:,} results |")
    print("|---|---|---|")
    for name in bench.versions():
        with bench.server(name) as server:
            start = resident(server.process.pid)
            send_distinct(server.port, 0, KEYS)
            full = resident(server.process.pid)
        print(f"| {name} | {start:.0f} | {full:.0f} |", flush=True)
