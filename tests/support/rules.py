"""What a user applies for alerting: the rules, the Alertmanager configuration, the runbooks."""

import re
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import pytest
import yaml

from exporter.metrics import metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
RULES_FOR_VMALERT = DEPLOY / "prometheus" / "rules-vmalert.yml"
PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yml"
RUNBOOKS = {path.stem: path.read_text("utf-8") for path in (DEPLOY / "runbooks").glob("*.md")}
_UNIT_TESTS = Path(__file__).parents[1] / "rules"
WITH_EXTERNAL_URL = _UNIT_TESTS / "external_url.yml"
"""Messages of rules that have the address of the exporter."""
UNIT_TESTS = sorted({*_UNIT_TESTS.glob("*.yml")} - {WITH_EXTERNAL_URL})


class Alert(NamedTuple):
    """An alerting rule."""

    name: str
    expression: str
    severity: str
    annotations: dict[str, str]


def read(path: Path) -> Any:
    """Read a YAML file."""
    return yaml.safe_load(path.read_text("utf-8"))


GROUPS: dict[str, list[dict[str, Any]]] = {
    group["name"]: group["rules"] for group in read(RULES)["groups"]
}
"""The rules of each group, in their order."""

_RULES = [rule for rules in GROUPS.values() for rule in rules]

RECORDED: dict[str, str] = {rule["record"]: rule["expr"] for rule in _RULES if "record" in rule}
"""The expression of each recording rule."""

ALERTS = [
    Alert(rule["alert"], rule["expr"], rule["labels"]["severity"], rule["annotations"])
    for rule in _RULES
    if "alert" in rule
]

each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)

METRICS = {
    value
    for value in vars(metrics).values()
    if isinstance(value, str) and value.startswith("push_")
}
"""The names of the exporter's metrics."""

EXPRESSIONS = {**RECORDED, **{alert.name: alert.expression for alert in ALERTS}}


def sends_resolved(receiver: str) -> bool:
    """Whether a receiver of alertmanager.yml is told that an alert is resolved."""
    (config,) = (one for one in read(ALERTMANAGER)["receivers"] if one["name"] == receiver)
    kinds = [kind for name, kind in config.items() if name != "name"]
    return all(one.get("send_resolved", True) for kind in kinds for one in kind)


def code_blocks(runbook: str, language: str) -> list[str]:
    """Return the code of a runbook that is in a language."""
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^\1```", RUNBOOKS[runbook], re.MULTILINE | re.DOTALL
    )
    return [dedent(code).strip() for _, code in found]


def template_queries(text: str) -> list[str]:
    """Return the queries in the templates of an annotation, for a channel."""
    return [
        re.sub(r"%(\[1\])?s", "channel='vivo',", query).replace("%[2]f", "0.5")
        for query in re.findall(r'printf "([^"]{9,})" [^|]*\| query', text)
    ]
