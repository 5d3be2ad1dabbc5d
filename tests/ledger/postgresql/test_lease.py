"""The names under which replicas count: given, leased, kept."""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from exporter.errors import RequestError
from exporter.ledger.address import Address
from exporter.ledger.ledger import Ledger
from exporter.ledger.postgres import PostgresStore
from exporter.ledger.sqlite import SqliteStore
from exporter.ledger.store import StoreError
from tests.support.deliveries import delivery
from tests.support.postgres import Server
from tests.support.programs import until
from tests.support.stores import running

WINDOW = 1000.0


def store(address: Address, instance: str | None = None) -> PostgresStore:
    """Make a store that takes a name of its own choice, unless one is given."""
    return PostgresStore(address, instance, dedupe_seconds=WINDOW)


def total(ledger: Ledger) -> int:
    """Return the number of results that a replica exposes."""
    return sum(count.total for count in ledger.counts.values())


async def test_replicas_take_the_lowest_free_names(address: Address) -> None:
    """A replica takes the lowest free name, and continues its counts."""
    async with AsyncExitStack() as stack:
        first = Ledger(store(address))
        assert first.instance is None
        await first.start()
        others = [await stack.enter_async_context(running(store(address))) for _ in range(2)]
        assert [ledger.instance for ledger in (first, *others)] == [
            "replica-0",
            "replica-1",
            "replica-2",
        ]
        assert await first.record([delivery(1, 2)]) == 2
        await first.close()
        next_one = await stack.enter_async_context(running(store(address)))
        assert (next_one.instance, total(next_one)) == ("replica-0", 2)
        assert await next_one.record([delivery(1, 2, 3)]) == 1
        last = await stack.enter_async_context(running(store(address)))
        assert (last.instance, total(last)) == ("replica-3", 0)


async def test_replicas_that_start_together(address: Address) -> None:
    """However many take names at the same moment, each has one of its own, the lowest ones."""
    first = store(address)
    await first.open()  # which makes the schema
    others = [store(address) for _ in range(5)]
    await asyncio.gather(*(ledger.open() for ledger in others))
    assert sorted(str(ledger.instance) for ledger in others) == [
        f"replica-{n}" for n in range(1, 6)
    ]
    await asyncio.gather(*(ledger.close() for ledger in (first, *others)))


async def test_given_names_are_not_leased(address: Address, server: Server) -> None:
    """A configured name is reserved for its process, whether that runs or not."""
    async with running(store(address, "replica-0")) as given:
        await given.record([delivery(1)])
    async with running(store(address)) as ledger:
        assert ledger.instance == "replica-1"
    server.execute("UPDATE push_result_exporter.instances SET leased = true", "fresh")
    async with running(store(address)) as ledger:
        assert (ledger.instance, total(ledger)) == ("replica-0", 1)


async def test_host_name_that_has_counted_is_kept(address: Address) -> None:
    """What counted under its host's name goes on under it; a second one there takes another."""
    async with running(store(address, socket.gethostname())) as before:
        await before.record([delivery(1)])
    async with running(store(address)) as ledger, running(store(address)) as two:
        assert (ledger.instance, total(ledger)) == (socket.gethostname(), 1)
        assert two.instance == "replica-0"


async def test_lost_lease(address: Address, server: Server) -> None:
    """A process that lost its name takes another, and exposes the counts of that name.

    Counts from before under that name are not counted by this process on the status page.
    """
    async with running(store(address)) as ledger:
        await ledger.record([delivery(1)])
        async with running(store(address)) as other:
            await other.record([delivery(3, 4)])
        server.execute(
            "UPDATE push_result_exporter.instances SET epoch = epoch + 1, holder = 'another', "
            "seen_at = now() + interval '1 hour' WHERE instance = 'replica-0'",
            "fresh",
        )
        with pytest.raises(RequestError, match="repeat the request"):
            await ledger.record([delivery(2)])
        assert "taken over" in str(ledger.problem)
        await until(lambda: ledger.problem is None)
        assert (ledger.instance, total(ledger)) == ("replica-1", 2)
        assert await ledger.record([delivery(1, 2)]) == 1
        assert (total(ledger), sum(ledger.counted.values())) == (3, 2)


async def test_name_of_the_process_before_is_preferred(address: Address) -> None:
    """A process that opens its store again keeps its name, though a lower one is free by then."""
    first, second = store(address), store(address)
    await first.open()
    await second.open()
    await first.close()
    await second.open()
    assert second.instance == "replica-1"
    await second.close()


async def test_configured_name_in_use(address: Address) -> None:
    """The refusal names who has it, and what to do."""
    async with running(store(address, "a")):
        other = store(address, "a")
        with pytest.raises(
            StoreError, match="counts as INSTANCE a; give each replica a different INSTANCE"
        ):
            await other.open()
        await other.close()


async def test_ledger_in_sqlite_has_no_name(tmp_path: Path) -> None:
    """A ledger in SQLite has no instance name."""
    ledger = Ledger(SqliteStore(tmp_path / "ledger.sqlite3"))
    await ledger.start()
    assert (ledger.instance, ledger.upkeep) == (None, None)
    await ledger.close()
