"""Durable counts, each delivery once: what is recorded survives any crash.

Requests hand over deliveries, which join a batch, and wait. One writer takes the batch and commits
it in one transaction on a thread of its own; only then are the counts in memory raised and the
requests answered. All state is touched by the event loop alone, the file by the thread alone.
"""

import asyncio
import sqlite3
import time
from array import array
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar, TypeVarTuple

import msgspec
import structlog

from exporter.errors import ConfigurationError, RequestError
from exporter.ledger.sqlite import Commit, LedgerFile, Sync
from exporter.ledger.window import DeliveryWindow
from exporter.reasons import Reason
from exporter.results import Delivery, Series

MAX_COMMIT_RESULTS = 20_000
"""Results of one commit, so that a full queue does not hold up the event loop."""

_PROBE_EVERY = 1.0  # seconds between attempts to recover

Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")

log = structlog.get_logger()


class Count(msgspec.Struct):
    """How many results a series has, and when the last one came (Unix seconds)."""

    total: int
    last_at: float


class _Request(NamedTuple):
    """A request that waits for its commit."""

    results: int
    new: int
    """How many of them were not counted before."""
    accepted: "asyncio.Future[int]"


class _Batch:
    """Requests that commit together, and what they add up to."""

    def __init__(self) -> None:
        self.requests: list[_Request] = []
        self.results = 0
        self.counts: dict[Series, int] = {}
        self.keys: array[int] = array("Q")
        self.end = 0
        """Where its keys end in the window."""

    def count(self, deliveries: list[Delivery], window: DeliveryWindow | None) -> int:
        """Add what was not counted before; return how many results that is."""
        new = 0
        for delivery in deliveries:
            times = len(delivery.keys) or 1
            if delivery.keys and window:
                fresh = window.add(delivery.keys)
                self.keys.extend(fresh)
                times = len(fresh)
            if times:
                new += delivery.results * times
                for series, count in delivery.counts.items():
                    self.counts[series] = self.counts.get(series, 0) + count * times
        return new


class _Kept(NamedTuple):
    """A commit whose delivery keys are remembered: its number, its time, where its keys end."""

    number: int
    at: float
    end: int


