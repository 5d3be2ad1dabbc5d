"""Paths into a JSON value: names joined by dots, `[0]`, `"quoted name"`, `@key`, and a last `*`.

There is no recursion, filter or arithmetic, so that a path takes as many steps as it has names.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any

import msgspec

MAX_STEPS = 16


class Mark(Enum):
    """A step that is no name and no index."""

    KEY = "@key"
    """The key under which the item stands in a map."""
    VALUES = "*"
    """The values of a map, as the last step to the items."""


Step = str | int | Mark
Path = tuple[Step, ...]

ABSENT = msgspec.UNSET
"""What a path gives that leads nowhere; None is JSON's null."""

_STEP = re.compile(
    r"""(?:(?:^|\.)(?:"(?P<quoted>[^"]+)"|(?P<mark>@key$|\*$)|(?P<name>[^\s."@*\[\]]+))"""
    r"""|\[(?P<index>[0-9]{1,6})\])"""
)


def parse_path(text: str) -> Path:
    """Read a path; ValueError says what is wrong with it."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (position and match["mark"] == Mark.KEY.value):
            raise ValueError(f"{text!r} is no path: it goes wrong after {text[:position]!r}")
        steps.append(_step(match))
        position = match.end()
    if not steps:
        raise ValueError("a path is not empty")
    if len(steps) > MAX_STEPS:
        raise ValueError(f"{text!r} has more than {MAX_STEPS} steps")
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["mark"]:
        return Mark(match["mark"])
    return int(match["index"]) if match["index"] else match["quoted"] or match["name"]


def walk(value: Any, path: Sequence[Step], key: str | None = None) -> Any:
    """Follow a path from a value that stands under `key`; ABSENT if it leads nowhere."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step, ABSENT) if isinstance(value, dict) else ABSENT
        elif isinstance(step, int):
            known = isinstance(value, list) and step < len(value)
            value = value[step] if known else ABSENT
        else:  # Mark.KEY: the other one leads to items, and not through one
            value = ABSENT if key is None else key
    return value
