"""The metrics of results: the ledger's counts, labelled by the current code tables."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from exporter.classification.classifier import Classifier
from exporter.classification.tables import OTHER
from exporter.ledger.store import Count
from exporter.metrics.metrics import CHANNEL_INFO, CODE_INFO, LAST_RECEIVED, RESULTS
from exporter.results import ClassifiedResult, Series

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

UNKNOWN_CODE_SECONDS = 30 * 86400
"""Time after which the series and the label of an unused unknown code are dropped."""

_MAX_EXEMPLAR = 128 - len("msg_id")  # OpenMetrics 1.0 allows 128 characters in total

Labels = tuple[str, ...]
"""The values of a family's labels."""

Values = Mapping[Labels, float]
"""The samples of a family."""


class Family(NamedTuple):
    """A metric family."""

    name: str
    """The name of the samples."""
    kind: str
    help: str
    labels: tuple[str, ...]

    @property
    def has_exemplars(self) -> bool:
        """Whether OpenMetrics allows exemplars: among these families, only on counters."""
        return self.kind == "counter"

    def metric(self, values: Values, exemplars: Mapping[Labels, Exemplar] | None = None) -> Metric:
        """Make the family for prometheus-client, with one sample per value."""
        name = self.name.removesuffix("_total") if self.kind == "counter" else self.name
        metric = Metric(name, self.help, self.kind)
        find = (exemplars or {}).get
        for labels, value in values.items():
            metric.add_sample(self.name, self._named(labels), value, exemplar=find(labels))
        return metric

    def _named(self, labels: Labels) -> dict[str, str]:
        """Map label names to values; results without an app have no label `app`."""
        named = dict(zip(self.labels, labels, strict=True))
        if not named.get("app", "."):
            del named["app"]
        return named


FAMILIES = (
    Family(
        RESULTS,
        "counter",
        "Push results by channel, status code and severity.",
        ("channel", "code", "severity", "app"),
    ),
    Family(
        CODE_INFO,
        "gauge",
        "The meaning of a code, to join with push_results_total; the value is always 1.",
        ("channel", "code", "name", "category", "severity", "retry"),
    ),
    Family(
        CHANNEL_INFO,
        "gauge",
        "The channel whose pushes a channel's receipts confirm, or empty; the value is always 1.",
        ("channel", "receipts_of"),
    ),
    Family(
        LAST_RECEIVED,
        "gauge",
        "Unix time at which the last result of a channel was counted.",
        ("channel", "app"),
    ),
)
"""The families, in the order of the exposition."""


class Samples(NamedTuple):
    """The samples of all families at one time; the fields correspond to FAMILIES."""

    results: Values
    codes: Values
    channels: Values
    last_received: Values


class _Layout(NamedTuple):
    """The exposed series, until a reload or until a series is added or removed."""

    classifier: Classifier
    labels: dict[Series, Labels]
    """The labels of the counted series."""
    zeros: dict[Labels, float]
    """All labels of RESULTS, in order, each with the value 0."""
    codes: dict[Labels, float]
    channels: dict[Labels, float]


class ResultsCollector(Collector):
    """Exposes the ledger's counts, labelled by the current code tables."""

    def __init__(
        self,
        counts: Callable[[], Mapping[Series, Count] | None],
        classifier: Callable[[], Classifier],
        apps: Sequence[str] = (),
    ) -> None:
        """Expose counts; `apps` are the declared apps, if results have the label `app`."""
        self._counts = counts
        self._classifier = classifier
        self._apps = (*apps, OTHER) if apps else ("",)
        self._exemplars: dict[Series, Exemplar] = {}
        self._layout: _Layout | None = None

    def remember(self, message_ids: Mapping[Series, str]) -> None:
        """Set the exemplars of series to message ids."""
        now = time.time()
        for series, message_id in message_ids.items():
            if len(message_id) <= _MAX_EXEMPLAR:
                # prometheus-client's parser does not support quotation marks in exemplars.
                label = printable(message_id).replace('"', "'")
                self._exemplars[series] = Exemplar({"msg_id": label}, 1, now)

    def describe(self) -> Iterator[Metric]:
        """Yield the families without samples, which makes `name[]` work for this collector."""
        for family in FAMILIES:
            yield family.metric({})

    def collect(self) -> Iterator[Metric]:
        """Yield the families, or nothing before the ledger has been read.

        Zeros would look like a counter reset.
        """
        samples = self.samples()
        if samples is not None:
            exemplars = self.exemplars()
            for family, values in zip(FAMILIES, samples, strict=True):
                yield family.metric(values, exemplars if family.has_exemplars else None)

    def samples(self) -> Samples | None:
        """Return the current samples, or None before the ledger has been read.

        Mappings that have not changed since the last call are the same objects.
        """
        counts = self._counts()
        if counts is None:
            return None
        layout = self._layout_of(counts)
        totals = dict(layout.zeros)
        latest: dict[Labels, float] = {}
        for series, count in counts.items():
            if labels := layout.labels.get(series):
                totals[labels] += count.total
            channel = series.channel, series.app
            if count.last_at > latest.get(channel, 0):
                latest[channel] = count.last_at
        return Samples(totals, layout.codes, layout.channels, latest)

    def exemplars(self) -> dict[Labels, Exemplar]:
        """Return the exemplars of the last samples."""
        labels = self._layout.labels if self._layout else {}
        return {
            labels[series]: exemplar
            for series, exemplar in self._exemplars.items()
            if series in labels
        }

    def _layout_of(self, counts: Mapping[Series, Count]) -> _Layout:
        """Return the series to expose; the same object if none was added or removed."""
        layout, classifier = self._layout, self._classifier()
        shown = list(_shown(counts, classifier))
        if layout is None or layout.classifier is not classifier or list(layout.labels) != shown:
            layout = self._layout = _make_layout(classifier, shown, self._apps)
        return layout


