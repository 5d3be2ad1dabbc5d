"""Fixtures of the system tests."""

from pathlib import Path

import pytest

from tests.conftest import TOKEN, KeyPair
from tests.system.programs import Settings, free_port


@pytest.fixture
def settings(tmp_path: Path, keys: KeyPair) -> Settings:
    """Give settings with which a restarted exporter has the same credentials and ports."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    return {
        "ingest_port": free_port(),
        "admin_port": free_port(),
        "mps_public_key_files": keys.public,
        "results_token_files": token,
    }
