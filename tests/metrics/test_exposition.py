"""The text of a scrape is what prometheus-client writes, to the byte."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from exporter.classification.classifier import Classifier
from exporter.classification.tables import OTHER, Tables, load_tables
from exporter.errors import ItemReason
from exporter.ledger.store import Count
from exporter.metrics.exposition import Exposition
from exporter.metrics.metrics import Metrics
from exporter.metrics.results import UNKNOWN_CODE_SECONDS, ResultsCollector
from exporter.results import Series

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
CLASSIC = "text/plain; version=0.0.4"
FORMATS = (OPENMETRICS, "text/plain; version=1.0.0", CLASSIC)
NAMES = ("push_results_total", "push_code_info", "push_webhook_requests_total")

KNOWN = [
    Series("apns", "2009", "apns"),
    Series("apns", "2", "mps"),
    Series("oppo", "-1", "oppo"),
    Series("oppo", "-1", "mps"),
    Series("vivo", "10072", "vivo", "shop"),
    Series("vivo", "10072", "vivo", "other"),
]
UNKNOWN = [
    Series("vivo", "987654", ""),
    Series("vivo", "NEW", "", "shop"),
    Series("fcm", "UNREGISTERED", ""),  # an alias by now
    Series("gone", "7", "gone"),  # of a table that was removed
    Series("vivo", OTHER, ""),
    Series(OTHER, OTHER, ""),
    Series(OTHER, "A-z_0.9", ""),
]


ROWS = 10
"""Rows of each table, so that many examples are quick."""


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> list[Classifier]:
    """Give the built-in tables, and others over them: severities, names and channels change."""
    own = tmp_path_factory.mktemp("tables") / "own.toml"
    own.write_text(
        'channel = "vivo"\n[codes.10072]\nseverity = "critical"\n'
        'name = "Too \\"fast\\" \\\\ \\u0007"\n'
        '[codes.987654]\nname = "New"\ndescription = "New."\nseverity = "error"\n'
        'category = "auth"\nretry = "no"\naction = "Look."\n'
    )
    acme = own.with_name("acme.toml")
    acme.write_text('channel = "acme"\n[codes]\n')
    return [Classifier(_small(tables)) for tables in (load_tables(), load_tables([own, acme]))]


def _small(tables: Tables) -> Tables:
    """Return a few tables, each with some of its rows and those of the series below."""
    channels = ("mps", "apns", "oppo", "vivo", "fcm", "acme")
    codes = {series.code for series in (*KNOWN, *UNKNOWN)} | {"90000003", "UNREGISTERED"}
    return {
        channel: table.model_copy(
            update={
                "codes": {
                    code: row
                    for place, (code, row) in enumerate(table.codes.items())
                    if place < ROWS or code in codes
                }
            }
        )
        for channel, table in tables.items()
        if channel in channels
    }


class Exporter:
    """The metrics of an exporter, without the exporter."""

    def __init__(self, classifiers: list[Classifier], apps: Sequence[str] = ()) -> None:
        self.counts: dict[Series, Count] = {}
        self.loaded = True
        self.metrics = Metrics("1.2.3")
        self._classifiers = classifiers
        self._classifier = classifiers[0]
        self._results = ResultsCollector(
            lambda: self.counts if self.loaded else None, lambda: self._classifier, apps
        )
        self.exposition = Exposition(self.metrics.registry, self._results)

    def count(self, series: Series, total: int) -> None:
        """Count results of a series."""
        count = self.counts.setdefault(series, Count(0, 0))
        count.total += total
        count.last_at = time.time()

    def show(self, series: Series, message_id: str) -> None:
        """Give a series an exemplar."""
        self._results.remember({series: message_id})

    def age(self, series: Series) -> None:
        """Let a series be unused for long."""
        if series in self.counts:
            self.counts[series].last_at -= 2 * UNKNOWN_CODE_SECONDS

    def reload(self, number: int) -> None:
        """Classify by other tables."""
        self._classifier = self._classifiers[number]

    def lose(self, series: Series) -> None:
        """Count a series no more, as after another process has continued from the counts."""
        self.counts.pop(series, None)

    def restart(self) -> None:
        """Read the ledger again, in another order."""
        self.counts = dict(sorted(self.counts.items()))

    def check(self) -> None:
        """Compare each format, and a selection by name, with prometheus-client's text."""
        for accept, instance in product(FORMATS, (None, 'replica-0 # {msg_id=" 0.0')):
            encode, content_type = choose_encoder(accept)
            rendered = self.exposition.render(accept, instance=instance)
            assert rendered.content_type == content_type
            text = encode(labelled(self.exposition.registry, instance))
            assert lasting(rendered.text) == lasting(text)
        selected = self.exposition.registry.restricted_registry(NAMES)
        assert self.exposition.render(OPENMETRICS, NAMES).text == choose_encoder(OPENMETRICS)[0](
            selected
        )


