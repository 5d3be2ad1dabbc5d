"""Paths into a JSON value: names joined by dots, `[0]`, `"quoted name"`, `@key`, and a last `*`.

There is no recursion, filter or arithmetic: the cost of a path is its number of steps.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any

import msgspec

MAX_STEPS = 16


class Mark(Enum):
    """A step other than a name or an index."""

    KEY = "@key"
    """The item's key in a map."""
    VALUES = "*"
    """The values of a map; only as the last step of `items.path`."""


Step = str | int | Mark
Path = tuple[Step, ...]

ABSENT = msgspec.UNSET
"""The value of a path without a match; None is JSON's null."""

_STEP = re.compile(
    r"""(?:(?:^|\.)(?:"(?P<quoted>[^"]+)"|(?P<mark>@key$|\*$)|(?P<name>[^\s."@*\[\]]+))"""
    r"""|\[(?P<index>[0-9]{1,6})\])"""
)
_JSONPATH = re.compile(r"\$(\.|\[|$)")


def parse_path(text: str) -> Path:
    """Parse a path; ValueError describes a mistake."""
    if _JSONPATH.match(text):
        raise ValueError(f"{text!r} is JSONPath: a path begins with the name of a member")
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (position and match["mark"] == Mark.KEY.value):
            raise ValueError(f"invalid path {text!r} at {text[position:]!r}")
        steps.append(_step(match))
        position = match.end()
    if not steps:
        raise ValueError("a path cannot be empty")
    if len(steps) > MAX_STEPS:
        raise ValueError(f"{text!r} has more than {MAX_STEPS} steps")
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["mark"]:
        return Mark(match["mark"])
    return int(match["index"]) if match["index"] else match["quoted"] or match["name"]


def walk(value: Any, path: Sequence[Step], key: str | None = None) -> Any:
    """Return the value at a path, or ABSENT; `key` is the item's key in a map."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step, ABSENT) if isinstance(value, dict) else ABSENT
        elif isinstance(step, int):
            known = isinstance(value, list) and step < len(value)
            value = value[step] if known else ABSENT
        else:  # Mark.KEY; Mark.VALUES is in items.path only
            value = ABSENT if key is None else key
    return value


def put(document: dict[str, Any], path: Sequence[Step], value: Any) -> None:
    """Set the value at a path of names; ignore a path with a key or an index."""
    names = [step for step in path if isinstance(step, str)]
    if len(names) < len(path):
        return
    for name in names[:-1]:
        document = document.setdefault(name, {})
    document[names[-1]] = value


def path_text(path: Path) -> str:
    """Format a path in the syntax of a description."""
    parts = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            name = step.value if isinstance(step, Mark) else step
            plain = isinstance(step, Mark) or not set(name) & set(' ."@*[]')
            parts.append(f".{name}" if plain else f'."{name}"')
    return "".join(parts).lstrip(".")
