"""Metrics: what is exposed of the ledger's counts, in both formats, to real parsers."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.classification.classifier import Classifier
from exporter.classification.tables import COMMON_CHANNEL, OTHER, load_tables
from exporter.errors import ItemReason, Reason
from exporter.ledger.store import Count
from exporter.metrics.metrics import Metrics
from exporter.metrics.results import UNKNOWN_CODE_SECONDS, ResultsCollector, printable
from exporter.results import PushResult, Series, Severity

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

TABLES = load_tables()
CLASSIFIER = Classifier(TABLES)
BAD_TOKEN = Series("apns", "2009", "apns")
UNKNOWN = Series("vivo", "987654", "")
NOW = time.time()

Samples = dict[str, dict[tuple[str, ...], float]]


def collected(
    counts: Mapping[Series, Count] | None, classifier: Classifier = CLASSIFIER
) -> Samples:
    """Collect; return each sample's value by its labels in the order of the contract."""
    found: Samples = {}
    for family in ResultsCollector(lambda: counts, lambda: classifier).collect():
        for sample in family.samples:
            labels = tuple(sample.labels.values())
            values = found.setdefault(sample.name, {})
            assert labels not in values, f"{sample.name}{labels} is there twice"
            values[labels] = sample.value
    return found


def results(
    counts: Mapping[Series, Count], classifier: Classifier = CLASSIFIER
) -> dict[tuple[str, ...], float]:
    """Collect; return only the results that are not 0."""
    everything = collected(counts, classifier)["push_results_total"]
    return {labels: total for labels, total in everything.items() if total}


def with_operator_table(tmp_path: Path, toml: str) -> Classifier:
    """Classify by our tables with an operator's own on top."""
    file = tmp_path / "own.toml"
    file.write_text(toml)
    return Classifier(load_tables([file]))


def exposed(
    counts: Mapping[Series, Count], ids: Mapping[Series, str] | None = None
) -> tuple[Metrics, ResultsCollector]:
    """Make the metrics of an exporter that has these counts and message ids."""
    metrics = Metrics("1.2.3")
    collector = ResultsCollector(lambda: counts, lambda: CLASSIFIER)
    metrics.registry.register(collector)
    collector.remember(ids or {})
    return metrics, collector


def exposition(metrics: Metrics, accept: str) -> str:
    """Return the response to a scrape, in the accepted format."""
    encode, _ = choose_encoder(accept)
    return encode(metrics.registry).decode()


def families(text: str, content_type: str) -> list[Metric]:
    """Parse an exposition with the library's strict parser of its format."""
    if content_type.startswith("application/openmetrics-text"):
        return list(parse_openmetrics(text))  # type: ignore[no-untyped-call]
    return list(parse_text(text))


def exemplars(metrics: Metrics) -> dict[tuple[str, ...], dict[str, str]]:
    """Scrape as OpenMetrics; return the labels of each exemplar by those of its sample."""
    text = exposition(metrics, OPENMETRICS)
    return {
        tuple(sample.labels.values()): sample.exemplar.labels
        for family in families(text, OPENMETRICS)
        for sample in family.samples
        if sample.exemplar
    }


def busy_metrics() -> Metrics:
    """Make metrics of which each has at least one observation."""
    metrics, _ = exposed({BAD_TOKEN: Count(3, 1.5e9), UNKNOWN: Count(1, NOW)}, {BAD_TOKEN: "m"})
    source = metrics.webhooks.source("mps")
    source.requests["accepted"].inc()
    source.seconds.observe(0.2)
    source.duplicates.inc(2)
    source.rejected[ItemReason.CODE_MISSING].inc()
    source.skipped.inc()
    metrics.webhooks.unrouted[Reason.NOT_FOUND].inc()
    metrics.ledger.commit_seconds.observe(0.001)
    metrics.ledger.commit_errors.inc()
    metrics.webhooks.in_flight.set(1)
    metrics.ledger.pending.set(7)
    metrics.reload_successful.set(1)
    return metrics


def test_each_exporter_has_its_own_registry() -> None:
    """Two exporters in one process do not clash, and do not count for each other."""
    first, second = Metrics("1"), Metrics("2")
    first.ledger.commit_errors.inc()
    assert first.registry.get_sample_value("push_ledger_commit_errors_total") == 1
    assert second.registry.get_sample_value("push_ledger_commit_errors_total") == 0


