"""The ledger on a real file: each delivery once, whatever fails, restarts or comes twice."""

import asyncio
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import ConfigurationError, RequestError
from exporter.ledger import ledger as ledger_module
from exporter.ledger import memory as memory_module
from exporter.ledger import sqlite as sqlite_module
from exporter.ledger import window as window_module
from exporter.ledger.ledger import Ledger
from exporter.ledger.queue import MAX_COMMIT_RESULTS
from exporter.ledger.sqlite import SqliteStore
from exporter.ledger.store import StoreError
from exporter.results import Delivery, Identity, Series
from tests.support.deliveries import ACKED, BAD_TOKEN, SCOPE
from tests.support.deliveries import delivery as made
from tests.support.programs import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a ledger of the test's own."""
    return tmp_path / "data" / "ledger.sqlite3"


@pytest.fixture(autouse=True)
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe for recovery more often than in production, and wait less for a lock."""
    monkeypatch.setattr(ledger_module, "_PROBE_INTERVAL", 0.02)
    monkeypatch.setattr(ledger_module, "_START_SECONDS", 60)
    monkeypatch.setattr(sqlite_module, "_LOCK_SECONDS", 0.05)


@asynccontextmanager
async def started(path: Path, **given: Any) -> AsyncIterator[Ledger]:
    """Run a ledger inside the block; fail the test if requests are left without a response."""
    ledger = Ledger(SqliteStore(path), **given)
    try:
        async with asyncio.timeout(60):
            await ledger.start()
            yield ledger
    finally:
        await ledger.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep the file from being written inside the block, as another program would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as intruder:
        intruder.execute("BEGIN IMMEDIATE")
        yield
        intruder.execute("ROLLBACK")


def delivery(key: int | None, results: int = 1, series: Series = ACKED) -> Delivery:
    """Make a delivery of so many results of one series; without a key nothing identifies them."""
    identities = () if key is None else (key,)
    return made(*identities, results=results, series=series)


def works(ledger: Ledger) -> bool:
    """Say whether the ledger shows counts and takes results."""
    return ledger.loaded and ledger.problem is None


def in_memory(ledger: Ledger) -> dict[Series, int]:
    """Return the totals that are exposed."""
    return {series: count.total for series, count in ledger.counts.items()}


def on_disk(path: Path) -> dict[Series, int]:
    """Return the totals that a restart would continue from."""
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT channel, code, code_table, count FROM counts").fetchall()
    return {Series(*row[:3]): row[3] for row in rows}


def stored_commits(path: Path) -> int:
    """Return of how many commits the delivery keys are on disk."""
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM deliveries").fetchone()[0])


async def refusal(ledger: Ledger, deliveries: list[Delivery]) -> str:
    """Record deliveries that are refused; return the reason."""
    with pytest.raises(RequestError) as refused:
        async with asyncio.timeout(60):
            await ledger.record(deliveries)
    return refused.value.reason


async def test_record_returns_the_new_results(path: Path) -> None:
    """Every delivery that was not counted before adds its results to the answer."""
    async with started(path) as ledger:
        assert await ledger.record([delivery(1, 3), delivery(2, 4, BAD_TOKEN)]) == 7
        assert await ledger.record([delivery(3, 2), delivery(1, 3)]) == 2
        assert await ledger.record([delivery(1, 3)]) == 0
        assert await ledger.record([]) == 0
        assert in_memory(ledger) == on_disk(path) == {ACKED: 5, BAD_TOKEN: 4}
        assert ledger.pending == 0


async def test_delivery_counts_each_of_its_series(path: Path) -> None:
    """A whole batch under one key is counted, or left out, as one; counts may exceed results."""
    batch = Delivery({ACKED: 1000, BAD_TOKEN: 2}, 3, SCOPE, [1])
    async with started(path) as ledger:
        assert [await ledger.record([batch]) for _ in range(3)] == [3, 0, 0]
        assert in_memory(ledger) == on_disk(path) == {ACKED: 1000, BAD_TOKEN: 2}


async def test_keys_that_count_the_same_share_a_delivery(path: Path) -> None:
    """Each new key of a delivery counts once, and those seen before do not."""
    async with started(path) as ledger:
        assert await ledger.record([Delivery({ACKED: 10}, 1, SCOPE, [1, 2, 2, 3])]) == 3
        assert await ledger.record([Delivery({ACKED: 10}, 1, SCOPE, [3, 4])]) == 1
        assert in_memory(ledger) == on_disk(path) == {ACKED: 40}


async def test_last_time_is_that_of_the_commit(path: Path) -> None:
    """A series carries the time of its last new result, in memory and after a restart."""
    async with started(path) as ledger:
        await ledger.record([delivery(1)])
        first = ledger.counts[ACKED].last_at
        await ledger.record([delivery(2)])
        last = ledger.counts[ACKED].last_at
        await ledger.record([delivery(2)])
        assert first < last == ledger.counts[ACKED].last_at
    async with started(path) as ledger:
        assert ledger.counts[ACKED].last_at == last


async def test_duplicates_inside_a_request(path: Path) -> None:
    """A delivery that is twice in one request is counted once."""
    async with started(path) as ledger:
        assert await ledger.record([delivery(1), delivery(1), delivery(2), delivery(1)]) == 2
        assert in_memory(ledger) == on_disk(path) == {ACKED: 2}


@pytest.mark.parametrize("restarts", [1, 3])
async def test_duplicates_across_restarts(path: Path, restarts: int) -> None:
    """Counts continue after a restart, and deliveries from before it are duplicates."""
    async with started(path) as ledger:
        await ledger.record([delivery(1), delivery(2)])
    for restart in range(restarts):
        async with started(path) as ledger:
            assert in_memory(ledger) == {ACKED: 2 + restart}
            assert await ledger.record([delivery(1), delivery(2), delivery(100 + restart)]) == 1
    assert on_disk(path) == {ACKED: 2 + restarts}


async def test_delivery_without_a_key_is_always_new(path: Path) -> None:
    """Where nothing identifies a result, two equal ones are two."""
    async with started(path) as ledger:
        assert await ledger.record([delivery(None), delivery(None)]) == 2
        assert await ledger.record([delivery(None)]) == 1
        assert in_memory(ledger) == on_disk(path) == {ACKED: 3}
        assert stored_commits(path) == 0


@pytest.mark.parametrize("restart", [False, True])
async def test_delivery_past_the_window_is_new(path: Path, restart: bool) -> None:
    """A delivery is known for `dedupe_seconds` and then forgotten, on disk too."""
    async with started(path, dedupe_seconds=0.05) as ledger:
        assert await ledger.record([delivery(1)]) == 1
        assert stored_commits(path) == 1
        await asyncio.sleep(0.1)
        if not restart:
            assert await ledger.record([delivery(1), delivery(2)]) == 2
            assert stored_commits(path) == 1
    if restart:
        async with started(path, dedupe_seconds=0.05) as ledger:
            assert await ledger.record([delivery(1), delivery(2)]) == 2
            assert stored_commits(path) == 1
    assert on_disk(path) == {ACKED: 3}


def whole(content: int, key: int = 1, results: int = 2) -> list[Delivery]:
    """Make the deliveries of a request with a key."""
    return [made(key, results=results, content=content)]


@pytest.mark.parametrize("restart", [False, True])
async def test_same_key_with_another_content_is_a_conflict(path: Path, restart: bool) -> None:
    """The same key and content is a duplicate, another content is refused and counts nothing."""
    async with started(path) as ledger:
        assert await ledger.record(whole(7)) == 2
        if not restart:
            assert await refusal(ledger, whole(8)) == "conflict"
            assert [await ledger.record(whole(content)) for content in (7, 7)] == [0, 0]
    if restart:
        async with started(path) as ledger:
            assert await refusal(ledger, whole(8)) == "conflict"
            assert await ledger.record(whole(7)) == 0
            assert ledger.pending == 0
    assert on_disk(path) == {ACKED: 2}


async def test_conflict_waits_for_the_commit_that_decides(path: Path) -> None:
    """While the first try is pending, a duplicate and a conflict share its fate."""
    async with started(path) as ledger:
        with locked(path):
            waiting = [ledger.record(whole(content)) for content in (7, 7, 8)]
            refused = await asyncio.gather(*waiting, return_exceptions=True)
        assert [getattr(error, "reason", None) for error in refused] == ["ledger_unavailable"] * 3
        await until(lambda: ledger.problem is None)
        waiting = [ledger.record(whole(content)) for content in (8, 8, 7)]
        outcome = await asyncio.gather(*waiting, return_exceptions=True)
        assert outcome[:2] == [2, 0]
        assert getattr(outcome[2], "reason", None) == "conflict"
        assert in_memory(ledger) == on_disk(path) == {ACKED: 2}
        assert ledger.pending == 0


@pytest.mark.parametrize("restart", [False, True])
async def test_conflict_ends_with_the_window(path: Path, restart: bool) -> None:
    """A key that was evicted or has expired is new with any content."""
    async with started(path, max_keys=8) as ledger:
        await ledger.record(whole(7))
        await ledger.record([Delivery({ACKED: 1}, 1, SCOPE, list(range(100, 107)))])
        if not restart:
            assert await ledger.record(whole(8)) == 2
    async with started(path, max_keys=8, dedupe_seconds=1) as ledger:
        if restart:
            assert await ledger.record(whole(8)) == 2
        await asyncio.sleep(1.2)
        assert await ledger.record(whole(9)) == 2
        assert await refusal(ledger, whole(8)) == "conflict"
    assert on_disk(path) == {ACKED: 13}


async def test_reach_is_the_window_until_keys_are_evicted(path: Path) -> None:
    """The reach is the whole window, or the age of the oldest key where the bound is less."""
    async with started(path, max_keys=8, dedupe_seconds=1000) as ledger:
        assert ledger.dedupe_reach_seconds == 1000
        await ledger.record([Delivery({ACKED: 1}, 1, SCOPE, list(range(1, 8)))])
        assert ledger.dedupe_reach_seconds == 1000
        await ledger.record([delivery(8)])
        assert ledger.dedupe_reach_seconds < 60
        before = ledger.dedupe_reach_seconds
        await asyncio.sleep(0.05)
        assert ledger.dedupe_reach_seconds >= before + 0.05
    async with started(path, max_keys=8, dedupe_seconds=1000) as ledger:
        assert before < ledger.dedupe_reach_seconds < 60
    async with started(path, max_keys=16, dedupe_seconds=0) as ledger:
        assert ledger.dedupe_reach_seconds == 0


async def test_window_of_zero_never_dedupes(path: Path) -> None:
    """With `dedupe_seconds` 0 everything is new and no key is stored."""
    async with started(path, dedupe_seconds=0) as ledger:
        assert await ledger.record([delivery(1), delivery(1)]) == 2
        assert await ledger.record([delivery(1)]) == 1
        assert in_memory(ledger) == on_disk(path) == {ACKED: 3}
        assert stored_commits(path) == 0


async def test_failed_commit_without_deduplication(path: Path) -> None:
    """What could not be written counts nothing, where no key is remembered, too."""
    async with started(path, dedupe_seconds=0) as ledger:
        with locked(path):
            assert await refusal(ledger, [delivery(1)]) == "ledger_unavailable"
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(1)]) == 1
        assert in_memory(ledger) == on_disk(path) == {ACKED: 1}


async def test_concurrent_requests_share_commits(path: Path) -> None:
    """Requests that come together are committed together, and each is counted."""
    commits: list[float] = []
    async with started(path, on_commit=commits.append) as ledger:
        answers = await asyncio.gather(*(ledger.record([delivery(key)]) for key in range(10, 210)))
        assert answers == [1] * 200
        assert in_memory(ledger) == on_disk(path) == {ACKED: 200}
        assert 1 <= len(commits) <= 20
        assert all(seconds > 0 for seconds in commits)
        assert ledger.pending == 0


async def test_concurrent_duplicates_are_counted_once(path: Path) -> None:
    """Of equal requests that come together one is new, and none is answered before it is kept."""
    async with started(path) as ledger:
        answers = await asyncio.gather(*(ledger.record([delivery(5)]) for _ in range(50)))
        assert sorted(answers) == [*[0] * 49, 1]
        assert in_memory(ledger) == on_disk(path) == {ACKED: 1}


async def test_large_queue_is_committed_in_parts(path: Path) -> None:
    """A commit takes a bounded number of results, and the rest goes into the next ones."""
    commits: list[float] = []
    share = MAX_COMMIT_RESULTS // 2
    async with started(path, on_commit=commits.append) as ledger:
        answers = await asyncio.gather(
            *(ledger.record([delivery(key, share)]) for key in range(2, 8))
        )
        assert answers == [share] * 6
        assert len(commits) >= 3
        assert in_memory(ledger) == on_disk(path) == {ACKED: 6 * share}


async def test_full_queue_is_refused(path: Path) -> None:
    """What would exceed `max_pending` is refused, counts nothing, and is taken when sent again."""
    async with started(path, max_pending=10) as ledger:
        first = ledger.record([delivery(1, 8)])
        await asyncio.sleep(0)
        assert ledger.pending == 8
        assert await refusal(ledger, [delivery(2, 3)]) == "overloaded"
        assert await first == 8
        assert ledger.pending == 0
        assert await ledger.record([delivery(2, 3)]) == 3
        assert in_memory(ledger) == on_disk(path) == {ACKED: 11}
        assert ledger.problem is None


async def test_queue_counts_every_key(path: Path) -> None:
    """A delivery of many keys takes as much of the queue as it has results."""
    async with started(path, max_pending=5) as ledger:
        first = ledger.record([Delivery({ACKED: 1}, 2, SCOPE, [1, 2])])
        await asyncio.sleep(0)
        assert ledger.pending == 4
        assert await refusal(ledger, [Delivery({ACKED: 1}, 1, SCOPE, [3, 4])]) == "overloaded"
        assert await first == 4
        assert ledger.pending == 0


async def test_request_larger_than_the_queue_passes_alone(path: Path) -> None:
    """A request that exceeds `max_pending` by itself is taken when nothing else waits."""
    async with started(path, max_pending=10) as ledger:
        large = ledger.record([delivery(1, 50)])
        await asyncio.sleep(0)
        assert await refusal(ledger, [delivery(2)]) == "overloaded"
        assert await large == 50
        assert in_memory(ledger) == on_disk(path) == {ACKED: 50}


async def test_locked_file_refuses_until_it_is_free(path: Path) -> None:
    """While the file is locked nothing is counted; it recovers by itself and counts it once."""
    errors: list[None] = []
    async with started(path, on_error=lambda: errors.append(None)) as ledger:
        await ledger.record([delivery(1)])
        with locked(path):
            assert await refusal(ledger, [delivery(1), delivery(2)]) == "ledger_unavailable"
            assert ledger.problem
            assert errors
            assert ledger.pending == 0
            assert ledger.loaded
            assert await refusal(ledger, [delivery(3)]) == "ledger_unavailable"
            assert in_memory(ledger) == on_disk(path) == {ACKED: 1}
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(1), delivery(2), delivery(3)]) == 2
        assert await ledger.record([delivery(2), delivery(3)]) == 0
        assert in_memory(ledger) == on_disk(path) == {ACKED: 3}


async def test_locked_file_refuses_all_that_wait(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One failed commit refuses those in the queue behind it too, and none of them stays."""
    monkeypatch.setattr(ledger_module, "_PROBE_INTERVAL", 1.0)  # so that no probe fails besides
    errors: list[None] = []
    async with started(path, on_error=lambda: errors.append(None)) as ledger:
        with locked(path):
            answers = await asyncio.gather(
                *(ledger.record([delivery(key, 15_000)]) for key in range(2, 6)),
                return_exceptions=True,
            )
            assert all(isinstance(answer, RequestError) for answer in answers)
            assert len(errors) == 1
            assert ledger.pending == 0
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(key) for key in range(2, 6)]) == 4
        assert in_memory(ledger) == on_disk(path) == {ACKED: 4}


