"""`make bench ARGS=described`: a described gateway beside MPS and the generic format."""

import argparse
import hashlib
import hmac
import json
import statistics
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from tests.bench import traffic
from tests.bench.servers import Bench, Run

SECRET = "a secret for the benchmark"
DESCRIPTION = """
channel = "vivo"
[auth]
scheme = "hmac"
secrets = ["described-secret"]
signature = "{header:X-Signature}"
signed = "{body}"
encoding = "hex"
[items]
path = "events"
[fields]
code = "status"
channel = "vendor"
message = "text"
id = "message_id"
dedupe = ["message_id"]
"""

PAIRS = {
    "one result a request": ("described one", "callbacks"),
    "batches of 100": ("described batches", "identified"),
}
"""What is described, and what it is compared with: signed MPS callbacks, items with ids."""


def described(bench: Bench, args: argparse.Namespace) -> None:
    """Print the rates and the ratios, servers taking turns."""
    count = int(8_000 * (args.seconds + 1))
    description = write_description(bench.folder)
    traffic.write_batches(bench.folder / "identified", count, ids=True)
    write_requests(bench.folder / "described batches", traffic.batches(ids=True), count)
    singles = ([item] for batch in traffic.batches(ids=True) for item in batch)
    write_requests(bench.folder / "described one", singles, 3 * count)
    print("\n### A described gateway: HMAC, four fields\n")
    print("| | described, requests/s | built in, requests/s | ratio |\n|---|---|---|---|")
    for title, files in PAIRS.items():
        runs: dict[str, list[Run]] = {file: [] for file in files}
        for _ in range(args.rounds):
            for file in files:
                with bench.ours(gateway_files=description) as server:
                    bench.load(server, file, 1)
                    runs[file].append(bench.load(server, file, args.seconds))
        ours, other = (statistics.median(run.rate for run in runs[file]) for file in files)
        errors = sum(run.errors for file in files for run in runs[file])
        print(f"| {title} | {ours:,.0f} | {other:,.0f} | {ours / other:.2f} |", flush=True)
        assert not errors, f"{errors} requests were not accepted"


def write_description(folder: Path) -> Path:
    """Write the description and its secret."""
    (folder / "described-secret").write_text(SECRET)
    path = folder / "described.toml"
    path.write_text(DESCRIPTION)
    return path


def write_requests(file: Path, batches: Iterable[list[dict[str, object]]], count: int) -> None:
    """Write signed requests, each with the items of a batch."""
    with file.open("w") as out:
        for items in islice(batches, count):
            events = [
                {
                    "status": item["code"],
                    "vendor": item["channel"],
                    "text": item["message"],
                    "message_id": item["id"],
                }
                for item in items
            ]
            body = json.dumps({"events": events})
            signature = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
            out.write(f"/webhooks/described\tX-Signature:{signature}\t{body}\n")