def test_registry_can_be_given() -> None:
    """A registry that is passed in holds the metrics."""
    registry = CollectorRegistry()
    assert Metrics("1.2.3", registry, revision="abc").registry is registry
    build = {"version": "1.2.3", "revision": "abc"}
    assert registry.get_sample_value("push_exporter_build_info", build) == 1


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("push_webhook_requests_total", {"source": "mps", "status": "too_large"}),
        ("push_webhook_request_duration_seconds_count", {"source": "mps"}),
        ("push_results_duplicate_total", {"source": "mps"}),
        ("push_results_skipped_total", {"source": "mps"}),
        ("push_results_rejected_total", {"source": "mps", "reason": "code_missing"}),
        ("push_webhook_requests_in_flight", {}),
        ("push_ledger_commit_duration_seconds_count", {}),
        ("push_ledger_commit_errors_total", {}),
        ("push_ledger_pending_results", {}),
        ("push_exporter_config_last_reload_successful", {}),
    ],
)
def test_series_start_at_0(name: str, labels: dict[str, str]) -> None:
    """Every metric of the contract is there before anything happens."""
    metrics = Metrics("1")
    metrics.webhooks.source("mps")
    assert metrics.registry.get_sample_value(name, labels) == 0


def test_process_and_python_are_described() -> None:
    """The usual metrics of the process and of Python are in the registry."""
    names = {family.name for family in Metrics("1").registry.collect()}
    assert {"process_cpu_seconds", "python_info", "python_gc_collections"} <= names


def known_labels() -> set[tuple[str, ...]]:
    """List each known (channel, code, severity), from the tables and not by the classifier."""
    common = TABLES[COMMON_CHANNEL].codes
    return {
        (channel, code, row.severity.value)
        for channel, table in TABLES.items()
        for rows in (table.codes, common if table.common_codes else {})
        for code, row in rows.items()
    }


def overflow_labels() -> set[tuple[str, ...]]:
    """List the series under which a channel's surplus of unknown codes is counted."""
    return {(channel, OTHER, "unknown") for channel in [*TABLES, OTHER]}


def test_known_pairs_and_overflow_start_at_0() -> None:
    """All that can be counted without a new unknown code is there at 0, and nothing else."""
    totals = collected({})["push_results_total"]
    assert set(totals) == known_labels() | overflow_labels()
    assert set(totals.values()) == {0}


def test_each_app_starts_at_0() -> None:
    """With apps, the pairs of the channels of MPS's status codes start at 0 for each and `other`.

    Those of another channel do so from the app's first result on; counts from before apps were
    declared, or of apps that no longer are, keep their labels.
    """
    counts = {
        Series("honor", "2", "mps", "shop"): Count(3, NOW),
        BAD_TOKEN: Count(5, NOW),
        Series("apns", "2011", "apns", "gone"): Count(7, NOW),
    }
    apps = ("shop", "chat")
    family, *_ = ResultsCollector(lambda: counts, lambda: CLASSIFIER, apps).collect()
    channels: dict[str | None, set[str]] = {}
    for sample in family.samples:
        channels.setdefault(sample.labels.get("app"), set()).add(sample.labels["channel"])
    of_mps = {"mps", "apns", "huawei", "mipush", "oppo", "vivo", "fcm"}
    assert channels == {
        "shop": of_mps | {"honor"},
        "chat": of_mps,
        "other": of_mps,
        "gone": {"apns"},
        None: {"apns"},
    }
    pairs = {labels for labels in known_labels() | overflow_labels() if labels[0] in of_mps}
    assert sum(sample.labels.get("app") == "chat" for sample in family.samples) == len(pairs)
    assert sum(sample.value for sample in family.samples) == 15


@pytest.mark.parametrize(("age", "shown"), [(0, {3}), (UNKNOWN_CODE_SECONDS + 60, set())])
def test_unknown_codes_expire(age: float, shown: set[int]) -> None:
    """An unknown code that no result had for 30 days has no series any more; `other` stays."""
    other = Series("vivo", OTHER, "")
    counts = {UNKNOWN: Count(3, NOW - age), other: Count(5, NOW - age)}
    metrics = collected(counts)
    assert {*results(counts).values()} == {5} | shown
    assert bool([labels for labels in metrics["push_code_info"] if "987654" in labels]) == bool(
        shown
    )


