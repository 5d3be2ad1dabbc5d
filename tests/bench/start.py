"""`make bench ARGS=start`: time until the exporter is ready, with a full window to read."""

import argparse
import os
import sqlite3
import statistics
import time
from contextlib import closing
from pathlib import Path

from tests.bench.servers import Bench, resident

KEYS = 16_000_000
_PER_COMMIT = 100
_SECONDS = 70_000.0  # of the window of a day


def start(bench: Bench, args: argparse.Namespace) -> None:
    """Print the time until the exporter is ready, and that of the previous build."""
    print(f"\n### Start with {KEYS:,} keys in SQLite\n\n| version | ready after | resident, MB |")
    print("|---|---|---|")
    for name in bench.versions():
        path = bench.folder / "full" / f"{name}.sqlite3"
        seconds, memory = [], 0.0
        for number in range(args.rounds + 1):
            began = time.monotonic()
            with bench.ours(
                checkout=bench.before if name == "before" else None,
                ledger_path=path,
                dedupe_max_keys=KEYS,
            ) as server:
                seconds.append(time.monotonic() - began)
                memory = resident(server.process.pid)
            if not number:  # the first start has made the file
                fill(path)
        print(f"| {name} | {statistics.median(seconds[1:]):.1f} s | {memory:.0f} |", flush=True)


def fill(path: Path) -> None:
    """Write random keys, in commits that are evenly spread over the last hours."""
    commits = KEYS // _PER_COMMIT
    began = time.time() - _SECONDS
    rows = (
        (number, began + number * _SECONDS / commits, os.urandom(8 * _PER_COMMIT))
        for number in range(1, commits + 1)
    )
    with closing(sqlite3.connect(path)) as file, file:
        file.executemany("INSERT INTO deliveries (number, at, keys) VALUES (?, ?, ?)", rows)
