"""The common style: units, colors, thresholds and links."""

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
"""The minimum interval of shares: in less time a failure may be half of a channel's results."""

SEVERITY_COLORS = {
    "info": "green",
    "warning": "yellow",
    "error": "orange",
    "critical": "red",
    "unknown": "purple",
}

RUNBOOK_OF_CELL = ("Open the runbook", runbook_url("${__value.raw}"))
"""A link from a cell with the name of an alert."""

Steps = Sequence[tuple[float | None, str]]
"""Threshold steps: minimum value and color; None is the lowest value."""

NEUTRAL: Steps = [(None, "text")]
ZERO_IS_GOOD: Steps = [(None, "green"), (1, "red")]
ZERO_IS_USUAL: Steps = [(None, "green"), (1, "yellow")]


def up_to(threshold: str) -> Steps:
    """Turn orange above the threshold of an alert."""
    return [(None, "green"), (THRESHOLDS[threshold], "orange")]


class Line(NamedTuple):
    """A query and the legend of its series."""

    expression: str
    legend: str
    exemplar: bool = False


class Column(NamedTuple):
    """A column of a table: its field, its title, and the format of its values."""

    field: str
    title: str
    unit: str = ""
    link: tuple[str, str] | None = None
    """The title and the URL of the link of each value."""
    steps: Steps = ()
    width: int = 0


TARGET_COLUMNS = [Column(label, label.capitalize()) for label in TARGET_LABELS]
"""The columns of target labels; Grafana omits the columns of absent labels."""

REPLICA = " ".join(f"{{{{{label}}}}}" for label in (*TARGET_LABELS, "instance"))
"""The legend of a replica; Grafana replaces absent labels with nothing."""

KEEP_APP = "${app:queryparam}"
"""The query parameter of links between the dashboards with the variable."""


def to_dashboard(uid: str, *variables: str) -> str:
    """Return the URL of a dashboard, with the same data source, exporters and other variables."""
    kept = [f"${{{variable}:queryparam}}" for variable in ("datasource", *TARGET_LABELS)]
    return f"/d/{uid}?{'&'.join([*kept, *variables])}"


def to_runbook(alert: str) -> tuple[str, str]:
    """Return a link to the runbook of an alert."""
    return (f"Runbook: {alert}", runbook_url(alert))
