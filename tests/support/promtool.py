"""Runs the unit tests of the rules with promtool: many cases at once, and in an adverse order.

A file of tests/rules/ can be given to promtool as it is. Here its cases are put into one case, told
apart by a label, since promtool spends most of its time on what does not depend on the number of
series. Groups are evaluated in reverse, so that every alert reads values that are one interval old,
unless these would be stale, or the text of a message tells the minute.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.support.programs import program
from tests.support.rules import GROUPS, RULES, read

_LABEL = "case"
_FAST = {"GOGC": "800"}  # memory is cheaper than time
_CONSTANT = [name for name in GROUPS if "thresholds" in name]
REVERSED = [*_CONSTANT, *(name for name in reversed(GROUPS) if name not in _CONSTANT)]
"""The order of groups in which every alert reads old values."""

Case = dict[str, Any]

_NAME = re.compile(r"[A-Za-z_][\w:]*")
"""Names of metrics and alerts, among others."""


def failures(path: Path, rules: Path = RULES) -> list[str]:
    """Run a file of unit tests; return what each case that fails reports, with its name."""
    document = read(path)
    failed = [
        case
        for cases in _batches(document["tests"])
        if _run(document, [_combined(cases)] if len(cases) > 1 else cases, rules)
        for case in cases
    ]
    alone = [(case["name"], _run(document, [case], rules)) for case in failed]
    named = [f"{name}: {report}" for name, report in alone if report]
    return named or [f"{name}: fails only beside the others" for name, _ in alone]


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    command = [program("promtool", "prometheus"), *map(str, arguments)]
    return subprocess.run(
        command, env=os.environ | _FAST, capture_output=True, text=True, check=False
    )


def _batches(cases: Iterable[Case]) -> Iterator[list[Case]]:
    """Put the cases together that can be told apart by a label, by the interval of their series."""
    together: dict[str, list[Case]] = {}
    for case in cases:
        if _is_alone(case):
            yield [case]
        else:
            together.setdefault(case["interval"], []).append(case)
    yield from together.values()


def _is_alone(case: Case) -> bool:
    """Whether a case is about the text of a message, or about the number of all exporters."""
    counts = '{alertname="PushExporterDown"}', "vanish", "renamed"
    return "alert_rule_test" in case or any(text in str(case) for text in counts)


def _is_about_messages(case: Case) -> bool:
    """Whether a case checks named alerts alone, so that others need not be evaluated."""
    return "alert_rule_test" in case and "promql_expr_test" not in case


def _needed(rules: Path, cases: list[Case]) -> dict[str, Any]:
    """Return the rules that cases need: without messages, or only those of named alerts.

    Prometheus renders the messages of an active alert, with their queries, at every evaluation.
    """
    document: dict[str, Any] = read(rules)
    if all(_is_about_messages(case) for case in cases):
        _leave_only_needed(document, cases)
    elif not any("alert_rule_test" in case for case in cases):
        for group in document["groups"]:
            for rule in group["rules"]:
                rule.pop("annotations", None)
    return document


def _leave_only_needed(document: dict[str, Any], cases: list[Case]) -> None:
    """Leave the rules of the alerts in some cases, and the rules that these read."""
    by_name = {
        rule.get("alert") or rule["record"]: set(_NAME.findall(str(rule)))
        for group in document["groups"]
        for rule in group["rules"]
    }
    needed: set[str] = set()
    added = {test["alertname"] for case in cases for test in case["alert_rule_test"]}
    while added:
        needed |= added
        read_by_them = set().union(*(by_name[name] for name in added))
        added = (read_by_them & by_name.keys()) - needed
    for group in document["groups"]:
        group["rules"] = [
            rule for rule in group["rules"] if (rule.get("alert") or rule["record"]) in needed
        ]


def _combined(cases: list[Case]) -> Case:
    return {
        "interval": cases[0]["interval"],
        "input_series": [
            series | {"series": _labelled(series["series"], number)}
            for number, case in enumerate(cases)
            for series in case["input_series"]
        ],
        "promql_expr_test": [
            test | {"expr": _labelled(test["expr"], number)}
            for number, case in enumerate(cases)
            for test in case["promql_expr_test"]
        ],
    }


def _labelled(query: str, number: int) -> str:
    """Add the label of a case to each selector of a query; every query and series here has one."""
    if "{" not in query:
        raise ValueError(f"no label in {query}")
    return query.replace("{", f'{{{_LABEL}="{number}", ')


def _run(document: dict[str, Any], cases: list[Case], rules: Path) -> str:
    """Return what promtool reports; nothing if it is satisfied."""
    stale = document["evaluation_interval"] == "10m"  # Prometheus looks back for 5 minutes
    in_order = stale or any("alert_rule_test" in case for case in cases)
    content = document | {
        "rule_files": ["rules.yml"],
        "group_eval_order": [*GROUPS] if in_order else REVERSED,
        "tests": cases,
    }
    with TemporaryDirectory() as folder:
        files = {"rules.yml": _needed(rules, cases), "test.yml": content}
        for name, what in files.items():
            text = yaml.safe_dump(what, sort_keys=False, width=1_000_000)
            (Path(folder) / name).write_text(text, "utf-8")
        done = promtool("test", "rules", Path(folder) / "test.yml")
    return done.stdout + done.stderr if done.returncode else ""
