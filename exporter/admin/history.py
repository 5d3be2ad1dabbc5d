"""Per-minute increases of counters over the last hour, in memory: a restart begins a new hour.

Once a minute the totals are read and compared with those before.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Generic, NamedTuple, Self, TypeVar

from exporter.results import Series
from exporter.runtime.hub import Hub

MINUTE = 60.0
MINUTES = 60

Key = TypeVar("Key", bound=Hashable)


class LastHour(Generic[Key]):
    """The increases of counters in each of the last 60 minutes.

    `totals` returns None while they are not known; the hour begins when they are. `clock` gives
    seconds. The memory holds the totals at one moment, and the increases of each minute.
    """

    def __init__(
        self,
        totals: Callable[[], Mapping[Key, int] | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._totals, self._clock = totals, clock
        self._sampled: Mapping[Key, int] | None = None
        self._sampled_at = self._began_at = clock()
        # With the minute in progress they are 60.
        self._ended: deque[dict[Key, int]] = deque(maxlen=MINUTES - 1)
        self.sample()

    @property
    def begun(self) -> bool:
        """Whether the totals have been known."""
        return self._sampled is not None

    def sample(self) -> None:
        """End a minute; at the first totals begin the hour."""
        totals = self._totals()
        if totals is None:
            return
        now = self._clock()
        if self._sampled is None:
            self._began_at = now
        else:
            # A process that was stopped for a while counted nothing in the minutes that it missed.
            missed = round((now - self._sampled_at) / MINUTE) - 1
            self._ended.extend({} for _ in range(min(missed, MINUTES)))
            self._ended.append(_increase(self._sampled, totals))
        self._sampled, self._sampled_at = dict(totals), now

    @property
    def seconds(self) -> float:
        """Return how far back the counts go: an hour at most, 0 while no totals are known."""
        if self._sampled is None:
            return 0.0
        return min(self._clock() - self._began_at, MINUTES * MINUTE)

    def minutes(self) -> list[dict[Key, int]]:
        """Return the increases of each minute, that of the minute in progress last."""
        if self._sampled is None:
            return []
        return [*self._ended, _increase(self._sampled, self._totals() or {})]

    def counts(self, newest: int = MINUTES, *, after: int = 0) -> dict[Key, int]:
        """Add up the newest minutes (all by default), without the `after` newest of them."""
        counts: dict[Key, int] = {}
        for minute in islice(reversed(self.minutes()), after, newest):
            for key, count in minute.items():
                counts[key] = counts.get(key, 0) + count
        return counts


def _increase(before: Mapping[Key, int], totals: Mapping[Key, int]) -> dict[Key, int]:
    return {key: rise for key, total in totals.items() if (rise := total - before.get(key, 0)) > 0}


class History(NamedTuple):
    """The last hour of an exporter."""

    results: LastHour[Series]
    requests: LastHour[tuple[str, ...]]
    """By source and status."""
    rejections: LastHour[tuple[str, ...]]
    """Rejected items by source and reason."""

    @classmethod
    def of(cls, hub: Hub) -> Self:
        """Begin an hour; that of the results begins once the ledger is loaded."""

        def results() -> dict[Series, int] | None:
            counts = hub.counts()
            return (
                None
                if counts is None
                else {series: count.total for series, count in counts.items()}
            )

        return cls(
            LastHour(results),
            LastHour(hub.metrics.webhooks.requests),
            LastHour(hub.metrics.webhooks.rejections),
        )


@asynccontextmanager
async def recording(history: History) -> AsyncIterator[None]:
    """Sample the last hour every minute inside the block."""
    task = asyncio.create_task(_sample(history))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sample(history: History) -> None:
    while not history.results.begun:
        await asyncio.sleep(1)
        history.results.sample()
    while True:
        await asyncio.sleep(MINUTE)
        for hour in history:
            hour.sample()
