"""Increases of counters over the last hour and the last day, in memory: a restart begins again.

The totals are sampled once in a step and compared with those of the sample before.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from itertools import islice
from typing import Generic, NamedTuple, Self, TypeVar

from exporter.results import Series
from exporter.runtime.hub import Hub

MINUTE = 60.0
"""Seconds."""

MINUTES = 60
"""Steps of the last hour."""

HOURS = 24
"""Steps of the last day."""

WINDOW = 15
"""Minutes that the findings look at, as the alerts do."""

Key = TypeVar("Key", bound=Hashable)


class Recent(NamedTuple, Generic[Key]):
    """The increases of counters in the newest steps, as of one moment."""

    totals: Mapping[Key, int]
    in_progress: Mapping[Key, int]
    """The increases since the last sample."""
    ended: deque[dict[Key, int]]
    sums: Mapping[int, Mapping[Key, int]]
    """Of the newest steps by their number, without the one in progress."""

    def counts(self, newest: int | None = None, *, after: int = 0) -> dict[Key, int]:
        """Add up the newest steps (all by default), without the `after` newest of them."""
        ended = None if after else self.sums.get(newest or 0)
        if ended is not None:
            counts = dict(ended)
            _add(counts, self.in_progress)
            return counts
        counts = {} if after else dict(self.in_progress)
        end = newest - 1 if newest else None  # of the ended steps
        for step in islice(reversed(self.ended), max(after - 1, 0), end):
            _add(counts, step)
        return counts


class Increases(Generic[Key]):
    """The increases of counters in each of the newest steps; the last one is in progress.

    `totals` returns None while they are unknown: recording begins once they are known. `step` is
    in seconds, as is what `clock` returns. The sums of the newest steps are maintained for each
    number of steps in `sums`, so that reading them costs no loop over the steps.
    """

    def __init__(
        self,
        totals: Callable[[], Mapping[Key, int] | None],
        *,
        step: float = MINUTE,
        steps: int = MINUTES,
        sums: Collection[int] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._totals, self._clock = totals, clock
        self._step, self._steps = step, steps
        self._sampled: Mapping[Key, int] | None = None
        self._sampled_at = self._began_at = clock()
        self._ended: deque[dict[Key, int]] = deque(maxlen=steps - 1)
        self._number = 0
        """How many steps have ended."""
        self._sums: dict[int, dict[Key, int]] = {newest: {} for newest in sums}
        """Of ended steps: one less than the number."""
        self.sample()

    @property
    def begun(self) -> bool:
        """Whether the totals have been known."""
        return self._sampled is not None

    @property
    def seconds(self) -> float:
        """Return how far back the increases go; 0 while no totals are known."""
        if self._sampled is None:
            return 0.0
        return min(self._clock() - self._began_at, self._steps * self._step)

    def sample(self) -> None:
        """End a step; at the first totals begin."""
        totals = self._totals()
        if totals is None:
            return
        now = self._clock()
        if self._sampled is None:
            self._began_at = now
        else:
            # A process that was stopped for a while counted nothing in the steps that it missed.
            missed = round((now - self._sampled_at) / self._step) - 1
            for _ in range(min(missed, self._steps)):
                self._append({})
            self._append(self._in_progress(totals))
        self._sampled, self._sampled_at = dict(totals), now

    def ended(self) -> Iterator[tuple[int, Mapping[Key, int]]]:
        """Yield the steps that have ended, the oldest first, each with a number of its own."""
        return enumerate(self._ended, self._number - len(self._ended))

    def read(self) -> "Recent[Key]":
        """Return the increases up to now."""
        totals = self._totals() or {}
        return Recent(totals, self._in_progress(totals), self._ended, self._sums)

    def _in_progress(self, totals: Mapping[Key, int]) -> dict[Key, int]:
        before = self._sampled
        if before is None:
            return {}
        return {
            key: rise for key, total in totals.items() if (rise := total - before.get(key, 0)) > 0
        }

    def _append(self, step: dict[Key, int]) -> None:
        for newest, counts in self._sums.items():
            if len(self._ended) >= newest - 1:
                _subtract(counts, self._ended[1 - newest])
            _add(counts, step)
        self._ended.append(step)
        self._number += 1


def _add(counts: dict[Key, int], more: Mapping[Key, int]) -> None:
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count


def _subtract(counts: dict[Key, int], less: Mapping[Key, int]) -> None:
    for key, count in less.items():
        rest = counts[key] - count
        if rest:
            counts[key] = rest
        else:
            del counts[key]


class History(NamedTuple):
    """The increases of an exporter's counters."""

    results: Increases[Series]
    """By minute."""
    results_by_hour: Increases[Series]
    requests: Increases[tuple[str, ...]]
    """By minute, source and status."""
    requests_by_hour: Increases[tuple[str, ...]]
    rejections: Increases[tuple[str, ...]]
    """Rejected items by minute, source and reason."""

    @classmethod
    def of(cls, hub: Hub) -> Self:
        """Begin; the results begin once the ledger is loaded."""

        def results() -> dict[Series, int] | None:
            counts = hub.counts()
            if counts is None:
                return None
            return {series: count.total for series, count in counts.items()}

        hour = MINUTES * MINUTE
        requests = hub.metrics.webhooks.requests
        return cls(
            Increases(results, step=MINUTE, sums=(WINDOW, MINUTES)),
            Increases(results, step=hour, steps=HOURS, sums=(HOURS,)),
            Increases(requests, step=MINUTE),
            Increases(requests, step=hour, steps=HOURS),
            Increases(hub.metrics.webhooks.rejections, step=MINUTE),
        )

    def begin(self) -> None:
        """Begin the results if they are known by now."""
        self.results.sample()
        self.results_by_hour.sample()

    def sample(self, minute: int) -> None:
        """End a minute, numbered since the start; every 60th ends an hour."""
        for increases in (self.results, self.requests, self.rejections):
            increases.sample()
        if minute % MINUTES == 0:
            for increases in (self.results_by_hour, self.requests_by_hour):
                increases.sample()