def test_counts_are_shown_under_their_labels() -> None:
    """Known, unknown and overflown results appear with their totals, the rest stays at 0."""
    counts = {
        BAD_TOKEN: Count(5, 1),
        Series("huawei", "2", "mps"): Count(7, 1),
        UNKNOWN: Count(3, NOW),
        Series("vivo", OTHER, ""): Count(11, 1),
        Series(OTHER, OTHER, ""): Count(13, 1),
    }
    assert results(counts) == {
        ("apns", "2009", TABLES["apns"].codes["2009"].severity): 5,
        ("huawei", "2", "info"): 7,
        ("vivo", "987654", "unknown"): 3,
        ("vivo", "other", "unknown"): 11,
        ("other", "other", "unknown"): 13,
    }
    assert len(collected(counts)["push_results_total"]) == len(
        known_labels() | overflow_labels()
    ) + len({UNKNOWN})


@pytest.mark.parametrize(
    "severity", [severity for severity in Severity if severity is not Severity.UNKNOWN]
)
def test_reclassification_moves_the_whole_count(tmp_path: Path, severity: Severity) -> None:
    """When a table changes a severity, old results change with it, and no series is left."""
    changed = with_operator_table(
        tmp_path, f'channel = "apns"\n[codes.2009]\nseverity = "{severity}"\n'
    )
    counts = {BAD_TOKEN: Count(5, 1)}
    assert results(counts, changed) == {("apns", "2009", severity): 5}
    everything = collected(counts, changed)["push_results_total"]
    assert [labels for labels in everything if labels[:2] == ("apns", "2009")] == [
        ("apns", "2009", severity)
    ]


def test_an_alias_does_not_move_old_counts(tmp_path: Path) -> None:
    """Old counts keep their code, so that no total jumps, and get the meaning of the row."""
    changed = with_operator_table(
        tmp_path, 'channel = "apns"\n[codes.2009]\naliases = ["WeirdTok"]\n'
    )
    unknown = Series("apns", "WeirdTok", "")
    counts = {BAD_TOKEN: Count(5, 1), unknown: Count(400, NOW)}
    row = TABLES["apns"].codes["2009"]
    assert results(counts, changed) == {
        ("apns", "2009", row.severity): 5,
        ("apns", "WeirdTok", row.severity): 400,
    }
    shown = collected(counts, changed)["push_code_info"]
    assert shown["apns", "WeirdTok", row.name, row.category, row.severity, row.retry]
    assert results({BAD_TOKEN: Count(5, 1)})["apns", "2009", row.severity] == 5


def test_each_scrape_uses_the_current_classifier(tmp_path: Path) -> None:
    """A reload shows at the next scrape, without a new collector; exemplars move along."""
    classifiers = [CLASSIFIER]
    counts = {UNKNOWN: Count(2, NOW)}
    metrics = Metrics("1")
    collector = ResultsCollector(lambda: counts, lambda: classifiers[-1])
    metrics.registry.register(collector)
    collector.remember({UNKNOWN: "m-1"})
    assert exemplars(metrics) == {("vivo", "987654", "unknown"): {"msg_id": "m-1"}}
    explained = (
        'channel = "vivo"\n[codes.987654]\nname = "New"\ndescription = "New."\n'
        'severity = "critical"\ncategory = "auth"\nretry = "no"\naction = "Look."\n'
    )
    classifiers.append(with_operator_table(tmp_path, explained))
    assert exemplars(metrics) == {("vivo", "987654", "critical"): {"msg_id": "m-1"}}
    assert collected(counts, classifiers[-1])["push_code_info"][
        ("vivo", "987654", "New", "auth", "critical", "no")
    ]


