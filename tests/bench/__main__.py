"""`make bench`: ours beside its peers in one run; figures to quote are the ratios.

Needs wrk and node; the peers' libraries are installed into a folder of their own, outside the
checkout. Prints Markdown for README.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.ledger.sqlite import LedgerFile
from exporter.ledger.store import Commit
from exporter.results import Series
from tests.bench import traffic
from tests.bench.described import described
from tests.bench.holds import holds
from tests.bench.memory import memory
from tests.bench.pages import pages
from tests.bench.postgres import postgres
from tests.bench.scrape import scrape
from tests.bench.servers import Bench, Run, Server, install_peers, resident, scraped
from tests.bench.start import start
from tests.bench.traffic import send_distinct
from tests.support.programs import cpu_seconds, free_port


def compare(
    bench: Bench, title: str, requests: str, names: list[str], args: argparse.Namespace
) -> None:
    """Run the servers in turn, several rounds; print medians, and the ratio of each round.

    The servers of a round run in quick succession, so that they share most of the other load of the
    machine does.
    """
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(args.rounds):
        for name in names if number % 2 else reversed(names):
            with bench.server(name) as server:
                bench.load(server, requests, 1)  # warm up
                runs[name].append(bench.load(server, requests, args.seconds))
    print(f"\n### {title}\n")
    print("| server | CPU µs each | by CPU ours is | requests/s | by rate | p50, p99 ms | errors |")
    print("|---|---|---|---|---|---|---|")
    for name, each in runs.items():
        middle = Run(*(statistics.median(column) for column in zip(*each, strict=True)))
        pairs = list(zip(runs["ours"], each, strict=True))
        cpu = spread([run.cpu / ours.cpu for ours, run in pairs])
        rate = spread([ours.rate / run.rate for ours, run in pairs])
        print(
            f"| {name} | {middle.cpu:.0f} | {cpu} | {middle.rate:,.0f} | {rate} "
            f"| {middle.p50:.1f}, {middle.p99:.1f} | {middle.errors:.0f} |",
            flush=True,
        )


def spread(ratios: list[float]) -> str:
    """Write the median of the ratios of each round, and their range."""
    return f"{statistics.median(ratios):.2f} × ({min(ratios):.2f} to {max(ratios):.2f})"


def half_load(bench: Bench, args: argparse.Namespace) -> None:
    """Print the latency of an acknowledgement at half the maximum rate."""
    with bench.ours() as server:
        full = bench.load(server, "callbacks", args.seconds)
    with bench.ours() as server:
        run = bench.load(server, "callbacks", args.seconds, rate=full.rate / 2)
    print(
        f"\nAcknowledgement at {run.rate / full.rate:.0%} of the maximum rate: "
        f"p50 {run.p50:.1f} ms, p99 {run.p99:.1f} ms."
    )


def endurance(bench: Bench, args: argparse.Namespace) -> None:
    """Send millions of distinct results; print memory, scrape times and the ledger's size."""
    print(f"\n### After {args.results:,} distinct results\n")
    with bench.ours() as server, scraped(server.admin) as scrapes:
        sent = 0
        began = time.monotonic()
        memory = []
        while sent < args.results:
            run = send_distinct(server.port, sent, min(500_000, args.results - sent))
            sent += run
            memory.append(resident(server.process.pid))
        rate = sent / (time.monotonic() - began)
        size = sum(file.stat().st_size for file in (bench.folder / "ledger").iterdir())
    print(f"- resident memory after each tenth, MB: {', '.join(f'{m:.0f}' for m in memory)}")
    print(f"- {rate:,.0f} results a second, each with an id, in batches of 100")
    ordered = sorted(scrapes)
    print(
        f"- scrape of the full matrix under that load: p50 {ordered[len(ordered) // 2] * 1e3:.1f} "
        f"ms, p99 {ordered[int(len(ordered) * 0.99)] * 1e3:.1f} ms ({len(ordered)} scrapes)"
    )
    print(f"- ledger with its log: {size / 1e6:.1f} MB")
    day_of_keys(bench)


def day_of_keys(bench: Bench) -> None:
    """Print the ledger's size after a day's worth of keys, written without the network."""
    path = bench.folder / "day/ledger.sqlite3"
    file = LedgerFile(path, "off")
    file.open()
    keys = array("Q", range(2000))
    for second in range(1, 86_400 + 1):
        counts = {Series("mps", "2", "mps"): len(keys)}
        file.commit(Commit(second, float(second), counts, keys, max(1, second - 600), []))
    file.close()
    size = sum(file.stat().st_size for file in path.parent.iterdir()) / 1e6
    print(f"- ledger after a day of {len(keys):,} keys a second, 600 s of them kept: {size:.1f} MB")


