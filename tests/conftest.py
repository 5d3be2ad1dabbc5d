"""Fixtures that several test modules share: real keys, a running exporter, a client."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from exporter.configuration.settings import Settings, load_settings
from tests.support.exporter import (
    SECRET,
    TOKEN,
    Exporter,
    KeyPair,
    MakeSettings,
    make_key_pair,
    started,
)
from tests.support.libraries import Libraries, installed_libraries

pytest_plugins = ["tests.support.scheduling"]

# An example may take longer on a slow machine; the rest is as Hypothesis has it, in CI too.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    """Give the gateway's key pair."""
    return make_key_pair(tmp_path_factory.mktemp("keys"), "gateway")


@pytest.fixture(scope="session")
def unknown_key(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    """Give a key pair that the exporter does not know."""
    return make_key_pair(tmp_path_factory.mktemp("keys"), "unknown_key")


@pytest.fixture(scope="session")
def libraries() -> Libraries:
    """Give push libraries and HTTP clients, installed."""
    return installed_libraries()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own environment out of the tests."""
    for name in os.environ:
        if name.upper().startswith("PUSH_EXPORTER_"):
            monkeypatch.delenv(name)


@pytest.fixture
def make_settings(tmp_path: Path, keys: KeyPair) -> MakeSettings:
    """Make settings with every scheme configured, free ports and a ledger of the test's own."""
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")

    def make(**given: Any) -> Settings:
        defaults: dict[str, Any] = {
            "ingest_host": "127.0.0.1",
            "ingest_port": 0,
            "admin_port": 0,
            "mps_public_key_files": [keys.public],
            "results_token_files": [token],
            "results_secret_files": [secret],
            "ledger_path": tmp_path / "ledger.sqlite3",
            "dedupe_max_keys": 1 << 14,  # the default takes 20 MiB, and zeroes them
        }
        return load_settings(**(defaults | given))

    return make


@pytest.fixture
async def exporter(make_settings: MakeSettings) -> AsyncIterator[Exporter]:
    """Run an exporter on free ports."""
    async with started(make_settings()) as running_exporter:
        yield running_exporter
