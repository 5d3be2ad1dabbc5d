"""The counts of the last hour, minute by minute, in memory: a restart begins a new hour.

Nothing reports to it: once a minute the totals are read and compared with those before.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Generic, NamedTuple, Self, TypeVar

from exporter.results import Series
from exporter.runtime.runtime import Runtime

MINUTE = 60.0
MINUTES = 60

Key = TypeVar("Key", bound=Hashable)


class LastHour(Generic[Key]):
    """What totals that only rise have risen by in each of the last 60 minutes.

    `totals` returns None while they are not known; the hour begins when they are. `clock` gives
    seconds. It holds the totals of one moment, and of each minute what was counted in it.
    """

    def __init__(
        self,
        totals: Callable[[], Mapping[Key, int] | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._totals, self._clock = totals, clock
        self._noted: Mapping[Key, int] | None = None
        self._noted_at = self._began_at = clock()
        # With the minute that has not ended they are 60.
        self._ended: deque[dict[Key, int]] = deque(maxlen=MINUTES - 1)
        self.note()

    def note(self) -> None:
        """End a minute; at the first totals begin the hour."""
        totals = self._totals()
        if totals is None:
            return
        now = self._clock()
        if self._noted is None:
            self._began_at = now
        else:
            # A process that was stopped for a while counted nothing in the minutes that it missed.
            missed = round((now - self._noted_at) / MINUTE) - 1
            self._ended.extend({} for _ in range(min(missed, MINUTES)))
            self._ended.append(_risen(self._noted, totals))
        self._noted, self._noted_at = dict(totals), now

    @property
    def seconds(self) -> float:
        """How far back the counts go: an hour at most, 0 while the totals are not known."""
        if self._noted is None:
            return 0.0
        return min(self._clock() - self._began_at, MINUTES * MINUTE)

    def minutes(self) -> list[dict[Key, int]]:
        """Return what each minute counted, the one that has not ended last."""
        if self._noted is None:
            return []
        return [*self._ended, _risen(self._noted, self._totals() or {})]

    def counts(self, newest: int = MINUTES, *, after: int = 0) -> dict[Key, int]:
        """Add up the newest minutes (all by default), without the `after` newest of them."""
        counts: dict[Key, int] = {}
        for minute in islice(reversed(self.minutes()), after, newest):
            for key, count in minute.items():
                counts[key] = counts.get(key, 0) + count
        return counts


def _risen(before: Mapping[Key, int], totals: Mapping[Key, int]) -> dict[Key, int]:
    return {key: rise for key, total in totals.items() if (rise := total - before.get(key, 0)) > 0}


class History(NamedTuple):
    """The last hour of an exporter."""

    results: LastHour[Series]
    requests: LastHour[tuple[str, ...]]
    """By source and status."""
    rejections: LastHour[tuple[str, ...]]
    """Items that were rejected, by source and reason."""

    @classmethod
    def of(cls, runtime: Runtime) -> Self:
        """Begin an hour; that of the results begins once the ledger is loaded."""

        def results() -> dict[Series, int] | None:
            ledger = runtime.ledger
            if not ledger.loaded:
                return None
            return {series: count.total for series, count in ledger.counts.items()}

        return cls(
            LastHour(results),
            LastHour(runtime.metrics.webhooks.requests),
            LastHour(runtime.metrics.webhooks.rejections),
        )


@asynccontextmanager
async def kept_history(runtime: Runtime) -> AsyncIterator[History]:
    """Keep the last hour of an exporter inside the block."""
    history = History.of(runtime)
    runtime.on_load.append(history.results.note)
    task = asyncio.create_task(_every_minute(history))
    try:
        yield history
    finally:
        runtime.on_load.remove(history.results.note)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _every_minute(history: History) -> None:
    while True:
        await asyncio.sleep(MINUTE)
        for hour in history:
            hour.note()