def replicas(bench: Bench, args: argparse.Namespace) -> None:
    """Print how throughput grows with two replicas that share a port, by CPU time."""
    port = free_port()
    with bench.ours(ingest_port=port, reuse_port=True) as first:
        alone = bench.load(first, "callbacks", args.seconds)
    with (
        bench.ours(ingest_port=port, reuse_port=True) as first,
        second_replica(bench, port) as second,
    ):
        before = [cpu_seconds(server.process.pid) for server in (first, second)]
        both = bench.load(first, "callbacks", args.seconds)
        used = [
            cpu_seconds(server.process.pid) - was
            for server, was in zip((first, second), before, strict=True)
        ]
    work = both.rate * args.seconds
    print("\n### Two replicas on one port (REUSE_PORT)\n")
    print(f"- one: {alone.rate:,.0f} requests/s, {alone.cpu:.0f} µs CPU a request")
    print(
        f"- two: {both.rate:,.0f} requests/s, {sum(used) / work * 1e6:.0f} µs CPU a request; "
        f"shares of the CPU time {used[0] / sum(used):.0%} and {used[1] / sum(used):.0%}"
    )


@contextmanager
def second_replica(bench: Bench, port: int) -> Iterator[Server]:
    """Run one more exporter with a ledger of its own."""
    other = bench.folder / "second"
    other.mkdir(exist_ok=True)
    second = Bench(other, bench.python.parents[2])
    for name in ("public.pem", "token"):
        shutil.copy(bench.folder / name, other / name)
    with second.ours(ingest_port=port, reuse_port=True) as server:
        yield server


def callbacks(bench: Bench, args: argparse.Namespace) -> None:
    """Compare signed callbacks of one result each."""
    peers = [
        *("bare aiohttp, uvloop", "bare aiohttp", "aiohttp, durable"),
        *("FastAPI, durable", "FastAPI", "fastify"),
    ]
    compare(
        bench, "Signed callbacks, one result each", "callbacks", [*bench.versions(), *peers], args
    )


def batches(bench: Bench, args: argparse.Namespace) -> None:
    """Compare batches of a hundred results, with one key and with an id each."""
    traffic.write_batches(bench.folder / "batches", 2_000, ids=False)
    count = int(8_000 * (args.seconds + 1))  # each request of a run is distinct
    traffic.write_batches(bench.folder / "identified", count, ids=True)
    for title, file in (("one key a request", "batches"), ("an id on every result", "identified")):
        names = [*bench.versions(), "FastAPI", "fastify"]
        compare(bench, f"Batches of 100, {title}", file, names, args)


PARTS = {
    "callbacks": callbacks,
    "batches": batches,
    "described": described,
    "holds": holds,
    "latency": half_load,
    "pages": pages,
    "endurance": endurance,
    "replicas": replicas,
    "postgres": postgres,
    "scrape": scrape,
    "memory": memory,
    "start": start,
}
WITHOUT_PEERS = {*PARTS} - {"callbacks", "batches"}


def main() -> None:
    """Measure everything, or the parts that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="a run of wrk")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each server")
    parser.add_argument("--results", type=int, default=5_000_000, help="for the endurance run")
    parser.add_argument("--before", type=Path, help="another checkout, with its .venv")
    parser.add_argument("--peers", type=Path, default=Path.home() / ".cache/push-result-exporter")
    parser.add_argument("parts", nargs="*", choices=PARTS, default=[*PARTS], metavar="PART")
    args = parser.parse_args()
    alone = set(args.parts) <= WITHOUT_PEERS
    for program in ("wrk",) if alone else ("wrk", "node", "npm"):
        if not shutil.which(program):
            sys.exit(f"the benchmark needs {program}")
    if not alone:
        install_peers(args.peers)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        bench = Bench(Path(name), args.peers, args.before)
        private = traffic.write_keys(bench.folder)
        traffic.write_callbacks(
            bench.folder / "callbacks", private, int(25_000 * (args.seconds + 1))
        )
        for part in args.parts:
            PARTS[part](bench, args)


if __name__ == "__main__":
    main()
