"""README names everything that a user can set, scrape or be told."""

import re
from pathlib import Path

import pytest

from exporter.ingest import STATUS
from exporter.payloads.decoding import REASONS
from exporter.settings import Settings
from tests.conftest import Exporter

README = Path(__file__).parent.parent.joinpath("README.md").read_text("utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_setting_is_documented(name: str) -> None:
    """Every setting stands in README."""
    assert f"`{name.upper()}`" in README


@pytest.mark.parametrize("reason", [*STATUS, *REASONS, "not_found", "malformed_request"])
def test_reason_is_documented(reason: str) -> None:
    """Every reason for an error stands in README."""
    assert f"`{reason}`" in README


async def test_metrics_are_documented(exporter: Exporter) -> None:
    """Every metric stands in README, and README names no other."""
    async with exporter.client.get(exporter.admin + "/metrics") as answer:
        text = await answer.text()
    ours = set(re.findall(r"^# TYPE (push_\w+) ", text, re.MULTILINE))
    documented = set(re.findall(r"push_[a-z_]+", README)) - {"push_result_exporter"}
    assert ours <= documented
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in documented} <= ours
