"""Ledgers of the format before are upgraded in place, and what they had counted stays counted."""

import asyncio
import sqlite3
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from exporter.errors import ConfigurationError, RequestError
from exporter.ledger.address import Address, parse_address
from exporter.ledger.administration import Administration
from exporter.ledger.ledger import Ledger
from exporter.ledger.maintenance import Maintenance
from exporter.ledger.postgres import PostgresStore
from exporter.ledger.sqlite import SqliteStore
from exporter.ledger.store import Store, StoreError
from exporter.results import Delivery, Identity
from tests.support.deliveries import ACKED, delivery
from tests.support.old_ledgers import (
    CHANGED,
    COUNTS,
    DELIVERIES,
    OLD_STATEMENTS,
    TOTAL,
    make_old_file,
    old_schema,
)
from tests.support.postgres import Server
from tests.support.programs import until
from tests.support.stores import running

WINDOW = 1000.0

REPEATED = [old.delivery for old in DELIVERIES]


class OldLedger(NamedTuple):
    """A ledger of the format before, and a way to open it."""

    make: Callable[[float], None]
    """Make it, with keys that are so many seconds old."""
    store: Callable[[], Store]
    upgraded: Callable[[float], None]
    """Have it been upgraded so many seconds ago."""


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> OldLedger:
    """Give each kind of store in turn."""
    if request.param == "sqlite":
        path = tmp_path / "data" / "ledger.sqlite3"

        def upgraded(seconds_ago: float) -> None:
            with closing(sqlite3.connect(path)) as database:
                database.execute("UPDATE secrets SET since = since - ?", (seconds_ago,))
                database.commit()

        return OldLedger(
            lambda age: make_old_file(path, time.time() - age), lambda: SqliteStore(path), upgraded
        )
    address: Address = request.getfixturevalue("address")
    server: Server = request.getfixturevalue("server")
    return OldLedger(
        lambda age: make_old_schema(server, age),
        lambda: PostgresStore(address, "a", dedupe_seconds=WINDOW),
        lambda age: void(
            server.execute(
                f"UPDATE push_result_exporter.secrets SET since = since - interval '{age} s'",
                "fresh",
            )
        ),
    )


def make_old_schema(server: Server, age: float, *more: str) -> None:
    """Make the tables of the format before, owned by the exporter."""
    script = ["SET ROLE exporter", old_schema("a", age), *more]
    server.execute(";".join(script), "fresh")


def void(_: object) -> None:
    """Return nothing."""


@asynccontextmanager
async def opened(old: OldLedger) -> AsyncIterator[Ledger]:
    """Run an exporter's ledger inside the block."""
    async with running(old.store(), dedupe_seconds=WINDOW) as ledger:
        yield ledger


async def test_totals_continue(old: OldLedger) -> None:
    """Counts keep their series, without an app, and go on with and without one."""
    old.make(5)
    with_app = ACKED._replace(app="shop")
    async with opened(old) as ledger:
        assert {series: count.total for series, count in ledger.counts.items()} == dict.fromkeys(
            COUNTS, TOTAL
        )
        assert await ledger.record([delivery("new", series=COUNTS[0])]) == 1
        assert await ledger.record([delivery("new too", series=with_app)]) == 1
    async with opened(old) as ledger:
        totals = {series: count.total for series, count in ledger.counts.items()}
    assert totals == {COUNTS[0]: TOTAL + 1, COUNTS[1]: TOTAL, COUNTS[2]: TOTAL, with_app: 1}


@pytest.mark.parametrize("restart", [False, True])
async def test_repeated_deliveries_are_duplicates(old: OldLedger, restart: bool) -> None:
    """Deliveries counted before the upgrade are duplicates after it, over restarts too."""
    old.make(5)
    if restart:
        async with opened(old):
            pass
    async with opened(old) as ledger:
        for each in REPEATED * 2:
            assert await ledger.record([each]) == 0
        assert await asyncio.gather(*(ledger.record([each]) for each in REPEATED)) == [0] * 7
        first, second = REPEATED[:2]
        assert first.scope == second.scope
        assert await ledger.record([merged("new", *first.identities, *second.identities)]) == 1
        assert await ledger.record([merged("new", *first.identities, *second.identities)]) == 0
        assert sum(count.total for count in ledger.counts.values()) == 3 * TOTAL + 1


def merged(*identities: Identity) -> Delivery:
    """Make one delivery of several ids, in the scope of the first old one."""
    scope = REPEATED[0].scope
    assert scope
    return delivery(*identities, series=COUNTS[0], scope=scope)


async def test_conflict_with_a_delivery_from_before_the_upgrade(old: OldLedger) -> None:
    """An id that was used before the upgrade with a different body is refused after it."""
    old.make(5)
    async with opened(old) as ledger:
        for _ in range(2):
            with pytest.raises(RequestError, match="already used with a different body"):
                await ledger.record([CHANGED])
        assert await ledger.record([REPEATED[-1]]) == 0


async def test_old_keys_expire_in_their_time(old: OldLedger) -> None:
    """A delivery of before the upgrade is new once its own window is over."""
    old.make(WINDOW - 2)
    async with opened(old) as ledger:
        await asyncio.sleep(3)
        assert [await ledger.record([each]) for each in REPEATED] == [1, 1, 1, 1, 1, 2, 2]
        assert [await ledger.record([each]) for each in REPEATED] == [0] * 7


