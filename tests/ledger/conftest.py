"""Both kinds of store, for what every store guarantees."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from exporter.ledger import database, lease, ledger, sqlite
from exporter.ledger.address import Address, parse_address
from exporter.ledger.postgres import PostgresStore
from exporter.ledger.sqlite import SqliteStore
from tests.support.postgres import PASSWORD, Server, running_server
from tests.support.sqlite import held
from tests.support.stores import StoreKind


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run a PostgreSQL for the tests of a module."""
    with running_server() as server:
        yield server


@pytest.fixture
def address(server: Server, tmp_path: Path) -> Iterator[Address]:
    """Give the address of an empty database, the password in a file."""
    server.execute("CREATE DATABASE fresh OWNER exporter", "postgres")
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    yield parse_address(server.url(database="fresh"), password)
    server.execute("DROP DATABASE fresh WITH (FORCE)", "postgres")


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> StoreKind:
    """Give each kind of store in turn, with an empty ledger."""
    if request.param == "sqlite":
        path = tmp_path / "data" / "ledger.sqlite3"
        return StoreKind(lambda: SqliteStore(path), lambda: held(path))
    address: Address = request.getfixturevalue("address")
    server: Server = request.getfixturevalue("server")

    @contextmanager
    def blocked() -> Iterator[None]:
        with closing(psycopg.connect(server.url("postgres", "fresh"))) as intruder:
            intruder.execute("LOCK TABLE push_result_exporter.counts")
            yield

    return StoreKind(lambda: PostgresStore(address, "a", dedupe_seconds=1000), blocked)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe for recovery more often than in production, and wait less for locks and servers."""
    monkeypatch.setattr(ledger, "_PROBE_INTERVAL", 0.02)
    monkeypatch.setattr(ledger, "_START_SECONDS", 60)
    monkeypatch.setattr(sqlite, "_LOCK_SECONDS", 0.05)
    monkeypatch.setattr(database, "STATEMENT_SECONDS", 1)
    monkeypatch.setattr(database, "_DEADLINE", 3.0)
    monkeypatch.setattr(lease, "LEASE_SECONDS", 2)
