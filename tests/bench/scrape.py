"""`make bench ARGS=scrape`: scrapes beside prometheus-client's own, callbacks beside scrapes."""

import argparse
import gzip
import random
import statistics
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial

from prometheus_client.exposition import choose_encoder

from exporter.admin.metrics import GZIP_LEVEL
from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.ledger.store import Count
from exporter.metrics.exposition import Encoder, Exposition
from exporter.metrics.metrics import Metrics
from exporter.metrics.results import ResultsCollector
from exporter.results import Series
from tests.bench.servers import Bench, Run

ACCEPT = "application/openmetrics-text; version=1.0.0"
RATE = 3000
"""Callbacks a second beside which scrapes are measured."""


def scrape(bench: Bench, args: argparse.Namespace) -> None:
    """Print CPU times of a scrape, and the latency of callbacks with and without scrapes."""
    print("\n### A scrape with gzip, CPU ms (the best of 25)\n")
    print("| apps | lines | prometheus-client, level 9 | ours | ratio |\n|---|---|---|---|---|")
    for apps in (0, 20, 100):
        counts, exposition = busy(apps)
        encode, _ = choose_encoder(ACCEPT)
        lines = encode(exposition.registry).count(b"\n")
        theirs = milliseconds(partial(library, encode, exposition))
        ours = milliseconds(partial(ours_after_results, counts, exposition))
        print(f"| {apps or 'none'} | {lines:,} | {theirs:.1f} | {ours:.1f} | {theirs / ours:.1f} |")
    print(f"\n### Callbacks at {RATE:,} a second beside a scrape every second\n")
    print("| apps | p99 ms with scrapes | without | ratio |\n|---|---|---|---|")
    for apps in (0, 20):
        with_scrapes, without = beside_scrapes(bench, args, apps)
        ratio = f"{with_scrapes / without:.2f}"
        print(f"| {apps or 'none'} | {with_scrapes:.1f} | {without:.1f} | {ratio} |", flush=True)


def beside_scrapes(bench: Bench, args: argparse.Namespace, apps: int) -> Iterator[float]:
    """Yield the p99 of callbacks in milliseconds, with scrapes and without."""
    runs: dict[bool, list[Run]] = {True: [], False: []}
    names = ",".join(f"app-{number}" for number in range(apps))
    for _ in range(args.rounds):
        for scrapes, each in runs.items():
            with bench.ours(scrapes=scrapes, apps=names) as server:
                bench.load(server, "callbacks", 1)
                each.append(bench.load(server, "callbacks", args.seconds, rate=RATE))
    for each in runs.values():
        yield statistics.median(run.p99 for run in each)


def busy(apps: int) -> tuple[dict[Series, Count], Exposition]:
    """Make the metrics of an exporter of which a third of the codes have counted."""
    classifier, rng = Classifier(load_tables()), random.Random(1)
    known = [meaning.series for meaning in classifier.known()]
    names = [f"app-{number}" for number in range(apps)]
    counts = {
        series._replace(app=app): Count(rng.randrange(1, 10**6), time.time())
        for app in names or [""]
        for series in rng.sample(known, len(known) // 3)
    }
    metrics = Metrics("1.2.3")
    for name in ("mps", "results"):
        metrics.webhooks.source(name)
    results = ResultsCollector(lambda: counts, lambda: classifier, names)
    results.remember({series: f"m-{number}" for number, series in enumerate([*counts][:100])})
    return counts, Exposition(metrics.registry, results)


def library(encode: Encoder, exposition: Exposition) -> bytes:
    """Render and compress as prometheus-client's handler does."""
    return gzip.compress(encode(exposition.registry))


def ours_after_results(counts: dict[Series, Count], exposition: Exposition) -> bytes:
    """Render and compress as the exporter does, after a few more results."""
    for count in random.sample(list(counts.values()), 20):
        count.total += 1
        count.last_at = time.time()
    packer = zlib.compressobj(GZIP_LEVEL, wbits=31)
    return packer.compress(exposition.render(ACCEPT).text) + packer.flush()


def milliseconds(work: Callable[[], object]) -> float:
    """Return the least CPU time of several runs."""
    took = []
    for _ in range(25):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took) * 1000
