"""Rules: valid, tested, and in agreement with the declarations of the code."""

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from exporter.classification.alerts import (
    ACCEPTED,
    DECLARATIONS,
    NOT_THE_CHANNEL,
    AlertName,
)
from exporter.classification.tables import load_tables
from exporter.classification.thresholds import THRESHOLDS
from exporter.configuration.settings import Settings
from exporter.errors import Reason
from exporter.results import Category, Severity
from tests.support.programs import checked, program
from tests.support.promtool import failures
from tests.support.rules import (
    ALERTS,
    DEPLOY,
    EXPRESSIONS,
    GROUPS,
    METRICS,
    PROMETHEUS,
    RECORDED,
    RULES,
    RULES_FOR_VMALERT,
    RUNBOOKS,
    UNIT_TESTS,
    WITH_EXTERNAL_URL,
    Alert,
    each_alert,
    read,
)

HEAD = RULES.read_text("utf-8").partition("groups:")[0]
REPLICA_LABELS = next(
    line[1:].strip() for line in HEAD.splitlines() if line.strip("# ").startswith("instance, pod")
)
"""The labels that tell replicas apart, as the head of the rules has them."""
CONSTANTS = {name for name in RECORDED if name.endswith(":threshold")}
TABLES = load_tables()
CASES = {file: read(file)["tests"] for file in UNIT_TESTS}
"""The cases of each file of unit tests."""


def test_prometheus_accepts_the_rules() -> None:
    """Promtool reports no error in the rules, duplicates included."""
    output = checked(program("promtool", "prometheus"), "check", "rules", "--lint-fatal", RULES)
    assert f"{len(EXPRESSIONS)} rules found" in output


def test_prometheus_accepts_the_configuration() -> None:
    """Promtool reports no error in the configuration, which loads the rules."""
    assert "rules.yml" in checked(program("promtool", "prometheus"), "check", "config", PROMETHEUS)


def test_vmalert_accepts_the_rules() -> None:
    """A vmalert that does not know keep_firing_for loads the file that is built without it."""
    arguments = ["-dryRun", f"-rule={RULES_FOR_VMALERT}", "-loggerLevel=ERROR"]
    checked(program("vmalert", "victoria-metrics"), *arguments)


SLOW = {
    "apps",
    "bad_device_token_days",
    "low_traffic",
    "results_stopped_days",
    "time_to_fire",
    "two_weeks",
}
"""Files whose samples keep promtool busy for ten seconds and more."""


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, marks=[pytest.mark.slow] if file.stem in SLOW else [], id=file.stem)
        for file in UNIT_TESTS
    ],
)
def test_alerts_fire_when_they_should(file: Path) -> None:
    """Each unit test of the rules passes, with values of other groups that are an interval old."""
    assert failures(file) == []


def firing(samples: list[dict[str, str]]) -> set[str]:
    """Return the alerts that a unit test expects."""
    return set(re.findall(r'alertname="(\w+)"', " ".join(sample["labels"] for sample in samples)))


@each_alert
def test_each_alert_has_unit_tests(alert: Alert) -> None:
    """For each alert there is a case in which it fires, not at each moment, and one without."""
    expected = [
        [firing(moment["exp_samples"]) for moment in case.get("promql_expr_test", [])]
        for cases in CASES.values()
        for case in cases
    ]
    fired = [moments for moments in expected if any(alert.name in moment for moment in moments)]
    assert fired
    assert any(alert.name not in moment for moments in fired for moment in moments)


def test_each_message_has_a_unit_test() -> None:
    """For each alert it is written down what it says, from its summary to its links."""
    moments = [
        moment
        for cases in CASES.values()
        for case in cases
        for moment in case.get("alert_rule_test", [])
    ]
    assert {one["alertname"] for one in moments if one["exp_alerts"]} == {
        alert.name for alert in ALERTS
    }


def test_unit_tests_have_names_of_their_own() -> None:
    """No two cases of a file have one name."""
    for cases in CASES.values():
        names = Counter(case["name"] for case in cases)
        assert [name for name, times in names.items() if times > 1] == []


def numbers(expression: str) -> set[str]:
    """Return the numbers of an expression that are neither durations nor parts of names."""
    bare = re.sub(r'"[^"]*"|\[[^]]*\]|offset \w+', "", expression)
    return set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", bare))


def test_groups_fit_the_limit_of_mimir() -> None:
    """No group has more than 20 rules, and each has an interval of its own."""
    assert {name: len(rules) for name, rules in GROUPS.items() if len(rules) > 20} == {}
    assert all(group["interval"] for group in read(RULES)["groups"])


BASE = "push-results"
"""The only group that rules of other groups read, constants aside."""


