"""Increases of counters over the last hour and the last day, in memory since the start.

Totals are sampled once per step; an increase is the difference between two samples.
"""

import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Generic, NamedTuple, Self, TypeVar

from exporter.results import Series
from exporter.runtime.hub import Hub

MINUTE = 60.0
"""Seconds."""

MINUTES = 60
"""Steps of the last hour."""

HOURS = 24
"""Steps of the last day."""

FEW_HOURS = 4
"""Steps of the period in which findings need few results."""

WINDOW = 15
"""Minutes of the window of findings, as of most alerts."""

Key = TypeVar("Key", bound=Hashable)


class Recent(NamedTuple, Generic[Key]):
    """The increases of counters in the newest steps, at one time."""

    totals: Mapping[Key, int]
    in_progress: Mapping[Key, int]
    """The increases since the last sample."""
    ended: Sequence[dict[Key, int]]
    sums: Mapping[int, Mapping[Key, int]]
    """Sums of the newest steps by number of steps, without the step in progress."""

    def counts(self, newest: int | None = None, *, after: int = 0) -> dict[Key, int]:
        """Add up the newest steps (all by default), without the `after` newest of them."""
        ended = None if after else self.sums.get(newest or 0)
        if ended is not None:
            counts = dict(ended)
            _add(counts, self.in_progress)
            return counts
        counts = {}
        for step in islice(self.steps(), after, newest):
            _add(counts, step)
        return counts

    def steps(self) -> Iterator[Mapping[Key, int]]:
        """Yield the increases of each step, the newest first."""
        return chain((self.in_progress,), reversed(self.ended))


class Increases(Generic[Key]):
    """The increases of counters in each of the newest steps, the step in progress included.

    `step` and `clock` are in seconds. `sums` are numbers of steps whose sums are maintained
    incrementally.
    """

    def __init__(
        self,
        totals: Callable[[], Mapping[Key, int]],
        *,
        step: float = MINUTE,
        steps: int = MINUTES,
        sums: Collection[int] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._totals, self._clock = totals, clock
        self._step, self._steps = step, steps
        self._sampled = dict(totals())
        self._sampled_at = self._began_at = clock()
        self._ended: tuple[dict[Key, int], ...] = ()
        self._number = 0
        """Number of ended steps."""
        self._sums: dict[int, dict[Key, int]] = {newest: {} for newest in sums}
        """Sums of one step fewer than the key: the step in progress is added when read."""

    @property
    def seconds(self) -> float:
        """Return the seconds covered."""
        return min(self._clock() - self._began_at, self._steps * self._step)

    def sample(self) -> None:
        """End a step."""
        totals, now = self._totals(), self._clock()
        # A suspended process counted nothing in the steps that it missed.
        missed = round((now - self._sampled_at) / self._step) - 1
        for _ in range(min(missed, self._steps)):
            self._append({})
        self._append(self._in_progress(totals))
        self._sampled, self._sampled_at = dict(totals), now

    def ended(self) -> Iterator[tuple[int, Mapping[Key, int]]]:
        """Yield the ended steps with their sequence numbers, the oldest first."""
        return enumerate(self._ended, self._number - len(self._ended))

    def read(self) -> "Recent[Key]":
        """Return the increases up to now."""
        totals = self._totals()
        return Recent(totals, self._in_progress(totals), self._ended, self._sums)

    def _in_progress(self, totals: Mapping[Key, int]) -> dict[Key, int]:
        before = self._sampled
        return {
            key: rise for key, total in totals.items() if (rise := total - before.get(key, 0)) > 0
        }

    def _append(self, step: dict[Key, int]) -> None:
        """Add a step; a `Recent` keeps the former objects."""
        sums = {}
        for newest, former in self._sums.items():
            counts = sums[newest] = dict(former)
            if len(self._ended) >= newest - 1:
                _subtract(counts, self._ended[1 - newest])
            _add(counts, step)
        self._sums = sums
        self._ended = (*self._ended, step)[1 - self._steps :]
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
    """Results that this process has counted, by minute."""
    results_by_hour: Increases[Series]
    requests: Increases[tuple[str, ...]]
    """By minute, source and status."""
    requests_by_hour: Increases[tuple[str, ...]]
    rejections: Increases[tuple[str, ...]]
    """Rejected items by minute, source and reason."""

    @classmethod
    def of(cls, hub: Hub, clock: Callable[[], float] = time.monotonic) -> Self:
        """Begin recording."""

        def results() -> Mapping[Series, int]:
            return hub.ledger.counted

        hour = MINUTES * MINUTE
        requests = hub.metrics.webhooks.requests
        return cls(
            Increases(results, step=MINUTE, sums=(WINDOW, MINUTES), clock=clock),
            Increases(results, step=hour, steps=HOURS, sums=(FEW_HOURS, HOURS), clock=clock),
            Increases(requests, step=MINUTE, clock=clock),
            Increases(requests, step=hour, steps=HOURS, clock=clock),
            Increases(hub.metrics.webhooks.rejections, step=MINUTE, clock=clock),
        )

    def sample(self, minute: int) -> None:
        """End a minute, numbered from 1; every 60th minute also ends an hour."""
        for increases in (self.results, self.requests, self.rejections):
            increases.sample()
        if minute % MINUTES == 0:
            for increases in (self.results_by_hour, self.requests_by_hour):
                increases.sample()
