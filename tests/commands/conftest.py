"""Fixtures of the commands."""

from pathlib import Path

import pytest

from tests.support.commands import CUSTOM_TABLE


@pytest.fixture
def custom_table(tmp_path: Path) -> str:
    """Give an operator's code table with code 4242 of APNs."""
    path = tmp_path / "own.toml"
    path.write_text(CUSTOM_TABLE)
    return str(path)
