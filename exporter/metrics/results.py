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
from exporter.ledger.ledger import Count
from exporter.metrics.metrics import CHANNEL_INFO, CODE_INFO, LAST_RECEIVED, RESULTS
from exporter.results import ClassifiedResult, Series

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

UNKNOWN_CODE_SECONDS = 30 * 86400
"""An unknown code that no result had for so long has no series any more, and no place."""

_MAX_EXEMPLAR = 128 - len("msg_id")  # OpenMetrics 1.0 allows 128 characters in all

Labels = tuple[str, ...]
"""The values of a family's labels."""

Values = Mapping[Labels, float]
"""The samples of a family."""


class Family(NamedTuple):
    """A family by name, with the names of its labels."""

    name: str
    """That of the samples."""
    kind: str
    help: str
    labels: tuple[str, ...]

    @property
    def has_exemplars(self) -> bool:
        """Whether OpenMetrics allows exemplars: of all our families, on counters alone."""
        return self.kind == "counter"

    def metric(self, values: Values, exemplars: Mapping[Labels, Exemplar] | None = None) -> Metric:
        """Make the family for prometheus-client, with a sample for each value."""
        name = self.name.removesuffix("_total") if self.kind == "counter" else self.name
        metric = Metric(name, self.help, self.kind)
        find = (exemplars or {}).get
        for labels, value in values.items():
            metric.add_sample(self.name, self._named(labels), value, exemplar=find(labels))
        return metric

    def _named(self, labels: Labels) -> dict[str, str]:
        """Name the labels; results without an app have no label `app`."""
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
        "What a code means, to join with push_results_total; the value is always 1.",
        ("channel", "code", "name", "category", "severity", "retry"),
    ),
    Family(
        CHANNEL_INFO,
        "gauge",
        "The channel whose pushes a channel's receipts are of, or empty; the value is always 1.",
        ("channel", "receipts_of"),
    ),
    Family(
        LAST_RECEIVED,
        "gauge",
        "Unix time at which the last result of a channel was counted.",
        ("channel", "app"),
    ),
)
"""In the order in which they are exposed."""


class Samples(NamedTuple):
    """The samples of each family at one moment; a field for each of FAMILIES."""

    results: Values
    codes: Values
    channels: Values
    last_received: Values


class _Layout(NamedTuple):
    """The series that are exposed, until a reload or until a series comes or leaves."""

    classifier: Classifier
    labels: dict[Series, Labels]
    """Of the counted series."""
    zeros: dict[Labels, float]
    """All labels of RESULTS, in their order."""
    codes: dict[Labels, float]
    channels: dict[Labels, float]