async def test_old_keys_are_looked_up_for_one_window(old: OldLedger) -> None:
    """Once the window has passed since the upgrade, old keys are not looked up any more."""
    old.make(5)
    async with opened(old) as ledger:
        assert await ledger.record([delivery("new")]) == 1
    old.upgraded(WINDOW)
    store = old.store()
    keyring = (await store.open()).keyring
    keyring.expire(time.time() - WINDOW)
    assert keyring.earlier(delivery("m")) == []
    await store.close()


def test_file_hides_its_secret(tmp_path: Path) -> None:
    """An upgraded file is for its owner and group alone, like a new one for its owner."""
    path = tmp_path / "ledger.sqlite3"
    make_old_file(path, 5.0)
    path.chmod(0o644)

    async def run() -> None:
        for file in (path, tmp_path / "new.sqlite3"):
            store = SqliteStore(file)
            await store.open()
            await store.close()

    asyncio.run(run())
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "new.sqlite3").stat().st_mode) == 0o600


async def test_role_that_may_not_upgrade(address: Address, server: Server, tmp_path: Path) -> None:
    """Without the right to, an exporter names the command; once its owner has run it, it counts."""
    server.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'", "postgres")
    password = tmp_path / "guest"
    password.write_text("guest")
    guest = parse_address(server.url("guest", "fresh"), password)
    grants = (
        "GRANT USAGE ON SCHEMA push_result_exporter TO guest",
        "GRANT ALL ON ALL TABLES IN SCHEMA push_result_exporter TO guest",
    )
    make_old_schema(server, 5, *grants)
    owner = Administration(address)
    try:
        async with running(PostgresStore(guest, "a", dedupe_seconds=WINDOW)) as ledger:
            assert "has version 1: run `push-result-exporter ledger init`" in str(ledger.problem)
            await owner.connect(upgrades=True)
            await owner.initialize("guest")
            await until(lambda: not ledger.problem)
            assert [await ledger.record([each]) for each in REPEATED] == [0] * 7
    finally:
        await owner.close()
        server.execute("DROP OWNED BY guest", "fresh")
        server.execute("DROP ROLE guest", "postgres")


async def test_upgrade_under_two_new_replicas(address: Address, server: Server) -> None:
    """Replicas that start at the same time upgrade once."""
    make_old_schema(server, 5)
    stores = [PostgresStore(address, name, dedupe_seconds=WINDOW) for name in "abc"]
    opened = await asyncio.gather(*(store.open() for store in stores))
    assert len({store.keyring.current.secret for store in opened}) == 1
    assert len(server.execute("SELECT xxh3 FROM push_result_exporter.secrets", "fresh")) == 2
    await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.parametrize("statement", OLD_STATEMENTS)
async def test_old_exporter_is_refused_after_the_upgrade(
    address: Address, server: Server, statement: str
) -> None:
    """After the upgrade an old replica can neither commit nor start."""
    make_old_schema(server, 5)
    server.execute(statement, "fresh")
    store = PostgresStore(address, "b", dedupe_seconds=WINDOW)
    await store.open()
    with pytest.raises(psycopg.errors.ProgrammingError):
        server.execute(statement, "fresh")
    assert server.execute("SELECT version FROM push_result_exporter.schema_version", "fresh") == [
        (2,)
    ]
    await store.close()


def test_file_with_broken_keys_is_refused(tmp_path: Path) -> None:
    """A file that cannot be upgraded is left as it was."""
    path = tmp_path / "ledger.sqlite3"
    make_old_file(path, 5.0)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE deliveries SET keys = x'010203'")
        database.commit()
    before = path.read_bytes()

    async def run() -> None:
        store = SqliteStore(path)
        with pytest.raises(ConfigurationError, match="corrupt"):
            await store.open()
        await store.close()

    asyncio.run(run())
    assert path.read_bytes() == before


async def test_old_keys_are_emptied(address: Address, server: Server) -> None:
    """A window after the upgrade the keys of before it are gone."""
    make_old_schema(server, 5)
    async with running(PostgresStore(address, "a", dedupe_seconds=WINDOW)):
        rounds = Maintenance(address, WINDOW)
        count = "SELECT count(*) FROM push_result_exporter.old_keys"
        await rounds.run()
        assert server.execute(count, "fresh") == [(7,)]
        server.execute(
            f"UPDATE push_result_exporter.secrets SET since = since - interval '{WINDOW + 1} s'",
            "fresh",
        )
        await rounds.run()
        assert server.execute(count, "fresh") == [(0,)]


async def test_commands_ask_for_the_upgrade(address: Address, server: Server) -> None:
    """What reads or writes an old schema names the command that upgrades it."""
    make_old_schema(server, 5)
    administration = Administration(address)
    with pytest.raises(StoreError, match="has version 1: run `push-result-exporter ledger init`"):
        await administration.connect()
    await administration.close()


def test_older_file_is_refused(tmp_path: Path) -> None:
    """A version that is too old to be upgraded is refused by number."""
    path = tmp_path / "ledger.sqlite3"
    make_old_file(path, 5.0)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 1")

    async def run() -> None:
        store = SqliteStore(path)
        with pytest.raises(ConfigurationError, match="has version 1, and this exporter reads 2 to"):
            await store.open()
        await store.close()

    asyncio.run(run())