async def test_short_lock_goes_unnoticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that ends within the busy timeout delays the response and refuses nothing."""
    monkeypatch.setattr(sqlite_module, "_LOCK_SECONDS", 30.0)
    async with started(path) as ledger:
        with locked(path):
            waiting = ledger.record([delivery(1)])
            await asyncio.sleep(0.05)
            assert not waiting.done()
            assert in_memory(ledger) == {}
        assert await waiting == 1
        assert ledger.problem is None


async def test_removed_file_refuses_until_it_is_back(path: Path) -> None:
    """A file that was moved away is a problem that goes when the file is put back."""
    away = path.with_name("away")
    async with started(path) as ledger:
        await ledger.record([delivery(1)])
        path.rename(away)
        assert await refusal(ledger, [delivery(2)]) == "ledger_unavailable"
        assert "No such file" in str(ledger.problem)
        away.rename(path)
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(1), delivery(2)]) == 1
    assert on_disk(path) == {ACKED: 2}


async def test_start_waits_for_the_folder(path: Path) -> None:
    """A path that cannot be opened is a problem, not an end; counting begins when it can be."""
    loads: list[dict[Series, int]] = []
    path.parent.write_text("a file where the folder should be")
    ledger = Ledger(SqliteStore(path), on_load=lambda: loads.append(in_memory(ledger)))
    await ledger.start()
    try:
        assert not works(ledger)
        assert loads == []
        assert await refusal(ledger, [delivery(1)]) == "ledger_unavailable"
        path.parent.unlink()
        await until(lambda: ledger.problem is None)
        assert works(ledger)
        assert await ledger.record([delivery(1)]) == 1
    finally:
        await ledger.close()
    assert loads == [{}]
    assert on_disk(path) == {ACKED: 1}


async def test_second_exporter_takes_over(path: Path) -> None:
    """A second exporter waits for the file, then goes on with the counts and keys of the first."""
    loads: list[dict[Series, int]] = []
    first = Ledger(SqliteStore(path))
    await first.start()
    second = Ledger(SqliteStore(path), on_load=lambda: loads.append(in_memory(second)))
    await second.start()
    try:
        assert not second.loaded
        assert "holds" in str(second.problem)
        assert await refusal(second, [delivery(1)]) == "ledger_unavailable"
        await first.record([delivery(1)])
        await first.close()
        await until(lambda: second.problem is None)
        assert loads == [{ACKED: 1}]
        assert await second.record([delivery(1), delivery(2)]) == 1
    finally:
        await second.close()
    assert on_disk(path) == {ACKED: 2}


async def test_large_window_is_read_while_the_exporter_runs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start does not wait for the keys: until they are read nothing is accepted, and why."""
    async with started(path) as ledger:
        await ledger.record([made(*range(10, 1000))])
    monkeypatch.setattr(ledger_module, "_START_SECONDS", 0)
    async with started(path) as ledger:
        assert in_memory(ledger) == {ACKED: 990}
        assert "are being read" in str(ledger.problem)
        assert await refusal(ledger, [delivery(10)]) == "ledger_unavailable"
        await until(lambda: ledger.problem is None)
        assert await ledger.record([made(*range(9, 1001))]) == 2


