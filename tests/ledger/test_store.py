"""What every store guarantees: the same tests over SQLite and PostgreSQL."""

import asyncio
import random
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from exporter.errors import RequestError
from exporter.ledger.ledger import Ledger
from exporter.ledger.store import Commit, Entry, Store, StoreError
from exporter.results import Delivery, Identity, Series
from tests.support.deliveries import ACKED, BAD_TOKEN, delivery
from tests.support.programs import until
from tests.support.stores import StoreKind

LAST_KEY = 2**64 - 1


def commit(
    number: int, counts: dict[Series, int], keys: Iterable[int] = (), *, at: float = 1000.5
) -> Commit:
    """Make a commit with counts and keys."""
    known = list(keys)
    entries = [Entry(known, 0, Delivery({}, 1))] if known else []
    return Commit(number, at, counts, array("Q", known), 1, entries)


@asynccontextmanager
async def opened(kind: StoreKind) -> AsyncIterator[Store]:
    """Open a store inside the block."""
    store = kind.make()
    try:
        await store.open()
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def started(kind: StoreKind, **given: Any) -> AsyncIterator[Ledger]:
    """Run a ledger inside the block; fail the test if requests are left without a response."""
    ledger = Ledger(kind.make(), **given)
    try:
        async with asyncio.timeout(60):
            await ledger.start()
            yield ledger
    finally:
        await ledger.close()


async def stored(kind: StoreKind) -> dict[Series, tuple[int, float]]:
    """Return the counts that another handle reads, once the ledger is not in use."""
    store = kind.make()
    try:
        return {series: (total, at) for series, total, at in (await store.open()).counts}
    finally:
        await store.close()


async def totals(kind: StoreKind) -> dict[Series, int]:
    """Return the totals of a ledger that is not in use."""
    return {series: total for series, (total, _) in (await stored(kind)).items()}


def in_memory(ledger: Ledger) -> dict[Series, int]:
    """Return the totals that are exposed."""
    return {series: count.total for series, count in ledger.counts.items()}


async def reason(accepted: "asyncio.Future[int]") -> str:
    """Return why a request is refused."""
    with pytest.raises(RequestError) as refused:
        async with asyncio.timeout(60):
            await accepted
    return refused.value.reason


async def test_new_store_is_empty(kind: StoreKind) -> None:
    """A new ledger is created, and is empty."""
    store = kind.make()
    assert store.name
    try:
        opened_before = store.opened
        held = await store.open()
        assert (held.number, held.counts, await store.read_keys(0)) == (0, [], [])
        assert (opened_before, store.opened) == (False, True)
        await store.probe()
    finally:
        await store.close()


async def test_commits_add_up_and_survive(kind: StoreKind) -> None:
    """Counts of a series add up over commits and reopenings, and carry the last time."""
    async with opened(kind) as store:
        await store.commit(commit(1, {ACKED: 3, BAD_TOKEN: 1}, [1], at=10.0))
        await store.commit(commit(2, {ACKED: 4}, [0, LAST_KEY], at=20.0))
        await store.probe()
    assert await stored(kind) == {ACKED: (7, 20.0), BAD_TOKEN: (1, 10.0)}
    async with opened(kind) as store:
        await store.commit(commit(3, {ACKED: 1 << 60}, [3], at=30.0))
    assert await stored(kind) == {ACKED: (7 + (1 << 60), 30.0), BAD_TOKEN: (1, 10.0)}


SERIES = [
    Series("oppo", "-1", "oppo"),
    Series("oppo", "-1", "mps"),
    Series("oppo", "-1", ""),
    Series("other", "a'b\"c\\d{},%s%(x)s", ""),
    Series("other", "NULL", ""),
    Series("канал", "推送 🚀", "ö"),
    Series("other", "x" * 64, ""),
    Series("apns", "2", "mps"),
    Series("apns", "2", "mps", "shop"),
    Series("apns", "2", "mps", "other"),
]


async def test_series_have_separate_counts(kind: StoreKind) -> None:
    """Each series has its own count, with any text as channel and code."""
    async with opened(kind) as store:
        counts = {series: number for number, series in enumerate(SERIES, 1)}
        await store.commit(commit(1, counts))
        await store.commit(commit(2, counts))
    assert await totals(kind) == {series: 2 * number for series, number in counts.items()}


