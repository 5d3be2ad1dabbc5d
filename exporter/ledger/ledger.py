"""Durable counts, exactly once per delivery: a recorded delivery survives any crash.

Deliveries of a request join a batch. A single writer commits each batch to the store in one
transaction; only then are the counts in memory incremented and the requests resolved. Only the
event loop accesses the state.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from exporter.errors import ConfigurationError
from exporter.ledger.batch import Batch
from exporter.ledger.memory import Memory
from exporter.ledger.queue import CommitQueue
from exporter.ledger.request import SLICE_DELIVERIES, Request, unavailable
from exporter.ledger.store import Commit, Count, Outcome, Store, StoreError, Upkeep
from exporter.ledger.window import CAPACITY
from exporter.results import Delivery, Series, results_of

_PROBE_INTERVAL = 1.0  # seconds between attempts to recover
_TURNS = 3
"""Iterations of the event loop before a commit, in which it sends the responses to the last commit
and reads further requests. With two, the senders fall into two groups that commit in turn."""
_START_SECONDS = 1.0
"""How long a start waits for the keys; a million keys rarely take longer."""
_READING = "the deduplication keys are being read"

log = structlog.get_logger()


class Ledger:
    """The counts of one exporter: `start`, any number of `record`, `close`."""

    def __init__(
        self,
        store: Store,
        *,
        dedupe_seconds: float = 86400,
        max_keys: int = CAPACITY,
        max_pending: int = 100_000,
        on_load: Callable[[], None] = lambda: None,
        on_commit: Callable[[float], None] = lambda _seconds: None,
        on_error: Callable[[], None] = lambda: None,
    ) -> None:
        self.counts: dict[Series, Count] = {}
        self.counted: dict[Series, int] = {}
        """What this process has counted since its start; other processes may add to `counts`."""
        self.loaded = False
        """Whether the counts have been read from the store."""
        self.problem: str | None = None
        """Why nothing can be committed now, or None."""
        self._store = store
        self._dedupe_seconds, self._max_keys = dedupe_seconds, max_keys
        self._on_load, self._on_commit, self._on_error = on_load, on_commit, on_error
        self._memory: Memory | None = None
        """None until the store has been read, and if deduplication is disabled."""
        self._number = 0
        self._last_write = 0.0
        """Time of the last write to the store, by the event loop's clock."""
        self._unread: Memory | None = None
        """The memory, as long as the keys of the open store have not been read into it."""
        self._failing = False
        """Whether the last write failed; only the first failure is logged."""
        self._started = asyncio.Event()
        self._wake = asyncio.Event()
        self._queue = CommitQueue(max_pending, self._wake.set)
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._writer: asyncio.Task[None] | None = None

    @property
    def pending(self) -> int:
        """Results waiting to be committed."""
        return self._queue.pending

    @property
    def name(self) -> str:
        """The store's display name: the path of a file, or the address of a database."""
        return self._store.name

    @property
    def shared(self) -> bool:
        """Whether several processes share the store, each with separate counts."""
        return self._store.shared

    @property
    def instance(self) -> str | None:
        """The name under which this process counts in a shared store; None before it has one."""
        return self._store.instance

    @property
    def upkeep(self) -> Upkeep | None:
        """Statistics of the database of a shared store."""
        return self._store.upkeep

    @property
    def dedupe_reach_seconds(self) -> float:
        """Effective length of the deduplication window in seconds; less if keys are evicted."""
        if self._store.shared or not self._memory:
            return self._dedupe_seconds
        return self._memory.reach(time.time())

    async def start(self) -> None:
        """Open the store, restore its counts and start the writer.

        The keys are read in the background; until then, `problem` reports the progress. Raises
        ConfigurationError if the store does not hold a ledger. If the store is temporarily
        unusable (locked, read-only, full, unreachable), the ledger starts with a `problem` and
        recovers later.
        """
        try:
            await self._open()
        except StoreError as error:
            self._failed(error)
        self._writer = asyncio.create_task(self._write())
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                await self._started.wait()

    async def close(self) -> None:
        """Commit the pending results, then close the store."""
        self._closing = True
        self._wake.set()
        try:
            if self._writer:
                await self._writer
        finally:
            await self._store.close()

    def record(self, deliveries: list[Delivery]) -> "asyncio.Future[int]":
        """Count the new deliveries; return a future of the number of new results, once durable.

        If this or the future raises RequestError (`overloaded`, `ledger_unavailable`, `conflict`),
        nothing was counted.
        """
        # Not `get_running_loop`, which makes a system call (getpid).
        accepted = self._loop.create_future()
        if not deliveries:
            accepted.set_result(0)
            return accepted
        if self.problem or self._closing or not self.loaded:
            raise unavailable()
        results = results_of(deliveries)
        self._queue.check(results)
        request = Request(accepted, results)
        if len(deliveries) > SLICE_DELIVERIES:
            self._queue.reserve(results)
            return self._loop.create_task(self._record_large(request, deliveries))
        batch = self._queue.batch_for(results, self._memory)
        request.prepare(deliveries, self._memory)
        # Deduplicate on arrival, and not with the commit: the data is still in the CPU cache.
        batch.add(request, self._memory)
        self._queue.reserve(results)
        return accepted

    async def _record_large(self, request: Request, deliveries: list[Delivery]) -> int:
        """Prepare a request while the event loop runs, then record it as a whole."""
        memory = self._memory
        is_prepared = False
        try:
            await request.prepare_in_slices(deliveries, memory)
            is_prepared = not (self.problem or self._closing) and memory is self._memory
        finally:
            if not is_prepared:
                self._queue.release(request.results)
        if not is_prepared:
            raise unavailable()
        self._queue.batch_for(request.results, memory).add(request, memory)
        return await request.accepted

    async def _write(self) -> None:
        if self._store.opened:
            await self._recover()
        self._started.set()
        while self._queue or not self._closing:
            if self._queue:
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                await self._commit(self._queue.take())
            else:
                await self._idle()

    async def _idle(self) -> None:
        """Wait for a batch; on a timeout, recover or renew the lease."""
        self._wake.clear()
        try:
            async with asyncio.timeout(_PROBE_INTERVAL if self.problem else self._store.heartbeat):
                await self._wake.wait()
        except TimeoutError:
            await self._recover()

    async def _recover(self) -> None:
        """Open the store if necessary, and check whether it accepts commits."""
        try:
            if not self._store.opened:
                await self._open()
            if self._unread:
                await self._read_keys(self._unread)
            await self._store.probe()
        except Exception as error:  # noqa: BLE001 - without the writer, all requests would wait
            self._failed(error)
            return
        if self._failing:
            log.info("ledger recovered", ledger=self.name)
        self._failing = False
        if not self._unread:
            self.problem = None

    async def _renew_lease(self) -> None:
        """Renew the lease of a store without recent writes."""
        every = self._store.heartbeat
        if every is not None and self._loop.time() - self._last_write >= every:
            await self._store.probe()
            self._last_write = self._loop.time()

    async def _open(self) -> None:
        """Open the store and restore its counts, but not yet its keys."""
        stored = await self._store.open()
        self.counts = {series: Count(total, at) for series, total, at in stored.counts}
        if self._dedupe_seconds:
            self._memory = Memory(self._max_keys, self._dedupe_seconds, stored.keyring)
        self._number = stored.number
        self._unread = self._memory
        self.problem = self.problem or _READING
        self.loaded = True
        self._on_load()

    async def _read_keys(self, memory: Memory) -> None:
        """Read the keys of the window, or stop early if the ledger is closing."""
        async for read in memory.read(self._store):
            self.problem = f"{_READING}, {read:,} so far"
            if self._closing:
                return
        self._unread = None

    async def _commit(self, batch: Batch) -> None:
        number = self._number + 1
        commit = Commit(
            number=number,
            at=time.time(),
            counts=batch.counts,
            keys=batch.keys,
            oldest=(self._memory and self._memory.oldest) or number,
            entries=batch.entries,
        )
        outcome = Outcome()
        try:
            if commit.counts:
                started = time.perf_counter()
                outcome = await self._store.commit(commit)
                self._on_commit(time.perf_counter() - started)
                self._last_write = self._loop.time()
            else:  # all deliveries are duplicates
                await self._renew_lease()
        except Exception as error:  # noqa: BLE001 - without the writer, all requests would wait
            self._rollback(batch, error)
        else:
            self._finish(batch, commit, outcome)

    def _finish(self, batch: Batch, commit: Commit, outcome: Outcome) -> None:
        """Update the counts after a commit, and resolve its requests."""
        for series, count in commit.without(outcome.known).items():
            total = self.counts.setdefault(series, Count(0, 0))
            total.total += count
            total.last_at = commit.at
            self.counted[series] = self.counted.get(series, 0) + count
        if commit.counts:
            self._number = commit.number
        if self._memory:
            self._memory.commit(commit.number, commit.at, batch.end)
        if outcome.conflicts and self._memory:
            for waiting in (batch, *self._queue):
                waiting.refuse_conflicts(outcome.conflicts)
            for entry in batch.entries:
                if not outcome.conflicts.isdisjoint(entry.keys):
                    self._memory.remove(*entry.keys, entry.content)
        self._queue.release(batch.results)
        batch.accept(outcome)

    def _rollback(self, batch: Batch, error: Exception) -> None:
        """Refuse all pending requests: the later ones may be duplicates of the failed ones."""
        self._failed(error)
        self._queue.release(batch.results)
        batch.refuse(unavailable())
        self._queue.refuse(unavailable())
        if self._memory:
            self._memory.rollback()

    def _failed(self, error: Exception) -> None:
        self._on_error()
        self.problem = str(error) or type(error).__name__
        if not self._failing:
            cause = None if isinstance(error, StoreError | ConfigurationError) else error
            log.error("ledger unavailable", ledger=self.name, problem=self.problem, exc_info=cause)
        self._failing = True
