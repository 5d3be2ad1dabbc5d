"""Every metric: its name, its help text, its labels. Counts are read from the ledger at scrape."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from exporter.classification.classifier import Classifier
from exporter.classification.tables import OTHER
from exporter.ledger.ledger import Count
from exporter.reasons import ItemReason, Reason
from exporter.results import ClassifiedResult, Series
from exporter.text import printable

RESULTS = "push_results_total"
CODE_INFO = "push_code_info"
CHANNEL_INFO = "push_channel_info"
LAST_RECEIVED = "push_results_last_received_timestamp_seconds"
DUPLICATES = "push_results_duplicate_total"
REJECTED = "push_results_rejected_total"
SKIPPED = "push_results_skipped_total"
REQUESTS = "push_webhook_requests_total"
REQUEST_SECONDS = "push_webhook_request_duration_seconds"
IN_FLIGHT = "push_webhook_requests_in_flight"
COMMIT_SECONDS = "push_ledger_commit_duration_seconds"
COMMIT_ERRORS = "push_ledger_commit_errors_total"
PENDING = "push_ledger_pending_results"
DEDUPE_REACH = "push_ledger_dedupe_reach_seconds"
RECORDS = "push_exporter_records_total"
BUILD_INFO = "push_exporter_build_info"
RELOAD_SUCCESSFUL = "push_exporter_config_last_reload_successful"

UNROUTED = "unknown"
"""The label `source` of requests to no webhook."""

_MAX_EXEMPLAR = 128 - len("msg_id")  # OpenMetrics 1.0 allows 128 characters in all
_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COMMIT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

# Otherwise each counter and histogram has a `_created` twin. The library has no other switch.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one exporter, in a registry of their own."""

    def __init__(self, version: str, registry: CollectorRegistry | None = None) -> None:
        # It describes collectors by what they collect, so that `name[]` finds those of the process.
        self.registry = registry or CollectorRegistry(auto_describe=True)
        self._sources: dict[str, SourceMetrics] = {}
        self._requests = Counter(
            REQUESTS,
            "Requests by gateway and outcome: accepted, or the reason for which they are refused.",
            ["source", "status"],
            registry=self.registry,
        )
        self.unrouted = {
            reason: self._requests.labels(UNROUTED, reason)
            for reason in (Reason.NOT_FOUND, Reason.MALFORMED_REQUEST, Reason.INTERNAL_ERROR)
        }
        """Requests that reach no gateway, by the reason."""
        self._request_seconds = Histogram(
            REQUEST_SECONDS,
            "Seconds from the headers of a request to its response.",
            ["source"],
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self.requests_in_flight = Gauge(
            IN_FLIGHT,
            "Requests that have no response yet.",
            registry=self.registry,
        )
        self._duplicates = Counter(
            DUPLICATES,
            "Results that had been counted before and were not counted again.",
            ["source"],
            registry=self.registry,
        )
        self._skipped = Counter(
            SKIPPED,
            "Items that the gateway's description leaves aside.",
            ["source"],
            registry=self.registry,
        )
        self._rejected = Counter(
            REJECTED,
            "Items that were not results, by reason.",
            ["source", "reason"],
            registry=self.registry,
        )
        self.commit_seconds = Histogram(
            COMMIT_SECONDS,
            "Seconds to commit a group of results to the ledger.",
            buckets=_COMMIT_BUCKETS,
            registry=self.registry,
        )
        self.commit_errors = Counter(
            COMMIT_ERRORS,
            "Failed attempts to write to the ledger.",
            registry=self.registry,
        )
        self.pending_results = Gauge(
            PENDING,
            "Results that wait for their commit.",
            registry=self.registry,
        )
        self.dedupe_reach = Gauge(
            DEDUPE_REACH,
            "Seconds for which a delivery is known, so that its repetition is a duplicate.",
            registry=self.registry,
        )
        self.reload_successful = Gauge(
            RELOAD_SUCCESSFUL,
            "Whether the last load of keys, tokens and code tables succeeded.",
            registry=self.registry,
        )
        records = Counter(
            RECORDS,
            "Rejected requests to keep in RECORD: written, dropped for lack of space, or failed.",
            ["outcome"],
            registry=self.registry,
        )
        self.records = {one: records.labels(one) for one in ("written", "dropped", "failed")}
        build = Gauge(
            BUILD_INFO,
            "The version of the exporter; the value is always 1.",
            ["version"],
            registry=self.registry,
        )
        build.labels(version).set(1)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def source(self, name: str) -> "SourceMetrics":
        """Return the series of a gateway, created at 0 when it is first asked for."""
        try:
            return self._sources[name]
        except KeyError:
            children = self._sources[name] = self._make_source(name)
            return children

    def _make_source(self, name: str) -> "SourceMetrics":
        statuses = ["accepted", *Reason]
        return SourceMetrics(
            requests={status: self._requests.labels(name, status) for status in statuses},
            seconds=self._request_seconds.labels(name),
            duplicates=self._duplicates.labels(name),
            skipped=self._skipped.labels(name),
            rejected={reason: self._rejected.labels(name, reason) for reason in ItemReason},
        )

    def requests(self) -> dict[tuple[str, ...], int]:
        """Return how many webhook requests there were, by source and status."""
        return _totals(self._requests)

    def rejections(self) -> dict[tuple[str, ...], int]:
        """Return how many items were not results, by source and reason."""
        return _totals(self._rejected)

    def duplicates(self) -> dict[tuple[str, ...], int]:
        """Return how many results were not counted again, by source."""
        return _totals(self._duplicates)

    def skipped(self) -> dict[tuple[str, ...], int]:
        """Return how many items a gateway's description leaves aside, by source."""
        return _totals(self._skipped)


class SourceMetrics:
    """The children of one webhook, resolved once."""

    def __init__(
        self,
        requests: Mapping[str, Counter],
        seconds: Histogram,
        duplicates: Counter,
        skipped: Counter,
        rejected: Mapping[str, Counter],
    ) -> None:
        self.requests = requests
        self.seconds = seconds
        self.duplicates = duplicates
        self.skipped = skipped
        self.rejected = rejected


class ResultsCollector(Collector):
    """Shows the ledger's counts by today's code tables, so the two can never disagree."""

    def __init__(
        self,
        counts: Callable[[], Mapping[Series, Count] | None],
        classifier: Callable[[], Classifier],
    ) -> None:
        self._counts = counts
        self._classifier = classifier
        self._exemplars: dict[Series, Exemplar] = {}

    def remember(self, message_ids: Mapping[Series, str]) -> None:
        """Keep the latest message id of each series as its exemplar."""
        now = time.time()
        for series, message_id in message_ids.items():
            if len(message_id) <= _MAX_EXEMPLAR:
                # prometheus-client's own parser loses its way at a quotation mark in an exemplar.
                label = printable(message_id).replace('"', "'")
                self._exemplars[series] = Exemplar({"msg_id": label}, 1, now)

    def describe(self) -> Iterator[Metric]:
        """Yield the families without samples, by which `name[]` finds this collector."""
        yield _results_family()
        yield _code_info([])
        yield _channel_info({})
        yield _last_received({})

    def collect(self) -> Iterator[Metric]:
        """Yield nothing while the ledger is not read: a 0 would look like a reset counter."""
        counts = self._counts()
        if counts is None:
            return
        classifier = self._classifier()
        meanings = {series: classifier.current(series) for series in counts}
        yield self._results(classifier, counts, meanings)
        yield _code_info([*classifier.known(), *_overflow(classifier), *meanings.values()])
        yield _channel_info(classifier.receipt_channels())
        yield _last_received(counts)

    def _results(
        self,
        classifier: Classifier,
        counts: Mapping[Series, Count],
        meanings: Mapping[Series, ClassifiedResult],
    ) -> Metric:
        start = [*classifier.known(), *_overflow(classifier)]
        totals = {_labels(meaning): 0 for meaning in start}
        exemplars: dict[tuple[str, str, str], Exemplar] = {}
        for series, count in counts.items():
            labels = _labels(meanings[series])
            totals[labels] = totals.get(labels, 0) + count.total
            if exemplar := self._exemplars.get(series):
                exemplars[labels] = exemplar
        family = _results_family()
        for labels, total in totals.items():
            family.add_metric(labels, total, exemplar=exemplars.get(labels))
        return family


def _results_family() -> CounterMetricFamily:
    return CounterMetricFamily(
        RESULTS.removesuffix("_total"),
        "Push results by channel, status code and severity.",
        labels=["channel", "code", "severity"],
    )


def _totals(counter: Counter) -> dict[tuple[str, ...], int]:
    """Read a counter by the values of its labels."""
    return {
        tuple(sample.labels.values()): int(sample.value)
        for metric in counter.collect()
        for sample in metric.samples
    }


def _overflow(classifier: Classifier) -> list[ClassifiedResult]:
    """List what counts the unknown codes past the bound, for each channel."""
    return [ClassifiedResult.unknown(channel, OTHER) for channel in classifier.channels()]


def _labels(meaning: ClassifiedResult) -> tuple[str, str, str]:
    return meaning.series.channel, meaning.series.code, meaning.severity


def _code_info(meanings: Iterable[ClassifiedResult]) -> Metric:
    family = GaugeMetricFamily(
        CODE_INFO,
        "What a code means, to join with push_results_total; the value is always 1.",
        labels=["channel", "code", "name", "category", "severity", "retry"],
    )
    # One row for each set of labels of push_results_total, or the join would be ambiguous.
    rows: dict[tuple[str, str, str], ClassifiedResult] = {}
    for meaning in meanings:
        rows.setdefault(_labels(meaning), meaning)
    for (channel, code, severity), meaning in rows.items():
        name = printable(meaning.name)  # an operator's table may hold anything
        labels = (channel, code, name, meaning.category, severity, meaning.retry)
        family.add_metric(labels, 1)
    return family


def _channel_info(receipts_of: Mapping[str, str]) -> Metric:
    family = GaugeMetricFamily(
        CHANNEL_INFO,
        "The channel whose pushes a channel's receipts are of, or empty; the value is always 1.",
        labels=["channel", "receipts_of"],
    )
    for labels in receipts_of.items():
        family.add_metric(labels, 1)
    return family


def _last_received(counts: Mapping[Series, Count]) -> Metric:
    family = GaugeMetricFamily(
        LAST_RECEIVED,
        "Unix time at which the last result of a channel was counted.",
        labels=["channel"],
    )
    latest: dict[str, float] = {}
    for series, count in counts.items():
        latest[series.channel] = max(count.last_at, latest.get(series.channel, 0))
    for channel, at in latest.items():
        family.add_metric((channel,), at)
    return family
