"""The house style: units, colors, thresholds, and where links lead."""

from collections.abc import Sequence
from typing import NamedTuple

from grafana_foundation_sdk.models import units

from dashboards.names import TARGET_LABELS
from exporter.classification.alerts import runbook_url
from exporter.classification.thresholds import THRESHOLDS

REPOSITORY = "https://github.com/push-result-exporter/push-result-exporter"
CODES = f"{REPOSITORY}/blob/main/codes"

PER_SECOND = units.CountsPerSecond
REQUESTS_PER_SECOND = units.RequestsPerSecond
SHARE = units.PercentUnit
SECONDS = units.Seconds
COUNT = units.Short
BYTES = units.BytesIEC

MIN_INTERVAL = "5m"
"""The least interval of shares over time: on a quiet channel one failure is soon half of all."""

SEVERITY_COLORS = {
    "info": "green",
    "warning": "yellow",
    "error": "orange",
    "critical": "red",
    "unknown": "purple",
}

RUNBOOK_OF_CELL = ("Open the runbook", runbook_url("${__value.raw}"))
"""A link from a cell that names an alert."""

Steps = Sequence[tuple[float | None, str]]
"""Threshold steps: from which value, which color; None stands for the lowest."""

NEUTRAL: Steps = [(None, "text")]
ZERO_IS_GOOD: Steps = [(None, "green"), (1, "red")]
ZERO_IS_USUAL: Steps = [(None, "green"), (1, "yellow")]


def up_to(threshold: str) -> Steps:
    """Turn orange where the alert of a threshold may fire."""
    return [(None, "green"), (THRESHOLDS[threshold], "orange")]


class Line(NamedTuple):
    """A query and the name of what it draws."""

    expression: str
    legend: str
    exemplar: bool = False


class Column(NamedTuple):
    """A column of a table: its field, its title, and how its values look."""

    field: str
    title: str
    unit: str = ""
    link: tuple[str, str] | None = None
    """The title and the URL behind each value."""
    steps: Steps = ()
    width: int = 0


KEEP_APP = "${app:queryparam}"
"""Of links between the two dashboards that have the variable."""


def to_dashboard(uid: str, *variables: str) -> str:
    """Give the address of a dashboard, with the same data source, exporters and other variables."""
    kept = [f"${{{variable}:queryparam}}" for variable in ("datasource", *TARGET_LABELS)]
    return f"/d/{uid}?{'&'.join([*kept, *variables])}"


def to_runbook(alert: str) -> tuple[str, str]:
    """Link to the runbook of an alert."""
    return (f"Runbook: {alert}", runbook_url(alert))
