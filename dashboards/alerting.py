"""The alerts of deploy/prometheus/rules.yml as Grafana-managed rules.

Their expressions read recording rules, so Prometheus has to load rules.yml, too.
"""

from collections.abc import Iterable, Iterator

import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards import names
from dashboards.layout import EXPORTER, OVERVIEW
from dashboards.rules import Rule, alerts
from exporter.classification.alerts import DECLARATIONS, AlertName

PANELS = {
    AlertName.CHANNEL_REJECTED: (OVERVIEW, "Failures by channel"),
    AlertName.NOTHING_ACCEPTED: (OVERVIEW, "Accepted by channel"),
    AlertName.BAD_DEVICE_TOKEN_SPIKE: (OVERVIEW, "BadDeviceToken on APNs"),
    AlertName.THROTTLED: (OVERVIEW, "Throttling and quotas"),
    AlertName.INVALID_TOKEN_RATIO_HIGH: (OVERVIEW, "Invalid tokens by channel"),
    AlertName.VENDOR_OUTAGE: (OVERVIEW, "Vendor outages and connections"),
    AlertName.FAILURE_RATIO_HIGH: (OVERVIEW, "Failures by channel"),
    AlertName.DELIVERY_RATIO_LOW: (OVERVIEW, "Delivered of accepted"),
    AlertName.ALL_RESULTS_STOPPED: (OVERVIEW, "Results by channel"),
    AlertName.RESULTS_STOPPED: (OVERVIEW, "Results by channel"),
    AlertName.ALL_CODES_UNKNOWN: (OVERVIEW, "Unknown codes seen"),
    AlertName.UNKNOWN_CODE: (OVERVIEW, "Unknown codes seen"),
    AlertName.ALL_REQUESTS_REFUSED: (EXPORTER, "Requests refused by webhook"),
    AlertName.WEBHOOK_REJECTING: (EXPORTER, "Requests refused by webhook"),
    AlertName.ITEMS_REJECTED: (EXPORTER, "Items rejected"),
    AlertName.EXPORTER_ERRORS: (EXPORTER, "Requests by status"),
    AlertName.EXPORTER_DOWN: (EXPORTER, "Requests by status"),
    AlertName.EXPORTER_OVERLOADED: (EXPORTER, "Waiting"),
    AlertName.LEDGER_FAILING: (EXPORTER, "Ledger errors over time"),
    AlertName.RELOAD_FAILED: (EXPORTER, "Reloads"),
    AlertName.DEDUPE_REACH_LOW: (EXPORTER, "Reach of deduplication"),
    AlertName.CERTIFICATE_EXPIRING: (EXPORTER, "Certificates"),
}
"""The panel of each alert, on which Grafana marks when it fired."""

_HEADER = """\
# Made by `make dashboards` from deploy/prometheus/rules.yml: edit that file instead.
#
# The alerts read the recording rules of rules.yml, so Prometheus has to load that file here, too.
# Notify by either Alertmanager or these rules: both would notify twice.
"""
INTERVAL = "30s"
"""Evaluation interval, a multiple of 10 seconds as Grafana requires; the rules run every 15."""


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as block scalars."""


def _write_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", value, style="|" if "\n" in value else None
    )


_Dumper.add_representer(str, _write_text)


def text(boards: Iterable[Dashboard]) -> str:
    """Convert all alerts into the file of Grafana's provisioning."""
    ids = dict(_panel_ids(boards))
    group = {
        "orgId": 1,
        "name": "push-result-exporter",
        "folder": names.FOLDER,
        "interval": INTERVAL,
        "rules": [_rule(rule, ids) for rule in alerts()],
    }
    content = {"apiVersion": 1, "groups": [group]}
    return _HEADER + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=1000)


def annotations(rule: Rule) -> dict[str, str]:
    """Make the annotations of an alert without queries, which Grafana does not support there.

    The description is the declared advice. Codes, usual share and start are on the linked
    dashboard.
    """
    texts: dict[str, str] = rule["annotations"]
    summary, link = (_values(texts[name]) for name in ("summary", "dashboard_url"))
    return {
        "summary": summary,
        "description": f"{summary}. {DECLARATIONS[rule['alert']].advice}",
        "runbook_url": texts["runbook_url"],
        "dashboard_url": link,
    }


def _values(template: str) -> str:
    """Use Grafana's name of the value: its `$value` is a text that lists all queries."""
    return template.strip().replace("$value", "$values.A.Value")


def _rule(rule: Rule, ids: dict[tuple[str, str], int]) -> Rule:
    """Convert a rule as Grafana's import does: each returned series is an alert."""
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
        "annotations": annotations(rule),
        "labels": rule["labels"],
        "isPaused": False,
    }


def _query(expression: str) -> Rule:
    model = {
        "refId": "A",
        "datasource": {"type": "prometheus", "uid": names.DATASOURCE},
        "editorMode": "code",
        "expr": expression.strip(),
        "instant": True,
        "range": False,
    }
    return _step(model, names.DATASOURCE, since=600)


def _is_there() -> Rule:
    """Map any value to 1, since `up == 0` returns 0, which would be no alert."""
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
