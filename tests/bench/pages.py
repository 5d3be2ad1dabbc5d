"""Callbacks while a client reloads a page without pause."""

import argparse
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.servers import Bench, Run
from tests.support.programs import fetch

RATE = 3_000
"""Callbacks a second."""

PATHS = ("/", "/codes", "/runbooks/PushThrottled", "/api/v1/status", "/api/v1/codes")


def pages(bench: Bench, args: argparse.Namespace) -> None:
    """Print the latency of callbacks with and without a client that reloads a page, in turn."""
    runs: dict[str, list[Run]] = {path: [] for path in ("", *PATHS)}
    loads: dict[str, list[float]] = {path: [] for path in PATHS}
    for number in range(args.rounds):
        with bench.ours() as server:
            bench.load(server, "callbacks", 1, rate=RATE)  # warm up
            for path in runs if number % 2 else reversed(runs):
                with loaded(f"{server.admin}{path}") if path else nothing() as times:
                    runs[path].append(bench.load(server, "callbacks", args.seconds, rate=RATE))
                if path:
                    loads[path] += times
    print(f"\n### {RATE:,} callbacks a second while a page is loaded in a loop\n")
    print(
        "| page | p50 ms | p99 ms | p99 is (each round) | load of the page, ms | loads a second |"
    )
    print("|---|---|---|---|---|---|")
    for path, each in runs.items():
        ratios = [run.p99 / without.p99 for run, without in zip(each, runs[""], strict=True)]
        middle = Run(*(statistics.median(column) for column in zip(*each, strict=True)))
        times = loads.get(path, [])
        took = f"{statistics.median(times) * 1e3:.1f}" if times else ""
        print(
            f"| {path or 'none'} | {middle.p50:.2f} | {middle.p99:.2f} "
            f"| {statistics.median(ratios):.2f} × ({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {took} | {len(times) / (args.seconds * args.rounds):.1f} |",
            flush=True,
        )
    cost(bench)


def cost(bench: Bench) -> None:
    """Print the time that pages of an exporter with an hour's channels take of the event loop."""
    print("\n| page | CPU ms of the event loop: median (least) | bytes on the wire |")
    print("|---|---|---|")
    with bench.ours() as server:
        bench.load(server, "callbacks", 5, rate=RATE)
        for path in PATHS:
            fetch(f"{server.admin}{path}", headers=_GZIP)  # what is made once
            used = []
            for _ in range(21):
                before = loop_milliseconds(server.process.pid)
                size = len(fetch(f"{server.admin}{path}", headers=_GZIP))
                used.append(loop_milliseconds(server.process.pid) - before)
                time.sleep(0.3)
            print(f"| {path} | {statistics.median(used):.1f} ({min(used):.1f}) | {size:,} |")


def loop_milliseconds(process: int) -> float:
    """Return the CPU time of a process's first thread, which runs the event loop."""
    return int(Path(f"/proc/{process}/task/{process}/schedstat").read_text().split()[0]) / 1e6


_GZIP = {"Accept-Encoding": "gzip"}


@contextmanager
def nothing() -> Iterator[list[float]]:
    """Load no page."""
    yield []


@contextmanager
def loaded(url: str) -> Iterator[list[float]]:
    """Load a page again and again inside the block; give the seconds that each took."""
    stop = threading.Event()
    took: list[float] = []

    def load() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            fetch(url, headers=_GZIP)
            took.append(time.perf_counter() - began)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()