class ResultsCollector(Collector):
    """Exposes the ledger's counts by the current code tables, so that the two never disagree."""

    def __init__(
        self,
        counts: Callable[[], Mapping[Series, Count] | None],
        classifier: Callable[[], Classifier],
        apps: Sequence[str] = (),
    ) -> None:
        """Expose counts; `apps` are the declared apps, if results are told apart by app."""
        self._counts = counts
        self._classifier = classifier
        self._apps = (*apps, OTHER) if apps else ("",)
        self._exemplars: dict[Series, Exemplar] = {}
        self._layout: _Layout | None = None

    def remember(self, message_ids: Mapping[Series, str]) -> None:
        """Keep the latest message id of each series as its exemplar."""
        now = time.time()
        for series, message_id in message_ids.items():
            if len(message_id) <= _MAX_EXEMPLAR:
                # prometheus-client's own parser fails at a quotation mark in an exemplar.
                label = printable(message_id).replace('"', "'")
                self._exemplars[series] = Exemplar({"msg_id": label}, 1, now)

    def describe(self) -> Iterator[Metric]:
        """Yield the families without samples, by which `name[]` finds this collector."""
        for family in FAMILIES:
            yield family.metric({})

    def collect(self) -> Iterator[Metric]:
        """Yield the families, or nothing while the ledger is not read.

        A 0 would look like a reset counter.
        """
        samples = self.samples()
        if samples is not None:
            exemplars = self.exemplars()
            for family, values in zip(FAMILIES, samples, strict=True):
                yield family.metric(values, exemplars if family.has_exemplars else None)

    def samples(self) -> Samples | None:
        """Return the samples of now, or None while the ledger is not read.

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
        """Return the series to expose: as before, unless one has come or left."""
        layout, classifier = self._layout, self._classifier()
        shown = list(_shown(counts, classifier))
        if layout is None or layout.classifier is not classifier or list(layout.labels) != shown:
            layout = self._layout = _make_layout(classifier, shown, self._apps)
        return layout


def _shown(counts: Mapping[Series, Count], classifier: Classifier) -> Iterator[Series]:
    """Yield the series that are exposed: all but unknown codes that nobody used for long."""
    oldest = time.time() - UNKNOWN_CODE_SECONDS
    for series, count in counts.items():
        if count.last_at > oldest or series.code == OTHER or classifier.current(series).known:
            yield series


def _make_layout(classifier: Classifier, shown: Iterable[Series], apps: Sequence[str]) -> _Layout:
    meanings = {series: _as_counted(series, classifier.current(series)) for series in shown}
    overflow = [ClassifiedResult.unknown(channel, OTHER) for channel in classifier.channels()]
    start = [*classifier.known(), *overflow]
    labels = {series: _labels(meaning, series.app) for series, meaning in meanings.items()}
    # One row for each set of labels of RESULTS but the app, or the join would be ambiguous.
    rows: dict[Labels, ClassifiedResult] = {}
    for meaning in [*start, *meanings.values()]:
        rows.setdefault(_labels(meaning), meaning)
    return _Layout(
        classifier,
        labels,
        dict.fromkeys([*_starting(classifier, start, labels, apps), *labels.values()], 0.0),
        {_code_labels(meaning): 1.0 for meaning in rows.values()},
        dict.fromkeys(classifier.receipt_channels().items(), 1.0),
    )


def _starting(
    classifier: Classifier,
    pairs: Iterable[ClassifiedResult],
    counted: Iterable[Series],
    apps: Sequence[str],
) -> Iterator[Labels]:
    """Yield the labels that start at 0: without apps all pairs of channel and code.

    With apps, for each of them those of the channels of MPS's status codes, and those of any other
    channel from the app's first result on.
    """
    if apps == ("",):
        yield from map(_labels, pairs)
        return
    used = {(series.channel, series.app) for series in counted}
    of_mps = {
        meaning.series.channel
        for meaning in classifier.known()
        if (row := classifier.row(meaning.series))
        and row.origin == "status-page"
        and meaning.series.table == meaning.series.channel
    }
    for app in apps:
        for meaning in pairs:
            channel = meaning.series.channel
            if channel in of_mps or (channel, app) in used:
                yield _labels(meaning, app)


def _as_counted(series: Series, meaning: ClassifiedResult) -> ClassifiedResult:
    """Keep the code that was counted, though it may be an alias by now.

    Added to the total of its row, old counts would be an increase to Prometheus.
    """
    if meaning.series.code == series.code:
        return meaning
    return msgspec.structs.replace(meaning, series=meaning.series._replace(code=series.code))


def _labels(meaning: ClassifiedResult, app: str = "") -> Labels:
    return meaning.series.channel, meaning.series.code, meaning.severity.value, app


def _code_labels(meaning: ClassifiedResult) -> Labels:
    channel, code, severity, _ = _labels(meaning)
    name = printable(meaning.name)  # an operator's table may hold anything
    return channel, code, name, meaning.category.value, severity, meaning.retry.value


def printable(text: str) -> str:
    """Replace what is invisible or no character: NUL, controls, halves of surrogate pairs.

    A NUL ends Prometheus' parsing of a scrape, half a surrogate pair cannot be encoded at all, and
    a line end or a change of writing direction would forge text.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else REPLACEMENT for one in text)
