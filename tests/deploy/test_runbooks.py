"""Runbooks: complete, and in agreement with the alerts and the code tables."""

import re

import pytest

from exporter.classification.alerts import RUNBOOKS as RUNBOOK_ADDRESS
from exporter.classification.tables import load_tables
from tests.support.rules import (
    ALERTS,
    METRICS,
    RECORDED,
    RUNBOOKS,
    Alert,
    code_blocks,
    each_alert,
)
from tests.support.several_exporters import (
    EXPORTERS,
    OTHERS,
    REPLICAS,
    differences,
    without_exporter,
)

TABLES = load_tables()
QUERIES = [query for name in sorted(RUNBOOKS) for query in code_blocks(name, "promql")]

each_runbook = pytest.mark.parametrize("name", sorted(RUNBOOKS))


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    """Alerts and runbooks are the same."""
    assert RUNBOOKS.keys() == {alert.name for alert in ALERTS}


def test_runbooks_have_one_address() -> None:
    """Without the exporter's address, messages link to the runbooks of the repository."""
    for alert in ALERTS:
        assert f"{RUNBOOK_ADDRESS}{alert.name}.md{{{{ end }}}}" in alert.annotations["runbook_url"]


@each_alert
def test_runbook_is_complete(alert: Alert) -> None:
    """A runbook begins with three things to do first, and has three queries and a silence."""
    text = RUNBOOKS[alert.name]
    assert text.startswith(f"# {alert.name}\n\n**Severity {alert.severity}.** ")
    wanted = ["Do first", "Meaning", "Impact", "Diagnosis", "Mitigation", "Silence"]
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == wanted
    first = text.partition("## Do first\n\n")[2].partition("\n\n## Meaning")[0]
    assert [line[:3] for line in first.splitlines()] == ["1. ", "2. ", "3. "]
    assert len(code_blocks(alert.name, "promql")) == 3
    (silence,) = code_blocks(alert.name, "sh")
    assert re.search(rf"amtool silence add .* alertname={alert.name}\b", silence, re.DOTALL)


@each_runbook
def test_runbook_links_lead_somewhere(name: str) -> None:
    """Links between runbooks lead to runbooks."""
    linked = re.findall(r"\]\(([^)]*)\)", RUNBOOKS[name])
    assert all(link.removesuffix(".md") in RUNBOOKS for link in linked)


@each_runbook
def test_runbook_agrees_with_the_code_tables(name: str) -> None:
    """A runbook names codes that exist, as the tables do, and gives their actions word by word."""
    channels = "|".join(TABLES)
    text = RUNBOOKS[name]
    for channel, code, name_ in re.findall(rf"`({channels}) (-?\w+)(?: ([^`]+))?`", text):
        row = TABLES[channel].codes[code]
        assert name_ in {"", row.name}
    for channel, code, action in re.findall(
        rf"^\| `({channels}) (-?\w+) .*` \| (.*) \|$", text, re.MULTILINE
    ):
        assert action == TABLES[channel].codes[code].action
    for channel, code in re.findall(rf"explain ({channels}) (-?\w+)`", text):
        assert code in TABLES[channel].codes
    for queried in code_blocks(name, "promql"):
        assert set(re.findall(r"push_\w+?(?=_bucket|\b)", queried)) <= METRICS | {
            part for recorded in RECORDED for part in recorded.split(":")
        }


def test_queries_find_exporters_alone() -> None:
    """No query returns series of another program."""
    assert not differences(OTHERS, dict.fromkeys(QUERIES, None))


def test_queries_keep_replicas_of_two_exporters_apart() -> None:
    """Replicas of the same name neither make a query fail nor are they merged."""
    queries = map(without_exporter, QUERIES)
    assert not differences([*EXPORTERS, *OTHERS], dict.fromkeys(queries, None))


def test_queries_find_each_process() -> None:
    """Queries of uptime and restarts find every replica, also if `up` has another instance."""
    counts = [f"count({query})" for query in QUERIES if "process_" in query]
    assert counts
    assert not differences([*EXPORTERS, *OTHERS], dict.fromkeys(counts, len(REPLICAS)))
