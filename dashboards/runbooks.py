"""The rows of the runbooks with the actions of codes, from the code tables."""

import re
from collections.abc import Mapping
from pathlib import Path

from dashboards import rules
from exporter.classification.tables import CodeTable, load_tables

FOLDER = rules.DEPLOY / "runbooks"
_ROW = re.compile(r"^\| `(?P<channel>[\w.-]+) (?P<code>\S+)(?: [^`]*)?` \| .* \|$", re.MULTILINE)


def files() -> Mapping[Path, str]:
    """Return all runbooks with current rows; raises KeyError for a removed code."""
    tables = load_tables()
    return {path: current(path.read_text("utf-8"), tables) for path in sorted(FOLDER.glob("*.md"))}


def current(text: str, tables: Mapping[str, CodeTable]) -> str:
    """Update all rows that begin with a channel, a code and its name."""

    def renewed(row: re.Match[str]) -> str:
        code = tables[row["channel"]].codes[row["code"]]
        return f"| `{row['channel']} {row['code']} {code.name}` | {code.action} |"

    return _ROW.sub(renewed, text)
