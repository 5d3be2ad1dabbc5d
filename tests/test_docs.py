"""README names everything that a user can set, scrape or be told."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.reasons import ItemReason, Reason
from exporter.settings import Settings
from tests.support.exporter import Exporter

README = Path(__file__).parent.parent.joinpath("README.md").read_text("utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_setting_is_documented(name: str) -> None:
    """Every setting stands in README."""
    assert f"`{name.upper()}`" in README


@pytest.mark.parametrize("reason", [*Reason, *ItemReason])
def test_reason_is_documented(reason: str) -> None:
    """Every reason for an error stands in README."""
    assert f"`{reason}`" in README


async def test_status_is_documented(exporter: Exporter) -> None:
    """Every field of the JSON stands in README."""
    batch = b'[{"channel": "apns", "code": 2014, "count": 9}, {"channel": "apns", "code": "NEW"}]'
    await exporter.results(batch)
    await exporter.results(b"[{}]")
    for path in ("status", "codes"):
        async with exporter.client.get(f"{exporter.admin}/api/v1/{path}") as answer:
            names = {*fields(await answer.json())}
        assert [name for name in sorted(names) if f"`{name}`" not in README] == []


def fields(value: object) -> Iterator[str]:
    """Name the fields of a JSON value, at every depth."""
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from fields(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner)


async def test_metrics_are_documented(exporter: Exporter) -> None:
    """Every metric stands in README, and README names no other."""
    async with exporter.client.get(exporter.admin + "/metrics") as answer:
        text = await answer.text()
    ours = set(re.findall(r"^# TYPE (push_\w+) ", text, re.MULTILINE))
    documented = set(re.findall(r"push_[a-z_]+", README)) - {"push_result_exporter"}
    assert ours <= documented
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in documented} <= ours


def test_make_targets_are_documented() -> None:
    """Every target that is more than a step of another stands in README."""
    makefile = Path(__file__).parent.parent.joinpath("Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    steps = {"help", "types", "imports", "format", "clean"}
    assert {
        name for name in targets - steps if not re.search(rf"`(make )?{name}`", README)
    } == set()
