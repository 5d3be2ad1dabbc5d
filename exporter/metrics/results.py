"""The ledger's counts as metrics: read at each scrape, and shown by today's code tables."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from exporter.classification.classifier import Classifier
from exporter.classification.tables import OTHER
from exporter.ledger.ledger import Count
from exporter.metrics.metrics import CHANNEL_INFO, CODE_INFO, LAST_RECEIVED, RESULTS
from exporter.results import ClassifiedResult, Series

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

UNKNOWN_CODE_SECONDS = 30 * 86400
"""An unknown code that no result had for so long has no series any more, and no place."""

_MAX_EXEMPLAR = 128 - len("msg_id")  # OpenMetrics 1.0 allows 128 characters in all


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
        oldest = time.time() - UNKNOWN_CODE_SECONDS
        meanings = {
            series: meaning
            for series, count in counts.items()
            for meaning in [_as_counted(series, classifier.current(series))]
            if meaning.known or series.code == OTHER or count.last_at > oldest
        }
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
        for series, meaning in meanings.items():
            count = counts[series]
            labels = _labels(meaning)
            totals[labels] = totals.get(labels, 0) + count.total
            if exemplar := self._exemplars.get(series):
                exemplars[labels] = exemplar
        family = _results_family()
        for labels, total in totals.items():
            family.add_metric(labels, total, exemplar=exemplars.get(labels))
        return family


def _as_counted(series: Series, meaning: ClassifiedResult) -> ClassifiedResult:
    """Keep the code that was counted, though it is an alias by now.

    Added to the total of its row, what was counted long ago would be an increase to Prometheus.
    """
    if meaning.series.code == series.code:
        return meaning
    return msgspec.structs.replace(meaning, series=meaning.series._replace(code=series.code))


def _results_family() -> CounterMetricFamily:
    return CounterMetricFamily(
        RESULTS.removesuffix("_total"),
        "Push results by channel, status code and severity.",
        labels=["channel", "code", "severity"],
    )


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


def printable(text: str) -> str:
    """Replace what is invisible or no character: NUL, controls, halves of surrogate pairs.

    A NUL ends Prometheus' parsing of a scrape, half a surrogate pair cannot be encoded at all, and
    a line end or a change of writing direction would say something that the text does not.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else REPLACEMENT for one in text)
