"""Builds the files for Grafana and vmalert, and the code rows of runbooks."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import alerting, channel, exporter, names, overview, rules, runbooks, vmalert

GRAFANA = rules.DEPLOY / "grafana"
PROVISIONING = Path(__file__).parent / "provisioning"
_MADE = "# Made by `make dashboards` from dashboards/provisioning/ and dashboards/names.py.\n"

_SDK_EXTRAS = {"auto", "auto_count", "auto_min", "footer"}


def files() -> Mapping[Path, str]:
    """Build all files by path; the output is deterministic."""
    boards = [module.build() for module in (overview, channel, exporter)]
    return {
        **{GRAFANA / "dashboards" / f"{board.uid}.json": _text(board) for board in boards},
        GRAFANA / "provisioning" / "alerting" / "rules.yaml": alerting.text(boards),
        **_provisioning(),
        **runbooks.files(),
        **vmalert.files(),
    }


def write() -> None:
    """Write all files."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _provisioning() -> Mapping[Path, str]:
    """Fill the names into the templates of provisioning files."""
    values = {
        "datasource": names.DATASOURCE,
        "folder": names.FOLDER,
        "team": names.TEAM,
        "on_call": names.ON_CALL,
        "target_labels": ", ".join(names.TARGET_LABELS),
    }
    return {
        GRAFANA / "provisioning" / path.relative_to(PROVISIONING): _MADE
        + Template(path.read_text("utf-8")).substitute(values)
        for path in sorted(PROVISIONING.rglob("*.yaml"))
    }


def _text(board: Dashboard) -> str:
    plain = _without_extras(json.loads(JSONEncoder().encode(board)))
    return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _without_extras(value: Any) -> Any:
    """Remove the SDK's additions: links in a menu, and fields that Grafana dropped."""
    if isinstance(value, list):
        return [_without_extras(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_extras(item)
        for key, item in value.items()
        if (key, item) != ("placement", "inControlsMenu") and key not in _SDK_EXTRAS
    }
