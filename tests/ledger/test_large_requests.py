"""Large requests: hashed in slices between which the event loop runs, and recorded as a whole."""

import asyncio
from pathlib import Path

import pytest

from exporter.errors import RequestError
from exporter.ledger.ledger import Ledger
from exporter.ledger.sqlite import SqliteStore
from exporter.results import Delivery
from tests.support.deliveries import ACKED, BAD_TOKEN, delivery
from tests.support.stores import running

MANY = 3200
PER_SLICE = 32
DELIVERIES = [delivery(number) for number in range(MANY)]


@pytest.fixture
async def store(tmp_path: Path) -> SqliteStore:
    """Give the file of an empty ledger."""
    return SqliteStore(tmp_path / "ledger.sqlite3")


def totals(ledger: Ledger) -> dict[str, int]:
    """Return the counts by code."""
    return {series.code: count.total for series, count in ledger.counts.items()}


async def turns_during(recorded: "asyncio.Future[int]") -> int:
    """Return how often the event loop ran other tasks until a request was recorded."""
    turns = 0
    while not recorded.done():
        turns += 1
        await asyncio.sleep(0)
    return turns


async def test_loop_runs_between_slices(store: SqliteStore) -> None:
    """However many deliveries a request has, other tasks run after each slice of them."""
    async with running(store) as ledger:
        recorded = ledger.record(DELIVERIES)
        assert await turns_during(recorded) >= MANY / PER_SLICE
        assert await recorded == MANY
        assert await ledger.record(DELIVERIES) == 0
    assert totals(ledger) == {ACKED.code: MANY}


async def test_request_in_between_counts_once(store: SqliteStore) -> None:
    """Deliveries that another request has meanwhile count once, under the first series."""
    async with running(store) as ledger:
        large = ledger.record(DELIVERIES)
        await asyncio.sleep(0)
        small = ledger.record([delivery(1, 2, 3, series=BAD_TOKEN)])
        assert [await large, await small] == [MANY - 3, 3]
    assert totals(ledger) == {ACKED.code: MANY - 3, BAD_TOKEN.code: 3}


async def test_repeated_identities_of_one_request(store: SqliteStore) -> None:
    """An identity in several deliveries of a request counts in the first of them."""
    repeated = [delivery(7, 7, 8, series=series) for series in (ACKED, BAD_TOKEN)]
    async with running(store) as ledger:
        assert await ledger.record([*repeated, *DELIVERIES]) == MANY
    assert totals(ledger) == {ACKED.code: MANY}


async def test_cancelled_request_counts_nothing(store: SqliteStore) -> None:
    """A request that is cancelled meanwhile leaves neither counts nor pending results."""
    async with running(store) as ledger:
        recorded = ledger.record(DELIVERIES)
        await asyncio.sleep(0)
        assert ledger.pending == MANY
        recorded.cancel()
        with pytest.raises(asyncio.CancelledError):
            await recorded
        assert ledger.pending == 0
        assert await ledger.record(DELIVERIES[:10]) == 10
    assert totals(ledger) == {ACKED.code: 10}


async def test_closing_refuses_it(store: SqliteStore) -> None:
    """A request that is not prepared when the ledger is closed is refused, and counts nothing."""
    async with running(store) as ledger:
        recorded = ledger.record(DELIVERIES)
        await asyncio.sleep(0)
    with pytest.raises(RequestError, match="repeat the request"):
        await recorded
    assert (ledger.pending, totals(ledger)) == (0, {})


async def test_results_without_identity(store: SqliteStore) -> None:
    """Results that nothing identifies count each time."""
    anonymous = [Delivery({ACKED: 1}, 1) for _ in range(MANY)]
    async with running(store) as ledger:
        assert [await ledger.record(anonymous) for _ in range(2)] == [MANY, MANY]
