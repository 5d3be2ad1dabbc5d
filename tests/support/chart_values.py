"""The values of the chart, from its schema and its defaults."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from tests.support.helm import CHART

_LONGEST = 48

_OF_HELM = ("enabled", "global")
"""Values that Helm or a parent chart gives, without defaults."""


class Value(NamedTuple):
    """A value of the chart; each is Markdown."""

    name: str
    default: str
    meaning: str


def chart_values() -> list[Value]:
    """List the values in the schema's order."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    return list(_values(schema, yaml.safe_load((CHART / "values.yaml").read_text("utf-8")), ""))


def _values(kind: dict[str, Any], default: Any, name: str) -> Iterator[Value]:
    """Give what has a description, or should have one: not the objects that hold others."""
    if "description" in kind or "properties" not in kind:
        yield Value(f"`{name}`", _shown(default), kind.get("description", ""))
        return
    for key, below in kind["properties"].items():
        if name or key not in _OF_HELM:
            yield from _values(below, default[key], f"{name}.{key}".lstrip("."))


def _shown(default: Any) -> str:
    """Write a default as one would in YAML, if it is short."""
    if default in ("", None):
        return ""
    text = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
    text = re.sub(r'"([\w.:/-]+)"', r"\1", text)
    return f"`{text}`" if len(text) <= _LONGEST else "see `values.yaml`"
