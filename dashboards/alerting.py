"""The alerts of deploy/prometheus/rules.yml as Grafana-managed rules.

Their expressions read recording rules, so Prometheus has to load rules.yml for them, too.
"""

import re
from collections.abc import Iterable, Iterator

import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.layout import EXPORTER, OVERVIEW
from dashboards.rules import Rule, alerts

DATASOURCE = "prometheus"
"""The uid in deploy/grafana/provisioning/datasources/."""

PANELS = {
    "PushBadDeviceTokenSpike": (OVERVIEW, "BadDeviceToken on APNs"),
    "PushInvalidTokenRatioHigh": (OVERVIEW, "Invalid tokens by channel"),
    "PushThrottled": (OVERVIEW, "Throttling and quotas"),
    "PushChannelRejected": (OVERVIEW, "Failures by channel"),
    "PushVendorOutage": (OVERVIEW, "Vendor outages and connections"),
    "PushFailureRatioHigh": (OVERVIEW, "Failures by channel"),
    "PushResultsStopped": (OVERVIEW, "Results by channel"),
    "PushUnknownCode": (OVERVIEW, "Unknown codes seen"),
    "PushWebhookRejecting": (EXPORTER, "Calls refused by webhook"),
    "PushExporterDown": (EXPORTER, "Calls by status"),
    "PushExporterOverloaded": (EXPORTER, "Waiting"),
    "PushLedgerFailing": (EXPORTER, "Ledger errors over time"),
}
"""The panel that shows what an alert is about, and on which Grafana marks when it fired."""

_HEADER = """\
# Made by `make dashboards` from deploy/prometheus/rules.yml: change that file, not this one.
#
# The alerts read the recording rules of rules.yml, so Prometheus has to load that file here, too.
# Use either Alertmanager or these rules to notify: both would tell everything twice.
"""
_BLOCK = re.compile(
    r"\{\{-? *(?P<kind>range|with) (?:(?!\}\}).)*\| *query *-?\}\}(?P<found>.*?)"
    r"(?:\{\{-? *else *-?\}\}(?P<otherwise>.*?))?\{\{-? *end *-?\}\}",
    re.DOTALL,
)
_NOT_IN_GRAFANA = re.compile(r"\b(query|first|value|label|strvalue|sortByLabel)\b")


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _write_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", value, style="|" if "\n" in value else None
    )


_Dumper.add_representer(str, _write_text)


def text(boards: Iterable[Dashboard]) -> str:
    """Convert every alert into the file that Grafana reads at its start."""
    ids = dict(_panel_ids(boards))
    group = {
        "orgId": 1,
        "name": "push-result-exporter",
        "folder": "Push",
        "interval": "1m",
        "rules": [_rule(rule, ids) for rule in alerts()],
    }
    content = {"apiVersion": 1, "groups": [group]}
    return _HEADER + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=1000)


def template(prometheus: str) -> str:
    """Convert the template of an annotation: Grafana has no queries in them.

    A loop over the codes that an alert is about becomes a pointer to its dashboard; a sentence
    that has an alternative without the query becomes that.
    """
    plain = _BLOCK.sub(_without_query, prometheus)
    plain = re.sub(r"\$value\b", "$values.A.Value", " ".join(plain.split()))
    for action in re.findall(r"\{\{.*?\}\}", plain):
        if _NOT_IN_GRAFANA.search(action):
            raise ValueError(f"Grafana cannot do this in an annotation: {action}")
    return re.sub(r" ([.,;])", r"\1", plain)


def _without_query(block: re.Match[str]) -> str:
    if block["kind"] == "range":
        return "codes that the dashboard lists;" if ";" in block["found"] else ""
    return block["otherwise"] or ""


def _rule(rule: Rule, ids: dict[tuple[str, str], int]) -> Rule:
    """Convert a rule as Grafana's own import does: whatever the query returns is an alert."""
    uid, title = PANELS[rule["alert"]]
    return {
        "uid": rule["alert"],
        "title": rule["alert"],
        "condition": "C",
        "data": [_query(rule["expr"]), _is_there(), _is_true()],
        "noDataState": "OK",
        "execErrState": "Error",
        "for": rule.get("for", "0s"),
        **({"keepFiringFor": rule["keep_firing_for"]} if "keep_firing_for" in rule else {}),
        "missing_series_evals_to_resolve": 1,
        "dashboardUid": uid,
        "panelId": ids[uid, title],
        "annotations": {key: template(value) for key, value in rule["annotations"].items()},
        "labels": rule["labels"],
        "isPaused": False,
    }


def _query(expression: str) -> Rule:
    model = {
        "refId": "A",
        "datasource": {"type": "prometheus", "uid": DATASOURCE},
        "editorMode": "code",
        "expr": expression.strip(),
        "instant": True,
        "range": False,
    }
    return _step(model, DATASOURCE, since=600)


def _is_there() -> Rule:
    """Turn any value into 1: `up == 0` returns a 0, which would be no alert."""
    expression = "is_number($A) || is_nan($A) || is_inf($A)"
    return _step({"refId": "B", "type": "math", "expression": expression})


def _is_true() -> Rule:
    above = {"evaluator": {"type": "gt", "params": [0]}}
    return _step({"refId": "C", "type": "threshold", "expression": "B", "conditions": [above]})


def _step(model: Rule, datasource: str = "__expr__", since: int = 0) -> Rule:
    model.setdefault("datasource", {"type": datasource, "uid": datasource})
    return {
        "refId": model["refId"],
        "relativeTimeRange": {"from": since, "to": 0},
        "datasourceUid": datasource,
        "model": model,
    }


def _panel_ids(boards: Iterable[Dashboard]) -> Iterator[tuple[tuple[str, str], int]]:
    for board in boards:
        for panel in board.panels or []:
            if isinstance(panel, Panel) and board.uid and panel.title and panel.id_val:
                yield (board.uid, panel.title), panel.id_val
