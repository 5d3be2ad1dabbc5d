"""Keeps the rendering of pages from delaying webhooks, which share the event loop with it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager

from exporter.admin.responses import Content

SLICE_SECONDS = 0.001
"""How long rendering may hold the event loop at a time."""

SHARE = 0.02
"""The share of the event loop's time that rendering may take, on end."""

BURST_SECONDS = 0.1
"""What rendering may take at once before it has to wait."""

MAX_WAIT_SECONDS = 1.0


class Pace:
    """Renders one page at a time, in slices, and makes those wait who ask too often.

    Requests that wait for the same page share one rendering, which begins after all of them came:
    nobody gets an older state than that of the moment of asking.
    """

    def __init__(self) -> None:
        self._debt = 0.0
        """Seconds of rendering that have not been worked off."""
        self._at = time.monotonic()
        self._waiting: dict[Hashable, asyncio.Task[Content]] = {}
        self._turn = asyncio.Lock()

    async def share(self, key: Hashable, make: Callable[[], Awaitable[Content]]) -> Content:
        """Make a page in turn, together with the requests that wait for the same key."""
        task = self._waiting.get(key)
        if task is None:
            task = self._waiting[key] = asyncio.create_task(self._make(key, make))
        return await asyncio.shield(task)  # one who leaves does not take it from the others

    @contextmanager
    def slice(self) -> Iterator[None]:
        """Count the time of the block, which holds the event loop."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._debt += time.perf_counter() - started

    async def pieces(self, pieces: Iterable[str]) -> list[str]:
        """Collect pieces of text as they are made, and let the event loop run in between."""
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
            del self._waiting[key]  # a request that comes from now on wants a newer state
            return await make()

    def _wait(self) -> float:
        """Return the seconds until rendering may begin."""
        now = time.monotonic()
        self._debt = max(0.0, self._debt - SHARE * (now - self._at))
        self._at = now
        return min(MAX_WAIT_SECONDS, max(0.0, (self._debt - BURST_SECONDS) / SHARE))
