"""Renders the text of a scrape.

prometheus-client renders each line of the results once; a scrape renders only new values and
exemplars, which takes an eighth of the time. The text is identical to prometheus-client's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, cast

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from exporter.metrics.results import FAMILIES, Family, Labels, ResultsCollector, Values

_OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_TEXT = "text/plain; version=1.0.0"
_CLASSIC_TEXT = "text/plain; version=0.0.4"
_FORMATS = {
    ("application/openmetrics-text", ""): _OPENMETRICS,
    ("application/openmetrics-text", "1.0.0"): _OPENMETRICS,
    ("text/plain", ""): _CLASSIC_TEXT,
    ("text/plain", "0.0.4"): _CLASSIC_TEXT,
    ("text/plain", "1.0.0"): _TEXT,
}
"""By media type and version in an Accept header."""

_END = "# EOF\n"
_MAX_TEXTS = 8
"""Maximum number of cached formats and instances."""

Exemplars = Mapping[Labels, Exemplar]
Encoder = Callable[[Collector], bytes]


class Rendered(NamedTuple):
    """The body of a response to a scrape."""

    text: bytes
    content_type: str


class Exposition:
    """Renders all metrics, or selected ones."""

    def __init__(self, others: CollectorRegistry, results: ResultsCollector) -> None:
        """Expose a registry, followed by the results."""
        self.registry = CollectorRegistry(auto_describe=True)
        """The registry of both, rendered by prometheus-client."""
        self.registry.register(others)
        self.registry.register(results)
        self._others = others
        self._results = results
        self._families: dict[tuple[str, str | None], list[_FamilyText]] = {}
        """By content type and instance."""

    def render(
        self, accept: str, names: Sequence[str] = (), *, instance: str | None = None
    ) -> Rendered:
        """Render in the format requested by an Accept header.

        `names` are the values of `name[]`; `instance` is a label added to all samples.
        """
        encode, content_type = choose_encoder(_supported(accept))
        if instance is not None:
            encode = partial(_encode_labelled, encode, instance)
        if names:
            return Rendered(encode(self.registry.restricted_registry(names)), content_type)
        others = encode(self._others).decode()
        end = _END if others.endswith(_END) else ""
        families = self._families_of(content_type, instance, encode)
        results = self._results_text(families, with_exemplars=bool(end))
        return Rendered("".join([others.removesuffix(_END), *results, end]).encode(), content_type)

    def _families_of(
        self, content_type: str, instance: str | None, encode: Encoder
    ) -> "list[_FamilyText]":
        key = content_type, instance
        if key not in self._families:
            if len(self._families) >= _MAX_TEXTS:
                self._families.clear()
            self._families[key] = [_FamilyText(encode, family) for family in FAMILIES]
        return self._families[key]

    def _results_text(
        self, families: "list[_FamilyText]", *, with_exemplars: bool
    ) -> Iterator[str]:
        samples = self._results.samples()
        if samples is None:
            return
        exemplars = self._results.exemplars() if with_exemplars else {}
        for family, values in zip(families, samples, strict=True):
            yield from family.render(values, exemplars)


def _supported(accept: str) -> str:
    """Return the preferred supported format in an Accept header, without an escaping scheme.

    prometheus-client (0.26) copies any version to the Content-Type, fails for some, and renames
    metrics in OpenMetrics for `escaping=values`; our names need no escaping.
    """
    best, highest = _CLASSIC_TEXT, 0.0
    for accepted in accept.split(","):
        media_type, *given = (part.strip() for part in accepted.split(";"))
        parameters = {name: value for name, _, value in (text.partition("=") for text in given)}
        name = _FORMATS.get((media_type, parameters.get("version", "")))
        quality = _quality(parameters.get("q", "1"))
        if name and quality > highest:
            best, highest = name, quality
    return best


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


class _FamilyText:
    """The lines of one family, by labels."""

    def __init__(self, encode: Encoder, family: Family) -> None:
        self._encode = encode
        self._family = family
        self._header = self._written(family.metric({}))
        self._values: Values = {}
        self._exemplars: Exemplars = {}
        self._starts: dict[Labels, str] = {}
        """The text before the value, by labels."""
        self._ends: dict[Labels, str] = {}
        """The text after the value, which is the exemplar, by labels."""
        self._lines: dict[Labels, str] = {}

    def render(self, values: Values, exemplars: Exemplars) -> Iterator[str]:
        """Yield the header and a line per value, rendering only lines that have changed."""
        if values is not self._values:
            if [*values] != [*self._values]:  # including their order
                self._arrange(values)
            changed = self._write_exemplars(exemplars) if self._family.has_exemplars else set()
            before, starts, ends = self._values.get, self._starts, self._ends
            for labels, value in values.items():
                if value != before(labels) or labels in changed:
                    end = ends.get(labels, "")
                    self._lines[labels] = f"{starts[labels]}{_written_number(value)}{end}\n"
            self._values = values
        yield self._header
        yield from self._lines.values()

    def _arrange(self, values: Values) -> None:
        """Arrange the lines in the order of the values; prometheus-client renders new lines."""
        new = [labels for labels in values if labels not in self._starts]
        lines = self._written(self._family.metric(dict.fromkeys(new, 0.0)))
        written = lines.removeprefix(self._header).split("\n")[:-1]
        for labels, line in zip(new, written, strict=True):
            self._starts[labels] = line.removesuffix("0.0")
        self._starts = {labels: self._starts[labels] for labels in values}
        self._lines = {labels: self._lines.get(labels, "") for labels in values}
        self._exemplars = {
            labels: exemplar for labels, exemplar in self._exemplars.items() if labels in values
        }

    def _write_exemplars(self, exemplars: Exemplars) -> set[Labels]:
        """Have prometheus-client render new exemplars; return the labels of changed lines."""
        before = self._exemplars
        new = [
            labels for labels, exemplar in exemplars.items() if exemplar is not before.get(labels)
        ]
        if new:
            places: list[Labels] = [(str(number),) for number in range(len(new))]
            shown = {place: exemplars[labels] for place, labels in zip(places, new, strict=True)}
            lines = self._written(_EXEMPLARS.metric(dict.fromkeys(places, 0.0), shown)).split("\n")
            bare = self._written(_EXEMPLARS.metric(dict.fromkeys(places, 0.0))).split("\n")
            for labels, line, start in zip(new, lines[2:], bare[2:], strict=False):  # HELP, TYPE
                self._ends[labels] = line.removeprefix(start)
        gone = self._ends.keys() - exemplars.keys()
        for labels in gone:
            del self._ends[labels]
        self._exemplars = exemplars
        return gone.union(new)

    def _written(self, metric: Metric) -> str:
        return self._encode(_Only(metric)).decode().removesuffix(_END)


def _written_number(value: float) -> str:
    return cast("str", floatToGoString(value))  # type: ignore[no-untyped-call]


def _encode_labelled(encode: Encoder, instance: str, registry: Collector) -> bytes:
    return encode(_Labelled(registry, instance))


class _Labelled(Collector):
    """Collects the metrics of a registry, with a label `instance` added."""

    def __init__(self, registry: Collector, instance: str) -> None:
        self._registry = registry
        self._labels = {"instance": instance}

    def collect(self) -> Iterator[Metric]:
        """Yield copies of the families."""
        for metric in self._registry.collect():
            labelled = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            labelled.samples = [
                sample._replace(labels=sample.labels | self._labels) for sample in metric.samples
            ]
            yield labelled


_EXEMPLARS = Family("exemplars_total", "counter", "", ("place",))


class _Only(Collector):
    """Collects one family."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        """Yield the family."""
        yield self._metric
