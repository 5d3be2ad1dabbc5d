"""The built dashboards and their queries."""

import json
from typing import Any, NamedTuple

from dashboards import build, names

BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text())
    for path in sorted((build.GRAFANA / "dashboards").glob("*.json"))
}


class Query(NamedTuple):
    """A query, and the panel and dashboard that it is of."""

    board: str
    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def name(self) -> str:
        """Name the query by dashboard, panel and reference."""
        return f"{self.board}: {self.panel['title']}: {self.target['refId']}"

    def expression(self, **values: str) -> str:
        """Return the PromQL with values in the place of Grafana's variables."""
        return substituted(self.target["expr"], **values)


def panels() -> list[tuple[str, dict[str, Any]]]:
    """List every panel but the rows, with the uid of its dashboard."""
    return [
        (uid, panel)
        for uid, board in BOARDS.items()
        for panel in board["panels"]
        if panel["type"] != "row"
    ]


def all_queries() -> list[Query]:
    """List every query of every panel."""
    return [Query(uid, panel, target) for uid, panel in panels() for target in panel["targets"]]


def substituted(
    expression: str, channel: str = ".+", interval: str = "1m", time_range: str = "6h"
) -> str:
    """Put values in the place of Grafana's variables."""
    values = {
        "$__rate_interval": interval,
        "$__range": time_range,
        "$channel": channel,
        "$app": ".*",
        "$source": "mps",
        **{f"${label}": ".*" for label in names.TARGET_LABELS},
    }
    for name, value in values.items():
        expression = expression.replace(name, value)
    return expression