def labelled(registry: Collector, instance: str | None) -> Collector:
    """Give every sample a label, as a registry of prometheus-client."""
    if instance is None:
        return registry
    other = CollectorRegistry()
    other.register(Labelled(registry, instance))
    return other


class Labelled(Collector):
    """Collects with one label more."""

    def __init__(self, registry: Collector, instance: str) -> None:
        self._registry, self._instance = registry, instance

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        for metric in self._registry.collect():
            more = Metric(metric.name, metric.documentation, metric.type)
            for name, labels, value, _, exemplar, *_ in metric.samples:
                more.add_sample(
                    name, {**labels, "instance": self._instance}, value, exemplar=exemplar
                )
            yield more


def lasting(text: bytes) -> list[bytes]:
    """Leave out the metrics that differ between renderings: process and garbage collection."""
    return [line for line in text.split(b"\n") if not line.startswith((b"process_", b"python_gc"))]


Step = Callable[[Exporter], None]

series = st.sampled_from(KNOWN + UNKNOWN)
message_ids = st.text(st.characters(codec="utf-8"), max_size=130) | st.just('m"1\\')
steps = st.one_of(
    st.builds(lambda labels, n: lambda e: e.count(labels, n), series, st.integers(1, 10**12)),
    st.builds(lambda labels, text: lambda e: e.show(labels, text), series, message_ids),
    st.builds(lambda labels: lambda e: e.age(labels), series),
    st.builds(lambda labels: lambda e: e.lose(labels), series),
    st.builds(lambda number: lambda e: e.reload(number), st.integers(0, 1)),
    st.just(Exporter.restart),
    st.just(Exporter.check),
)


@given(st.lists(steps, max_size=25), st.sampled_from([(), ("shop", "chat")]))
@settings(deadline=None, max_examples=60)
def test_text_is_the_librarys(
    classifiers: list[Classifier], steps: list[Step], apps: tuple[str, ...]
) -> None:
    """After any sequence of events the text is equal to prometheus-client's."""
    exporter = Exporter(classifiers, apps)
    for step in steps:
        step(exporter)
    exporter.check()


@pytest.mark.parametrize("labels", KNOWN + UNKNOWN)
def test_exemplar_goes_with_its_series(classifiers: list[Classifier], labels: Series) -> None:
    """A series that is counted no more has no exemplar, though its line may stay."""
    exporter = Exporter(classifiers)
    exporter.count(labels, 1)
    exporter.show(labels, "m-1")
    exporter.check()
    exporter.lose(labels)
    exporter.check()


def test_text_follows_the_other_metrics(classifiers: list[Classifier]) -> None:
    """Requests and new gateways are in the next text, and nothing of a ledger that is not read."""
    exporter = Exporter(classifiers)
    exporter.loaded = False
    exporter.check()
    assert b"push_results_total" not in exporter.exposition.render("").text
    exporter.loaded = True
    exporter.metrics.webhooks.source("acme").rejected[ItemReason.CODE_NULL].inc(3)
    exporter.check()
    text = exporter.exposition.render("").text
    assert b'push_results_rejected_total{reason="code_null",source="acme"} 3.0' in text


def test_any_number_of_instances(classifiers: list[Classifier]) -> None:
    """The texts of many instances and formats, of which a few are cached, are right."""
    exporter = Exporter(classifiers)
    exporter.count(KNOWN[0], 1)
    for instance in [*map(str, range(20)), "0"]:
        exporter.count(KNOWN[0], 1)
        encode, _ = choose_encoder(OPENMETRICS)
        text = exporter.exposition.render(OPENMETRICS, instance=instance).text
        assert lasting(text) == lasting(encode(labelled(exporter.exposition.registry, instance)))


def test_only_changed_lines_are_written(classifiers: list[Classifier]) -> None:
    """Only the lines of series that have counted differ between two texts."""
    exporter = Exporter(classifiers)
    exporter.count(KNOWN[0], 1)
    before = lasting(exporter.exposition.render(OPENMETRICS).text)
    assert lasting(exporter.exposition.render(OPENMETRICS).text) == before
    exporter.count(KNOWN[0], 1)
    after = lasting(exporter.exposition.render(OPENMETRICS).text)
    changed = [line.partition(b"{")[0] for line in after if line not in before]
    assert changed == [b"push_results_total", b"push_results_last_received_timestamp_seconds"]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5", CLASSIC),
        ("text/plain;q=0.1,application/openmetrics-text;version=1.0.0;q=0.5", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;q=0,text/html", CLASSIC),
        ("application/openmetrics-text;version=1.0.0;q=much", CLASSIC),
    ],
)
def test_preferred_format(accept: str, content_type: str) -> None:
    """Of several formats the one with the highest quality is rendered, and none of quality 0."""
    results = ResultsCollector(dict, lambda: Classifier(load_tables()), ())
    rendered = Exposition(CollectorRegistry(), results).render(accept)
    assert rendered.content_type.startswith(content_type)