async def test_one_process_holds_a_ledger(kind: StoreKind) -> None:
    """A second one is refused, and goes on where the first ended, at once."""
    second = kind.make()
    async with opened(kind) as first:
        await first.commit(commit(1, {ACKED: 1}))
        with pytest.raises(StoreError, match=r"holds|counts as INSTANCE"):
            await second.open()
        assert not second.opened
        await first.commit(commit(2, {ACKED: 1}))
    assert (await second.open()).counts[0][:2] == (ACKED, 2)
    await second.close()


async def test_closed_store_refuses_commits(kind: StoreKind) -> None:
    """A closed store fails like an unavailable one, and may be closed again."""
    async with opened(kind) as store:
        await store.commit(commit(1, {ACKED: 1}))
        await store.close()
        with pytest.raises(StoreError):
            await store.probe()
    assert await totals(kind) == {ACKED: 1}


async def test_blocked_commit_fails_whole(kind: StoreKind) -> None:
    """What could not be written is refused, counts nothing, and counts once when sent again."""
    errors: list[None] = []
    async with started(kind, on_error=lambda: errors.append(None)) as ledger:
        await ledger.record([delivery(1)])
        with kind.blocked():
            waiting = [ledger.record([delivery(1, 2)]), ledger.record([delivery(2)])]
            assert [await reason(each) for each in waiting] == ["ledger_unavailable"] * 2
            assert ledger.problem
            assert errors
            assert in_memory(ledger) == {ACKED: 1}
            assert ledger.pending == 0
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(1, 2, 3)]) == 2
        assert in_memory(ledger) == {ACKED: 3}
    assert await totals(kind) == {ACKED: 3}


@pytest.mark.parametrize("restarts", [0, 1, 2])
async def test_repeated_deliveries_are_duplicates(kind: StoreKind, restarts: int) -> None:
    """A key counts once, before and after restarts; a delivery without a key always counts."""
    keyed = [delivery(0, LAST_KEY, 1 << 63, 7, series=BAD_TOKEN)]
    async with started(kind) as ledger:
        assert await ledger.record([*keyed, delivery(results=2)]) == 6
        assert await ledger.record(keyed) == 0
    for restart in range(restarts):
        async with started(kind) as ledger:
            assert await ledger.record([*keyed, delivery(results=2)]) == 2
            assert await ledger.record([*keyed, delivery(7, 100 + restart, results=5)]) == 5
            assert await ledger.record([delivery(100 + restart)]) == 0
    assert await totals(kind) == {ACKED: 2 + 7 * restarts, BAD_TOKEN: 4}


@pytest.mark.parametrize("restart", [False, True])
async def test_conflicts(kind: StoreKind, restart: bool) -> None:
    """The same key with another content is refused and counts nothing, also after a restart."""
    first, other = [delivery(1, results=2, content=7)], [delivery(1, results=2, content=8)]
    async with started(kind) as ledger:
        assert await ledger.record(first) == 2
        if not restart:
            assert await reason(ledger.record(other)) == "conflict"
    async with started(kind) as ledger:
        waiting = [ledger.record(each) for each in (other, first, other, first)]
        outcome = await asyncio.gather(*waiting, return_exceptions=True)
        assert [getattr(each, "reason", each) for each in outcome[::2]] == ["conflict"] * 2
        assert await ledger.record(first) == 0
        assert await reason(ledger.record(other)) == "conflict"
        assert ledger.pending == 0
    assert await totals(kind) == {ACKED: 2}


async def test_any_history_counts_each_delivery_once(kind: StoreKind) -> None:
    """Over restarts and groups of concurrent requests, counts are those of a set of keys."""
    rng = random.Random(20261126)
    expected: Counter[Series] = Counter()
    seen: set[Identity] = set()
    for _ in range(4):
        async with started(kind) as ledger:
            for _ in range(10):
                requests = [
                    [delivery(*rng.choices(range(200), k=rng.randint(1, 6)))]
                    for _ in range(rng.randint(1, 12))
                ]
                keys = {key for request in requests for key in request[0].identities}
                new = sum(await asyncio.gather(*map(ledger.record, requests)))
                assert new == len(keys - seen)
                seen |= keys
                expected[ACKED] = len(seen)
                assert in_memory(ledger) == expected
    assert await totals(kind) == expected