def test_two_meanings_of_one_code_are_two_series() -> None:
    """-1 under OPPO is WaitingForVerify or an outage: each has its count and its severity."""
    counts = {Series("oppo", "-1", "mps"): Count(2, 1), Series("oppo", "-1", "oppo"): Count(5, 1)}
    assert results(counts) == {
        ("oppo", "-1", "info"): 2,
        ("oppo", "-1", "error"): 5,
    }
    rows = [row for row in collected({})["push_code_info"] if row[:2] == ("oppo", "-1")]
    assert sorted((row[2], row[4]) for row in rows) == [
        (TABLES["oppo"].codes["-1"].name, "error"),
        (TABLES[COMMON_CHANNEL].codes["-1"].name, "info"),
    ]


def test_series_that_fall_together_are_added() -> None:
    """Two counts that have the same labels today are one series with their sum."""
    own, lost = Series("vivo", "2", "mps"), Series("vivo", "2", "")
    assert results({own: Count(2, 1), lost: Count(5, NOW)}) == {("vivo", "2", "info"): 7}


def test_code_info_has_one_row_for_each_series() -> None:
    """Each known or counted series joins with exactly one row, whose value is 1."""
    counts = {UNKNOWN: Count(1, NOW), Series("vivo", OTHER, ""): Count(1, 1)}
    info = collected(counts)["push_code_info"]
    keys = [(row[0], row[1], row[4]) for row in info]
    overflow = {(channel, OTHER, "unknown") for channel in [*TABLES, OTHER]}
    assert len(keys) == len(set(keys))
    assert set(keys) == known_labels() | overflow | {("vivo", "987654", "unknown")}
    assert set(info.values()) == {1}


def test_code_info_has_one_row_where_two_tables_share_a_severity(tmp_path: Path) -> None:
    """An own row that hides a common one of the same severity is the only row."""
    hiding = with_operator_table(
        tmp_path,
        'channel = "vivo"\n[codes.2]\nname = "Mine"\ndescription = "Mine."\n'
        'severity = "info"\ncategory = "accepted"\nretry = "no"\naction = "None."\n',
    )
    counts = {Series("vivo", "2", "vivo"): Count(1, 1), Series("vivo", "2", "mps"): Count(1, 1)}
    info = collected(counts, hiding)["push_code_info"]
    assert [row for row in info if row[:2] == ("vivo", "2")] == [
        ("vivo", "2", "Mine", "accepted", "info", "no")
    ]


def test_no_series_before_the_ledger_is_read() -> None:
    """Until the counts are read there is no series: a 0 would look like a reset."""
    assert collected(None) == {}


def test_last_received_is_the_latest_of_a_channel() -> None:
    """A channel's time is that of its last result under any code; silent ones have none."""
    counts = {
        BAD_TOKEN: Count(1, 5.5),
        Series("apns", "2", "mps"): Count(1, 9.5),
        Series("apns", "2011", "apns"): Count(1, 7.5),
        UNKNOWN: Count(1, NOW),
    }
    times = collected(counts)["push_results_last_received_timestamp_seconds"]
    assert times == {("apns",): 9.5, ("vivo",): NOW}


def test_openmetrics_shows_message_ids() -> None:
    """Counted series carry their last message id as an exemplar; others have none to show."""
    counts = {BAD_TOKEN: Count(5, 1), UNKNOWN: Count(1, NOW)}
    metrics, collector = exposed(counts, {BAD_TOKEN: "m-1", Series("oppo", "11", "oppo"): "m-2"})
    collector.remember({BAD_TOKEN: "m-3"})
    text = exposition(metrics, OPENMETRICS)
    assert text.endswith("\n# EOF\n")
    assert text.count("# EOF") == 1
    labels = ("apns", "2009", TABLES["apns"].codes["2009"].severity.value)
    assert exemplars(metrics) == {labels: {"msg_id": "m-3"}}
    assert "m-3" not in exposition(metrics, "text/plain")


@pytest.mark.parametrize("letter", ["x", "界", "\\"])
@pytest.mark.parametrize(("length", "kept"), [(122, True), (123, False), (5000, False)])
def test_overlong_message_ids_are_left_out(letter: str, length: int, kept: bool) -> None:
    """An exemplar has at most the 128 characters that OpenMetrics allows; the id is not cut."""
    metrics, _ = exposed({UNKNOWN: Count(1, NOW)}, {UNKNOWN: letter * length})
    expected = {("vivo", "987654", "unknown"): {"msg_id": letter * length}} if kept else {}
    assert exemplars(metrics) == expected


