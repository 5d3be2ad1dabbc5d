"""The table of values in the chart's README, made from the schema and the defaults.

Run `python -m tests.deploy.values_table` after a change of either.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from tests.support.helm import CHART

README = CHART / "README.md"
_TABLE = re.compile(r"\| value \| default \| meaning \|\n(?:\|.*\n)+")
_LONGEST = 48


class Row(NamedTuple):
    """A value of the chart."""

    name: str
    default: str
    meaning: str


def rows(kind: dict[str, Any], default: Any, name: str = "") -> Iterator[Row]:
    """Give each value that has a description, or that should have one, in the schema's order."""
    if "description" not in kind and "properties" in kind:
        for key, below in kind["properties"].items():
            if not (name or key == "global"):
                yield from rows(below, default[key], key)
            elif key != "global":
                yield from rows(below, default[key], f"{name}.{key}")
        return
    yield Row(name, shown(default), kind.get("description", ""))


def shown(default: Any) -> str:
    """Write a default as one would in YAML, short."""
    if default in ("", None):
        return ""
    text = json.dumps(default, ensure_ascii=False) if not isinstance(default, str) else default
    text = re.sub(r'"([\w.:/-]+)"', r"\1", text)
    return f"`{text}`" if len(text) <= _LONGEST else "see `values.yaml`"


def table() -> str:
    """Make the table."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    lines = [
        f"| `{row.name}` | {row.default} | {row.meaning} |".replace("|  |", "| |")
        for row in rows(schema, values)
    ]
    return "\n".join(["| value | default | meaning |", "|---|---|---|", *lines, ""])


def current() -> bool:
    """Whether README has this table."""
    return table() in README.read_text("utf-8")


def main() -> int:
    """Write the table into README."""
    text, found = _TABLE.subn(lambda _: table(), README.read_text("utf-8"))
    README.write_text(text, "utf-8")
    return int(found != 1)


if __name__ == "__main__":
    sys.exit(main())