def test_rules_read_their_own_group_and_one_other() -> None:
    """A rule reads earlier rules of its group, constants, and the base group, which reads itself.

    A rule may read its own past, and the past of a later one.
    """
    place = {
        rule["record"]: (name, number)
        for name, rules in GROUPS.items()
        for number, rule in enumerate(rules)
        if "record" in rule
    }
    for name, rules in GROUPS.items():
        for number, rule in enumerate(rules):
            now = re.sub(r"[\w:]+\[[^]]*\]( offset \w+)?|[\w:]+ offset \w+", "", rule["expr"])
            for read_now in {*re.findall(r"\w+:\w+:\w+", rule["expr"])} - CONSTANTS:
                group, position = place[read_now]
                assert group in {name, BASE}, rule
                if group == name and read_now in now:
                    assert position < number, (rule, read_now)


def test_thresholds_are_constants() -> None:
    """Thresholds are the constants of the first two groups; no other rule has a figure to tune."""
    heads = [rule["record"] for rules in list(GROUPS.values())[:2] for rule in rules]
    assert set(heads) == CONSTANTS
    assert all(re.fullmatch(r"vector\([\d.]+\)", RECORDED[name]) for name in CONSTANTS)
    structural = {
        "0",  # nothing
        "1",  # true
        "2",  # a current meaning weighs more than a past one; twice, half
        "3",  # steps of 5 minutes in 15
        "0.5",  # the median; half a result
        "0.2",  # four fifths of the half hour
        "0.05",  # ten minutes of three hours
        "24",  # steps of 5 minutes in two hours
        "5",  # periods of 3 minutes in 15
        "8",  # steps of 15 minutes in two hours
        "120",
        "300",
        "900",
        "30",  # minutes, as points
        "3600",
        "7200",  # seconds in a window
    }
    for name in EXPRESSIONS.keys() - CONSTANTS:
        assert numbers(EXPRESSIONS[name]) <= structural, name


def test_rules_are_what_is_declared() -> None:
    """Alerts, severities and thresholds are those of the declaration, none more, in value, too."""
    assert {alert.name: alert.severity for alert in ALERTS} == {
        name: declared.severity for name, declared in DECLARATIONS.items()
    }
    assert {name: RECORDED[name] for name in CONSTANTS} == {
        f"push:{name}:threshold": f"vector({value:g})" for name, value in THRESHOLDS.items()
    }


@each_alert
def test_alert_reads_what_is_declared(alert: Alert) -> None:
    """An alert reads its declared thresholds and codes; its message gives the declared advice."""
    declared = DECLARATIONS[AlertName(alert.name)]
    for name in {declared.number, declared.share} - {None}:
        assert f"push:{name}:threshold" in selected_by(alert.name)
    if declared.watch:
        label, values, _ = declared.watch
        one = f'{label}="{values[0]}"' if len(values) == 1 else f'{label}=~"{"|".join(values)}"'
        assert one in selected_by(alert.name)
    assert f" First: {declared.advice}" in " ".join(alert.annotations["description"].split())


def selected_by(name: str) -> str:
    """Return a rule's expression and those of the rules that it reads, directly or not."""
    found: dict[str, str] = {}
    to_read = {name}
    while to_read:
        rule = to_read.pop()
        found[rule] = EXPRESSIONS[rule]
        series = set(re.findall(r"\b\w+:\w+:\w+\b", found[rule]))
        to_read |= series & EXPRESSIONS.keys() - found.keys()
    return "\n".join(found.values())


def test_what_says_nothing_of_a_channel_is_declared() -> None:
    """PushNothingAccepted and the page agree on what counts for a channel and what does not."""
    accepted = "|".join(ACCEPTED)
    assert f'category=~"{accepted}"' in EXPRESSIONS["channel:push_results_accepted:increase15m"]
    assert (
        f'category!~"|{accepted}|{"|".join(NOT_THE_CHANNEL)}"'
        in EXPRESSIONS["channel:push_results_doubtful:increase15m"]
    )


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_labels_of_targets_survive(name: str) -> None:
    """No rule aggregates by a list of labels, and none joins on one: a label would be lost."""
    assert not re.search(r"\b(by|on)\s*\(", EXPRESSIONS[name])


def test_labels_of_replicas_are_one_text() -> None:
    """Wherever replicas are added up it is by the text that the head of the file names."""
    lists = re.findall(r"without \(([^)]*\binstance\b[^)]*)\)", " ".join(EXPRESSIONS.values()))
    assert lists
    assert all(labels.startswith(REPLICA_LABELS) for labels in lists)
    for name, expression in EXPRESSIONS.items():
        if name.startswith("channel") and re.search(r"(?<![:\w])push_\w+(?![:\w])", expression):
            assert REPLICA_LABELS in expression, name


