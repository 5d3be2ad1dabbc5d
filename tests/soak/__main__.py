"""`make soak`: replicas over one PostgreSQL under load, measured every minute; fails on growth.

make soak                                 an hour, window of a minute, as fast as it goes
make soak ARGS="--seconds 600 --rate 500"
make soak ARGS="--checkout ../before"     another build, to compare with in one run
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.soak.measures import Sample, quantile, take
from tests.soak.traffic import Senders
from tests.support.exporter import TOKEN
from tests.support.postgres import PASSWORD, Server, running_server
from tests.support.programs import answers, free_port, started, wait_for

HEADER = (
    *("minute", "results/s", "heap MB", "index MB", "WAL B/result", "commit ms/s", "expiry ms/s"),
    *("expiry share", "commit p50 ms", "p99 ms", "slowest ms", "RSS MB", "CPU µs/result"),
    "log B",
)

GROWTH = {"heap MB": 1.25, "index MB": 1.25, "RSS MB": 1.05, "p99 ms": 2.0}
"""How much higher a figure's median may be in the last third than in the one before it.

The buckets of the commit histogram are a factor of two apart.
"""

MAX_KEYS = 1 << 17
"""Keys in memory of each replica: reached within minutes, after which memory must not grow."""

MIN_ROWS = 6  # below which a growth is none


class Replica(NamedTuple):
    """A process that counts."""

    process: int
    url: str
    admin: str


def main() -> int:
    """Run the soak; return 1 if something grew, or was counted other than once."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--window", type=float, default=60, help="DEDUPE_WINDOW_SECONDS")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--rate", type=float, help="requests per second, in all")
    parser.add_argument("--interval", type=float, default=60, help="seconds between two rows")
    parser.add_argument("--checkout", type=Path, help="folder of another build to run")
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(running_server())
        server.stop()
        server.settings |= {"shared_preload_libraries": "pg_stat_statements"}
        server.settings |= {"shared_buffers": "256MB", "track_io_timing": "off"}
        server.settings |= {"pg_stat_statements.track_planning": "on"}
        server.start()
        server.execute("CREATE EXTENSION pg_stat_statements")
        replicas = list(stack.enter_context(fleet(folder, server, args)))
        return asyncio.run(soak(server, replicas, args))


@contextmanager
def fleet(folder: Path, server: Server, args: argparse.Namespace) -> Iterator[list[Replica]]:
    """Run the replicas inside the block."""
    (folder / "password").write_text(PASSWORD)
    (folder / "token").write_text(TOKEN)
    with ExitStack() as stack:
        replicas = []
        for number in range(args.replicas):
            ingest, admin = free_port(), free_port()
            settings = {
                "ingest_host": "127.0.0.1",
                "ingest_port": ingest,
                "admin_port": admin,
                "instance": f"soak-{number}",
                "ledger_url": server.url(),
                "ledger_password_file": folder / "password",
                "results_token_files": folder / "token",
                "dedupe_window_seconds": args.window,
                "dedupe_max_keys": MAX_KEYS,
            }
            environment = {f"PUSH_EXPORTER_{name.upper()}": str(v) for name, v in settings.items()}
            if args.checkout:
                environment["PYTHONPATH"] = str(args.checkout.resolve())
            command = [sys.executable, "-P", "-m", "exporter", "serve"]
            process = stack.enter_context(
                started(command, folder / f"replica{number}.log", **environment)
            )
            url = f"http://127.0.0.1:{admin}"
            wait_for(lambda url=url: answers(f"{url}/-/ready"), "a replica is ready")  # type: ignore[misc]
            replicas.append(
                Replica(process.pid, f"http://127.0.0.1:{ingest}/webhooks/results", url)
            )
        yield replicas


async def soak(server: Server, replicas: list[Replica], args: argparse.Namespace) -> int:
    """Send, and print a row every interval; then check."""
    senders = Senders([replica.url for replica in replicas], "soak", args.rate)
    sending = asyncio.create_task(senders.send())
    measured = ([replica.process for replica in replicas], [replica.admin for replica in replicas])
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}", flush=True)
    loop = asyncio.get_running_loop()
    end = loop.time() + args.seconds
    rows: list[dict[str, float]] = []
    before, at = await asyncio.to_thread(take, server, *measured), loop.time()
    while loop.time() < end and not sending.done():
        senders.tally.seconds.clear()
        await asyncio.wait([sending], timeout=min(args.interval, end - loop.time()))
        after, now = await asyncio.to_thread(take, server, *measured), loop.time()
        slowest = max(senders.tally.seconds, default=0.0)
        rows.append(row(len(rows) + 1, before, after, now - at, slowest))
        print(f"| {' | '.join(f'{value:,.4g}' for value in rows[-1].values())} |", flush=True)
        before, at = after, now
    senders.stopping = True
    await sending
    return verdict(server, senders, rows)


def row(
    number: int, before: Sample, after: Sample, seconds: float, slowest: float
) -> dict[str, float]:
    """Make a row of what two samples differ by."""
    results = max(after.counted - before.counted, 1)
    spent = {
        kind: (after.statements[kind] - before.statements.get(kind, 0)) / seconds
        for kind in after.statements
    }
    values = (
        number,
        results / seconds,
        after.heap / 1e6,
        after.indexes / 1e6,
        (after.wal - before.wal) / results,
        spent.get("commit", 0),
        spent.get("expiry", 0),
        spent.get("expiry", 0) / (sum(spent.values()) or 1),
        quantile(before.commits, after.commits, 0.5) * 1000,
        quantile(before.commits, after.commits, 0.99) * 1000,
        slowest * 1000,
        after.resident / 1e6,
        (after.cpu - before.cpu) / results * 1e6,
        after.log - before.log,
    )
    return dict(zip(HEADER, values, strict=True))


def verdict(server: Server, senders: Senders, rows: list[dict[str, float]]) -> int:
    """Compare the acknowledged results with the counted ones, and look for growth."""
    tally = senders.tally
    [(counted,)] = server.execute("SELECT sum(count)::bigint FROM push_result_exporter.counts")
    print(
        f"\n{tally.requests:,} requests acknowledged, {tally.repeats:,} of them repeats; "
        f"{tally.accepted:,} results accepted, {counted:,} counted"
    )
    problems = [f"unexpected: {error}" for error in tally.unexpected[:10]]
    if counted != tally.accepted:
        problems.append(f"{counted:,} results are counted, {tally.accepted:,} were acknowledged")
    third = len(rows) // 3
    for name, bound in GROWTH.items() if len(rows) >= MIN_ROWS else ():
        early, late = (
            statistics.median(value[name] for value in part)
            for part in (rows[third:-third], rows[-third:])
        )
        if late > early * bound:
            problems.append(f"{name} grew from {early:.4g} to {late:.4g}")
    print(*problems or ["nothing grew"], sep="\n")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
