"""`make bench ARGS=postgres`: the ledger in PostgreSQL beside SQLite, in one run."""

import argparse
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.servers import Bench, Run, Server
from tests.support.postgres import PASSWORD, running_server
from tests.support.postgres import Server as Database
from tests.support.programs import cpu_seconds, free_port

KEYS = 1_000_000


def postgres(bench: Bench, args: argparse.Namespace) -> None:
    """Print signed callbacks with either ledger, with a million keys, and with two replicas."""
    with running_server() as database:
        password = bench.folder / "password"
        password.write_text(PASSWORD)
        runs: dict[str, list[Run]] = {"SQLite": [], "PostgreSQL": [], "a million keys": []}
        for _ in range(args.rounds):
            with bench.ours() as server:
                runs["SQLite"].append(measured(bench, server, args))
            empty(database)
            with counting(bench, database, password) as server:
                runs["PostgreSQL"].append(measured(bench, server, args))
                fill(database)
                runs["a million keys"].append(measured(bench, server, args))
        show(runs)
        empty(database)
        two_replicas(bench, database, password, args)


@contextmanager
def counting(
    bench: Bench, database: Database, password: Path, **settings: object
) -> Iterator[Server]:
    """Run an exporter that counts in the database."""
    given = {"ledger_url": database.url(), "ledger_password_file": password, "instance": "a"}
    with bench.ours(**(given | settings)) as server:  # type: ignore[arg-type] # settings alone
        yield server


def measured(bench: Bench, server: Server, args: argparse.Namespace) -> Run:
    """Load a server after a second of warming up."""
    bench.load(server, "callbacks", 1)
    return bench.load(server, "callbacks", args.seconds)


def empty(database: Database) -> None:
    """Drop the counts and all keys."""
    database.execute("DROP SCHEMA IF EXISTS push_result_exporter CASCADE")


def fill(database: Database) -> None:
    """Add a million keys, as hashes are: spread evenly."""
    database.execute(
        "INSERT INTO push_result_exporter.keys "
        "SELECT ('x' || substr(md5(n::text), 1, 16))::bit(64)::bigint, 0, now() "
        f"FROM generate_series(1, {KEYS}) AS n ON CONFLICT DO NOTHING"
    )
    database.execute("VACUUM ANALYZE push_result_exporter.keys")
    database.execute("CHECKPOINT")


def show(runs: dict[str, list[Run]]) -> None:
    """Print medians, and the ratios to quote."""
    print("\n### Signed callbacks by ledger\n")
    print("| ledger | requests/s | of SQLite | CPU µs a request | p50 ms | p99 ms | errors |")
    print("|---|---|---|---|---|---|---|")
    first = statistics.median(run.rate for run in runs["SQLite"])
    for name, each in runs.items():
        middle = Run(*(statistics.median(column) for column in zip(*each, strict=True)))
        print(
            f"| {name} | {middle.rate:,.0f} | {middle.rate / first:.2f} × | {middle.cpu:.0f} "
            f"| {middle.p50:.1f} | {middle.p99:.1f} | {middle.errors:.0f} |",
            flush=True,
        )


def two_replicas(
    bench: Bench, database: Database, password: Path, args: argparse.Namespace
) -> None:
    """Print what two replicas over one database are worth by the CPU time of a request."""
    port = free_port()
    shared: dict[str, object] = {"ingest_port": port, "reuse_port": True}
    with counting(bench, database, password, **shared) as server:
        alone = measured(bench, server, args)
    empty(database)  # or the next requests would be duplicates
    with ExitStack() as stack:
        both = [
            stack.enter_context(counting(bench, database, password, instance=name, **shared))
            for name in ("a", "b")
        ]
        bench.load(both[0], "callbacks", 1)
        before = [cpu_seconds(server.process.pid) for server in both]
        run = bench.load(both[0], "callbacks", args.seconds)
        used = [
            cpu_seconds(server.process.pid) - was for server, was in zip(both, before, strict=True)
        ]
    cpu = sum(used) / (run.rate * args.seconds) * 1e6
    print("\n### Two replicas over one PostgreSQL (REUSE_PORT)\n")
    print(f"- one: {alone.rate:,.0f} requests/s, {alone.cpu:.0f} µs CPU a request")
    print(
        f"- two: {run.rate:,.0f} requests/s, {cpu:.0f} µs CPU a request; shares of the CPU time "
        f"{used[0] / sum(used):.0%} and {used[1] / sum(used):.0%}"
    )
    print(f"- by CPU time two are worth {2 * alone.cpu / cpu:.2f} × one")