def test_job_is_named_in_one_rule() -> None:
    """Only the rule that finds exporters that were never scraped selects by the job."""
    named = [name for name, expression in EXPRESSIONS.items() if re.search(r"\bjob=", expression)]
    assert named == ["instance:push_exporter:up"]
    (config,) = (one for one in read(PROMETHEUS)["scrape_configs"] if "push" in one["job_name"])
    pattern = re.search(r'job=~"([^"]*)"', EXPRESSIONS[named[0]])
    assert pattern
    assert re.fullmatch(pattern[1], config["job_name"])


def test_one_command_links_messages_to_the_exporter(tmp_path: Path) -> None:
    """The command at the head of the file links runbooks and codes to the exporter's pages."""
    (command,) = re.findall(r"sed -i 's#exporter.*", HEAD)
    changed = tmp_path / "rules.yml"
    shutil.copy(RULES, changed)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    assert failures(WITH_EXTERNAL_URL, changed) == []


def test_thresholds_are_used_and_known() -> None:
    """Every threshold is used by a rule, and every one that is used exists."""
    used = set(re.findall(r"push:\w+:threshold", " ".join(EXPRESSIONS.values())))
    assert used == CONSTANTS
    named = set(re.findall(r"push:\w+:threshold", " ".join(RUNBOOKS.values())))
    assert named <= CONSTANTS


def test_threshold_of_waiting_results_fits_the_setting() -> None:
    """It is four fifths of the default of MAX_PENDING_RESULTS."""
    default = Settings.model_fields["max_pending_results"].default
    assert RECORDED["push:pending_results:threshold"] == f"vector({default * 4 // 5})"


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_rule_reads_what_exists(name: str) -> None:
    """A rule selects metrics of ours, and series that a rule records."""
    expression = EXPRESSIONS[name]
    ours = set(re.findall(r"(?<![:\w])push_\w+(?![:\w])", expression))
    assert {re.sub("_(bucket|sum|count)$", "", metric) for metric in ours} <= METRICS
    assert set(re.findall(r"\w+:\w+:\w+", expression)) <= RECORDED.keys()


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_series_are_named_by_convention(name: str) -> None:
    """The name is level:metric:operation, and the level is not aggregated away."""
    level, _, operation = name.split(":")
    labels = set(re.findall(r"app|channel|code|source|instance", level))
    assert re.fullmatch(r"push|push_exporter|exporter|(app|channel|code|source|instance|_)+", level)
    wanted = r"threshold|info|bool|up|usual|ratio|seconds|(rate|increase|ratio|median)\d+[mhds]"
    assert re.fullmatch(wanted, operation)
    if aggregated := re.match(r"\s*(?:sum|group) without \(([^)]*)\)", RECORDED[name]):
        assert labels.isdisjoint(aggregated[1].split(", ")) or "label_replace" in RECORDED[name]


def test_refused_requests_are_those_refused_for_what_they_are() -> None:
    """The statuses that do not count as refused are success and the exporter's own trouble."""
    expression = EXPRESSIONS["source:push_webhook_requests_refused:increase15m"]
    excluded = re.search(r'status!~"([^"]*)"', expression)
    assert excluded
    ours = {reason for reason in Reason if reason.of_exporter}
    assert set(excluded[1].split("|")) == {"accepted", "verified"} | ours


@each_alert
def test_alert_says_what_to_do(alert: Alert) -> None:
    """An alert has a severity, a summary, a description, its runbook and a dashboard."""
    assert alert.severity in {"info", "warning", "critical"}
    assert alert.annotations.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert len(re.sub(r"\{\{.*?\}\}", "", alert.annotations["summary"])) < 70
    dashboards = (DEPLOY / "grafana" / "dashboards").glob("*.json")
    uids = {json.loads(path.read_text("utf-8"))["uid"] for path in dashboards}
    path = re.fullmatch(r"/d/([\w-]+)\?(.*)", alert.annotations["dashboard_url"])
    assert path
    assert path[1] in uids
    assert (path[1] == "push-channel") == path[2].startswith("var-channel={{")
    assert "var-{{ $label }}=" in path[2]


@pytest.mark.parametrize(
    "text",
    [*EXPRESSIONS.values(), *(str(alert.annotations) for alert in ALERTS), *RUNBOOKS.values()],
)
def test_categories_severities_and_channels_exist(text: str) -> None:
    """What rules and runbooks select by is what results are labelled with."""
    known: dict[str, set[str]] = {
        "category": set(Category),
        "severity": set(Severity),
        "channel": {*TABLES, "%s", ".+"},
        "code": {code for table in TABLES.values() for code in table.codes},
    }
    for label, values in re.findall(
        r"""\b(category|severity|channel|code)[!=]~?\\?["']([^"'\\]*)""", text
    ):
        assert set(values.split("|")) - {""} <= known[label]


def test_bad_device_token_is_the_code_that_the_rules_mean() -> None:
    """Code 2009 of APNs is BadDeviceToken, a token_invalid."""
    row = TABLES["apns"].codes["2009"]
    assert (row.name, row.category) == ("BadDeviceToken", Category.TOKEN_INVALID)