class Ledger:
    """The counts of one exporter: `start`, any number of `record`, `close`."""

    def __init__(
        self,
        path: Path,
        *,
        sync: Sync = "full",
        dedupe_seconds: float = 600,
        max_pending: int = 100_000,
        on_load: Callable[[], None] = lambda: None,
        on_commit: Callable[[float], None] = lambda _seconds: None,
        on_error: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = path
        self.counts: dict[Series, Count] = {}
        self.loaded = False
        """False until the file could be read: the counts are not known before."""
        self.problem: str | None = None
        """Why nothing can be committed now, or None."""
        self.pending = 0
        """Results that wait for their commit."""
        self._dedupe_seconds = dedupe_seconds
        self._max_pending = max_pending
        self._on_load, self._on_commit, self._on_error = on_load, on_commit, on_error
        self._window = DeliveryWindow()
        self._kept: deque[_Kept] = deque()
        self._number = 0
        self._queue: deque[_Batch] = deque()
        self._durable = self._window.end
        """Where the keys of the last commit end."""
        self._wake = asyncio.Event()
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._file = LedgerFile(path, sync)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._writer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the file, continue its counts and start the writer.

        Raises ConfigurationError if the file cannot be a ledger. If it merely cannot be used
        now (locked, read-only, disk full), the ledger starts with a `problem` and recovers.
        """
        await self._recover()
        self._writer = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Commit what is pending, then close the file."""
        self._closing = True
        self._wake.set()
        if self._writer:
            await self._writer
        await self._run(self._file.close)
        self._thread.shutdown()

    def record(self, deliveries: list[Delivery]) -> "asyncio.Future[int]":
        """Count the deliveries that are new; once durable, how many results that was.

        Raises RequestError (`overloaded`, `ledger_unavailable`), or the future does: nothing was
        counted.
        """
        # `get_running_loop` asks the kernel for our process id each time.
        accepted = self._loop.create_future()
        if not deliveries:
            accepted.set_result(0)
            return accepted
        if self.problem or self._closing:
            raise _unavailable()
        results = 0
        for delivery in deliveries:
            results += delivery.size
        # A body larger than the whole bound must pass at some time: alone.
        if self.pending and self.pending + results > self._max_pending:
            raise RequestError(
                Reason.OVERLOADED, "Too many results wait for their commit; slow down."
            )
        # At once and not with the commit, for now the deliveries are at hand: when a commit's
        # requests have all come, the processor's cache has forgotten the first of them.
        batch = self._open_batch(results)
        new = batch.count(deliveries, self._window if self._dedupe_seconds else None)
        batch.requests.append(_Request(results, new, accepted))
        batch.results += results
        batch.end = self._window.end
        self.pending += results
        self._wake.set()
        return accepted

    def _open_batch(self, results: int) -> _Batch:
        """Return the batch that so many results may join."""
        if self._queue and self._queue[-1].results + results <= MAX_COMMIT_RESULTS:
            return self._queue[-1]
        self._expire(time.time())
        self._queue.append(_Batch())
        return self._queue[-1]

    async def _write(self) -> None:
        while self._queue or not self._closing:
            if self._queue:
                # Two turns of the loop: the answers to the last commit go out, and what has come
                # since is read. So all commit together, and the thread has the interpreter alone.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                await self._commit(self._queue.popleft())
            else:
                await self._idle()

    async def _idle(self) -> None:
        """Wait for work; meanwhile look whether a problem has gone away."""
        self._wake.clear()
        try:
            async with asyncio.timeout(_PROBE_EVERY if self.problem else None):
                await self._wake.wait()
        except TimeoutError:
            try:
                await self._recover()
            except ConfigurationError as error:  # it was replaced while it was out of reach
                self._failed(error)

    async def _recover(self) -> None:
        try:
            if not self.loaded:
                await self._load()
            await self._run(self._file.probe)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return
        if self.problem:
            log.info("ledger works again", path=str(self.path))
        self.problem = None

    async def _load(self) -> None:
        stored = await self._run(self._file.open)
        self.counts = {series: Count(total, at) for series, total, at in stored.counts}
        for number, at, keys in stored.keys:
            self._window.add(keys)
            self._keep(number, at, self._window.end, keys)
        self._durable = self._window.end
        self.loaded = True
        self._on_load()

    async def _commit(self, batch: _Batch) -> None:
        commit = Commit(
            number=self._number + 1,
            at=time.time(),
            counts=batch.counts,
            keys=batch.keys,
            oldest=self._kept[0].number if self._kept else self._number + 1,
        )
        try:
            if commit.counts:  # else all are duplicates, and durable already
                started = time.perf_counter()
                await self._run(self._file.commit, commit)
                self._on_commit(time.perf_counter() - started)
        except (sqlite3.Error, OSError) as error:
            # Those who came meanwhile may be duplicates of what was not counted now.
            self._failed(error)
            self._refuse([batch, *self._queue])
            self._queue.clear()
            self._window.take_back(self._durable)
            return
        self._add(commit)
        self._durable = batch.end
        self._keep(commit.number, commit.at, batch.end, commit.keys)
        for request in batch.requests:
            self.pending -= request.results
            if not request.accepted.done():  # it may have been cancelled
                request.accepted.set_result(request.new)

    def _expire(self, now: float) -> None:
        """Let go of the oldest commits: past the window, or with no key that is remembered."""
        while self._kept and (
            self._kept[0].at <= now - self._dedupe_seconds
            or self._kept[0].end <= self._window.begin
        ):
            self._window.forget(self._kept.popleft().end)

    def _add(self, commit: Commit) -> None:
        for series, count in commit.counts.items():
            total = self.counts.setdefault(series, Count(0, 0))
            total.total += count
            total.last_at = commit.at

    def _keep(self, number: int, at: float, end: int, keys: "array[int]") -> None:
        self._number = number
        if keys:
            self._kept.append(_Kept(number, at, end))

    def _refuse(self, batches: list[_Batch]) -> None:
        for request in chain.from_iterable(batch.requests for batch in batches):
            self.pending -= request.results
            if not request.accepted.done():
                request.accepted.set_exception(_unavailable())

    def _failed(self, error: Exception) -> None:
        self._on_error()
        if not self.problem:
            log.error("ledger unavailable", path=str(self.path), problem=str(error))
        self.problem = str(error)

    async def _run(self, work: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
        return await self._loop.run_in_executor(self._thread, work, *arguments)


def _unavailable() -> RequestError:
    return RequestError(
        Reason.LEDGER_UNAVAILABLE, "The results cannot be stored now; send them again."
    )
