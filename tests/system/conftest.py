"""Fixtures of the system tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.debian import bootstrap, download_wheels
from tests.support.exporter import TOKEN, KeyPair
from tests.support.programs import Settings, free_port


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


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a fresh Debian, to be copied and left as it is."""
    folder = tmp_path_factory.mktemp("debian")
    bootstrap(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def wheels(debian: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give every locked package as a wheel that this Debian can install."""
    folder = tmp_path_factory.mktemp("wheels")
    download_wheels(debian, folder)
    return folder
