"""Limits the event loop time that pages take, so that they do not delay webhooks."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from exporter.admin.responses import Content

SLICE_SECONDS = 0.001
"""Time after which rendering yields to the event loop."""

SHARE = 0.02
"""Long-term share of event loop time available to pages."""

BURST_SECONDS = 0.1
"""Time available without waiting."""

MAX_WAIT_SECONDS = 1.0

REQUEST_SECONDS = 0.0005
"""Time of a request without rendering: parsing, routing, sending."""

Made = TypeVar("Made")

Steps = Generator[None, None, Made]
"""A computation that yields between steps and returns its result."""


class Pace:
    """Renders one page at a time in slices, and delays requests beyond the available time.

    Requests waiting for the same page share a rendering. It begins after the last of them, so a
    response is never older than its request.
    """

    def __init__(self) -> None:
        self._debt = 0.0
        """Time used in advance, in seconds."""
        self._at = time.monotonic()
        self._waiting: dict[Hashable, asyncio.Task[Content]] = {}
        self._turn = asyncio.Lock()

    async def admit(self) -> None:
        """Wait until a page that needs no rendering may be sent."""
        await asyncio.sleep(self._wait())

    async def share(self, key: Hashable, make: Callable[[], Awaitable[Content]]) -> Content:
        """Make a page in turn, once for all requests waiting for the key."""
        task = self._waiting.get(key)
        if task is None:
            task = self._waiting[key] = asyncio.create_task(self._make(key, make))
        return await asyncio.shield(task)  # other requests may wait for it

    @contextmanager
    def slice(self) -> Iterator[None]:
        """Account for the event loop time of the block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._debt += time.perf_counter() - started

    async def finish(self, steps: Steps[Made]) -> Made:
        """Run a computation to its end, yielding to the event loop between its steps."""
        while True:
            with self.slice():
                try:
                    next(steps)
                except StopIteration as end:
                    made: Made = end.value
                    return made
            await asyncio.sleep(0)

    async def pieces(self, pieces: Iterable[str]) -> list[str]:
        """Collect pieces of text, yielding to the event loop between slices."""
        collected: list[str] = []
        iterator = iter(pieces)
        while True:
            with self.slice():
                end = time.perf_counter() + SLICE_SECONDS
                for piece in iterator:
                    collected.append(piece)
                    if time.perf_counter() > end:
                        break
                else:
                    return collected
            await asyncio.sleep(0)

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[Content]]) -> Content:
        async with self._turn:
            await asyncio.sleep(self._wait())
            del self._waiting[key]  # later requests start a new rendering
            return await make()

    def _wait(self) -> float:
        """Account for a request; return its delay, in seconds."""
        now = time.monotonic()
        self._debt = max(0.0, self._debt - SHARE * (now - self._at))
        self._at = now
        wait = min(MAX_WAIT_SECONDS, max(0.0, (self._debt - BURST_SECONDS) / SHARE))
        self._debt += REQUEST_SECONDS
        return wait
