"""Reads the alerting rules of deploy/prometheus/rules.yml."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
FILE = DEPLOY / "prometheus" / "rules.yml"

Rule = dict[str, Any]


def alerts() -> list[Rule]:
    """List the alerting rules, in order."""
    return [rule for rule in _rules() if "alert" in rule]


def _rules() -> Iterator[Rule]:
    for group in _groups():
        yield from group["rules"]


@cache
def _groups() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]
    return groups