@pytest.mark.parametrize("has_numpy", [True, False])
async def test_keys_beyond_the_first_million_are_read_like_others(
    path: Path, monkeypatch: pytest.MonkeyPatch, has_numpy: bool
) -> None:
    """Each key of a long window is known, and expires with its commit, also without numpy."""
    if not has_numpy:
        monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setattr(memory_module, "has_numpy", window_module.has_numpy.__wrapped__)
    monkeypatch.setattr(memory_module, "_FEW_KEYS", 100)
    monkeypatch.setattr(sqlite_module, "_KEYS_PER_READ", 64)
    monkeypatch.setattr(sqlite_module, "_MERGE_SECONDS", 0)
    async with started(path) as ledger:
        for first in range(10, 1010, 20):
            await ledger.record([made(*range(first, first + 20))])
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE deliveries SET at = at - 86390 WHERE number <= 25")
    async with started(path) as ledger:
        assert await ledger.record([made(*range(9, 1011))]) == 2
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE deliveries SET at = at - 20 WHERE number <= 50")
    async with started(path) as ledger:
        assert await ledger.record([made(*range(9, 1011))]) == 500


async def test_reach_of_a_window_that_was_larger(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a start with room for fewer keys the reach is that of the keys that are left."""
    monkeypatch.setattr(sqlite_module, "_MERGE_SECONDS", 0)
    async with started(path) as ledger:
        for number in range(4):
            await ledger.record([made(*range(1024 * number, 1024 * (number + 1)))])
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE deliveries SET at = at - 100 * (4 - number)")
    async with started(path, max_keys=1024) as ledger:
        await until(lambda: ledger.problem is None)
        assert ledger.dedupe_reach_seconds < 60


async def test_keys_that_cannot_be_read_are_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure in the middle of reading is a problem until all of the keys are read."""
    monkeypatch.setattr(sqlite_module, "_KEYS_PER_READ", 1)
    monkeypatch.setattr(sqlite_module, "_MERGE_SECONDS", 0)
    async with started(path) as ledger:
        for number in range(10, 20):
            await ledger.record([delivery(number)])
    store = SqliteStore(path)
    reads = 0

    async def read_keys(after: int, read: Any = store.read_keys) -> Any:
        nonlocal reads
        reads += 1
        if reads == 5:
            raise StoreError("disk I/O error")
        return await read(after)

    monkeypatch.setattr(store, "read_keys", read_keys)
    ledger = Ledger(store)
    await ledger.start()
    try:
        await until(lambda: ledger.problem is None)
        assert reads == 5 + 11
        assert await ledger.record([made(*range(9, 21))]) == 2
    finally:
        await ledger.close()


async def test_close_while_keys_are_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exporter that is stopped early leaves the ledger as it was."""
    async with started(path) as ledger:
        await ledger.record([made(*range(10, 1000))])
    monkeypatch.setattr(ledger_module, "_START_SECONDS", 0)
    async with started(path):
        pass
    async with started(path) as ledger:
        await until(lambda: ledger.problem is None)
        assert await ledger.record([made(*range(9, 1001))]) == 2


async def test_start_refuses_a_file_that_is_not_a_ledger(path: Path) -> None:
    """The start fails on a file that is not a ledger, and the ledger can still be closed."""
    path.parent.mkdir()
    path.write_text("remember the milk\n" * 100)
    ledger = Ledger(SqliteStore(path))
    with pytest.raises(ConfigurationError, match=r"ledger\.sqlite3: .*LEDGER_PATH"):
        await ledger.start()
    assert not ledger.loaded
    await ledger.close()
    assert path.read_text().startswith("remember")


async def test_wrong_file_that_appears_later_is_a_problem(path: Path) -> None:
    """While a file that is not a ledger is in the ledger's place, the problem names it."""
    notes = path.parent.with_name("notes")
    notes.mkdir()
    (notes / path.name).write_text("remember the milk\n" * 100)
    path.parent.symlink_to("nowhere")
    async with started(path) as ledger:
        assert not works(ledger)
        link = path.parent.with_name("link")
        link.symlink_to(notes)
        link.replace(path.parent)  # at once, so that the ledger cannot make a file of its own
        await until(lambda: "not a database" in str(ledger.problem))
        assert await refusal(ledger, [delivery(1)]) == "ledger_unavailable"
        path.unlink()
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(1)]) == 1