def _shown(counts: Mapping[Series, Count], classifier: Classifier) -> Iterator[Series]:
    """Yield the series to expose: all except unknown codes that have not been used recently."""
    oldest = time.time() - UNKNOWN_CODE_SECONDS
    for series, count in counts.items():
        if count.last_at > oldest or series.code == OTHER or classifier.current(series).known:
            yield series


def _make_layout(classifier: Classifier, shown: Iterable[Series], apps: Sequence[str]) -> _Layout:
    meanings = {series: _as_counted(series, classifier.current(series)) for series in shown}
    overflow = [ClassifiedResult.unknown(channel, OTHER) for channel in classifier.channels()]
    start = [*classifier.known(), *overflow]
    labels = {series: _labels(classified, series.app) for series, classified in meanings.items()}
    # One row per set of labels of RESULTS except the app, or the join would be ambiguous.
    rows: dict[Labels, ClassifiedResult] = {}
    for classified in [*start, *meanings.values()]:
        rows.setdefault(_labels(classified), classified)
    return _Layout(
        classifier,
        labels,
        dict.fromkeys([*_starting(classifier, start, labels, apps), *labels.values()], 0.0),
        {_code_labels(classified): 1.0 for classified in rows.values()},
        dict.fromkeys(classifier.receipt_channels().items(), 1.0),
    )


def _starting(
    classifier: Classifier,
    pairs: Iterable[ClassifiedResult],
    counted: Iterable[Series],
    apps: Sequence[str],
) -> Iterator[Labels]:
    """Yield the labels that are exposed with 0 before their first result.

    Without apps these are all pairs of channel and code. With apps these are, for each app, the
    codes of MPS's channels, and of each other channel once the app has a result on it.
    """
    if apps == ("",):
        yield from map(_labels, pairs)
        return
    used = {(series.channel, series.app) for series in counted}
    of_mps = {
        classified.series.channel
        for classified in classifier.known()
        if (row := classifier.row(classified.series))
        and row.origin == "status-page"
        and classified.series.table == classified.series.channel
    }
    for app in apps:
        for classified in pairs:
            channel = classified.series.channel
            if channel in of_mps or (channel, app) in used:
                yield _labels(classified, app)


def _as_counted(series: Series, classified: ClassifiedResult) -> ClassifiedResult:
    """Return a classified result with the code as counted, even if it is now an alias.

    Otherwise old counts would move to the total of its row, an increase for Prometheus.
    """
    if classified.series.code == series.code:
        return classified
    return msgspec.structs.replace(classified, series=classified.series._replace(code=series.code))


def _labels(classified: ClassifiedResult, app: str = "") -> Labels:
    return classified.series.channel, classified.series.code, classified.severity.value, app


def _code_labels(classified: ClassifiedResult) -> Labels:
    channel, code, severity, _ = _labels(classified)
    name = printable(classified.name)  # a custom table may contain any character
    return channel, code, name, classified.category.value, severity, classified.retry.value


def printable(text: str) -> str:
    """Replace characters that are not printable.

    A NUL ends Prometheus' parsing of a scrape, an unpaired surrogate cannot be encoded, and a line
    end or a change of writing direction could forge text.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else REPLACEMENT for character in text)
