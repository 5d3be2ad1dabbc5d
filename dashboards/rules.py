"""Reads deploy/prometheus/rules.yml, where alerts and thresholds are defined once."""

import re
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


def threshold(name: str) -> float:
    """Return a threshold by the middle of its name; KeyError if there is none."""
    found = {rule["record"]: rule["expr"] for rule in _rules() if "record" in rule}
    match = re.fullmatch(r"vector\(([0-9.]+)\)", found[f"push:{name}:threshold"])
    if not match:
        raise ValueError(f"{FILE}: push:{name}:threshold is not vector(NUMBER)")
    return float(match[1])


def _rules() -> Iterator[Rule]:
    for group in _groups():
        yield from group["rules"]


@cache
def _groups() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]
    return groups