async def test_close_commits_pending_requests(path: Path) -> None:
    """Requests that are pending when the ledger is closed are committed and acknowledged."""
    ledger = Ledger(SqliteStore(path))
    await ledger.start()
    waiting = [ledger.record([delivery(key)]) for key in range(2, 7)]
    await asyncio.sleep(0)
    await ledger.close()
    async with asyncio.timeout(60):
        assert await asyncio.gather(*waiting) == [1] * 5
    assert on_disk(path) == {ACKED: 5}


async def test_closed_ledger_refuses(path: Path) -> None:
    """A closed ledger refuses deliveries, so that the sender repeats them elsewhere."""
    async with started(path) as ledger:
        await ledger.record([delivery(1)])
    assert await refusal(ledger, [delivery(2)]) == "ledger_unavailable"
    assert on_disk(path) == {ACKED: 1}


@pytest.mark.parametrize("under_way", [False, True], ids=["in-the-queue", "in-a-commit"])
async def test_cancelled_request_affects_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch, under_way: bool
) -> None:
    """If a sender disconnects, the others are acknowledged, and its retry counts once."""
    monkeypatch.setattr(sqlite_module, "_LOCK_SECONDS", 30.0)
    async with started(path) as ledger:
        with locked(path):
            waiting = [ledger.record([delivery(key)]) for key in (2, 3, 4)]
            await asyncio.sleep(0.05 if under_way else 0)
            waiting[1].cancel()
            await asyncio.sleep(0)
        assert list(await asyncio.gather(waiting[0], waiting[2])) == [1, 1]
        assert waiting[1].cancelled()
        assert await ledger.record([delivery(5)]) == 1
        await ledger.record([delivery(3)])
        assert ledger.pending == 0
        assert in_memory(ledger) == on_disk(path) == {ACKED: 4}