def test_overlong_id_leaves_the_last_good_one() -> None:
    """An id that cannot be shown does not displace one that can."""
    metrics, collector = exposed({UNKNOWN: Count(1, NOW)}, {UNKNOWN: "m-1"})
    collector.remember({UNKNOWN: "x" * 123})
    assert exemplars(metrics) == {("vivo", "987654", "unknown"): {"msg_id": "m-1"}}


def shown(message_id: str) -> str:
    """Say how an exemplar shows an id: what breaks a parser is replaced."""
    return printable(message_id).replace('"', "'")


@pytest.mark.parametrize(
    "message_id",
    [
        'say "hi"',
        "two\nlines\n# EOF\n",
        "C:\\new\\",
        "消息-🔔",
        "a\r\tb\0c\x85d\u2028e",
        "{a} # 5 7",
        " ",
    ],
)
def test_hostile_message_ids_parse(message_id: str) -> None:
    """Quotes, backslashes and any script are exposed as sent; invalid characters are replaced."""
    metrics, _ = exposed({UNKNOWN: Count(1, NOW)}, {UNKNOWN: message_id})
    assert exemplars(metrics) == {("vivo", "987654", "unknown"): {"msg_id": shown(message_id)}}


# An exemplar by the grammar of OpenMetrics 1.0. The library's parser loses its way where an id
# has a quote after a backslash or a ` # `; that of Prometheus does not.
_EXEMPLAR = re.compile(r' # {msg_id="((?:[^"\\\n]|\\[\\n"])*)"} 1\.0 [0-9.]+')
_UNESCAPED = {"\\\\": "\\", "\\n": "\n", '\\"': '"'}


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=122) | st.text('"\\n\n#{} =,', max_size=20))
@example('"} 1 # {msg_id="other')
@example("\n# EOF\n")
@example('\\"')
def test_any_message_id_is_escaped(message_id: str) -> None:
    """Any message id stays inside its quotes and on its line."""
    metrics, _ = exposed({UNKNOWN: Count(1, NOW)}, {UNKNOWN: message_id})
    lines = exposition(metrics, OPENMETRICS).split("\n")
    head = 'push_results_total{channel="vivo",code="987654",severity="unknown"} 1.0'
    [line] = [line for line in lines if line.startswith(head)]
    exemplar = _EXEMPLAR.fullmatch(line.removeprefix(head))
    assert exemplar
    unescaped = re.sub(r"\\.", lambda escape: _UNESCAPED[escape[0]], exemplar[1])
    assert unescaped == shown(message_id)
    assert lines[-2:] == ["# EOF", ""]


def test_unknown_codes_pass_through_the_exposition() -> None:
    """A code in any of the characters that codes may have survives as a label."""
    series = Series(OTHER, "A-z_0.9", "")
    meaning = CLASSIFIER.classify(PushResult("A-z_0.9", hint="carrier pigeon"))
    assert meaning.series == series
    metrics, _ = exposed({series: Count(2, NOW)})
    text = exposition(metrics, "")
    samples = [sample for family in families(text, "") for sample in family.samples]
    values = [sample.value for sample in samples if "A-z_0.9" in sample.labels.values()]
    assert values == [2, 1]  # its count and its row in push_code_info


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_no_created_series(accept: str) -> None:
    """No counter or histogram has a `_created` twin, in either format."""
    text = exposition(busy_metrics(), accept)
    names = {line.partition("{")[0].partition(" ")[0] for line in text.splitlines()}
    assert "push_results_total" in names
    assert "push_webhook_request_duration_seconds_bucket" in names
    assert [name for name in names if name.endswith("_created")] == []


@pytest.mark.parametrize("make", [busy_metrics, lambda: Metrics("1")], ids=["busy", "idle"])
def test_promtool_finds_nothing(make: Callable[[], Metrics]) -> None:
    """Prometheus' own linter has no complaint about names, types and help texts."""
    if not shutil.which("promtool"):
        message = "promtool is missing: install Debian's package `prometheus`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    data = exposition(make(), "text/plain;version=0.0.4").encode()
    check = subprocess.run(
        ["promtool", "check", "metrics"], input=data, capture_output=True, check=False
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")