async def test_cancelled_request_survives_a_failed_commit(path: Path) -> None:
    """A failed commit refuses the other requests and ignores the cancelled one."""
    async with started(path) as ledger:
        with locked(path):
            waiting = [ledger.record([delivery(key)]) for key in (2, 3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            assert isinstance(answers[0], asyncio.CancelledError)
            assert isinstance(answers[1], RequestError)
        await until(lambda: ledger.problem is None)
        assert await ledger.record([delivery(2), delivery(3)]) == 2
        assert in_memory(ledger) == on_disk(path) == {ACKED: 2}


_REQUEST = st.lists(st.tuples(st.integers(2, 30) | st.none(), st.integers(1, 5)), max_size=6)
_RUN = st.lists(st.lists(_REQUEST, max_size=5), max_size=3)  # groups of concurrent requests


@settings(max_examples=30, deadline=None)
@given(runs=st.lists(_RUN, min_size=1, max_size=3))
def test_any_history_counts_each_delivery_once(
    runs: list[list[list[list[tuple[int | None, int]]]]],
) -> None:
    """Over any runs, groups and requests, counts are those of a set of the keys seen."""
    expected: Counter[Series] = Counter()
    seen: set[Identity] = set()
    shuffle = random.Random(0)

    async def run(path: Path, groups: list[list[list[tuple[int | None, int]]]]) -> None:
        async with started(path) as ledger:
            for group in groups:
                # A key always stands for the same delivery.
                requests = [
                    [delivery(key, key or results, _series(key)) for key, results in request]
                    for request in group
                ]
                shuffle.shuffle(requests)
                new = sum(await asyncio.gather(*map(ledger.record, requests)))
                before = expected.total()
                for each in (each for request in requests for each in request):
                    if not seen.issuperset(each.identities) or not each.identities:
                        expected.update(each.counts)
                    seen.update(each.identities)
                assert new == expected.total() - before
            assert in_memory(ledger) == on_disk(path) == expected

    with TemporaryDirectory() as folder:
        for groups in runs:
            asyncio.run(run(Path(folder) / "ledger.sqlite3", groups))


def _series(key: int | None) -> Series:
    return BAD_TOKEN if key and key % 2 else ACKED
