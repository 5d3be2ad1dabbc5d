"""Results per minute of each channel over the last hour, for sparklines."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from exporter.admin.history import MINUTES, Increases
from exporter.results import Series

NONE = [0] * MINUTES
"""An hour without results."""


class ChannelMinutes(NamedTuple):
    """Results of a channel per minute, the minute in progress last; `failing` is all but info."""

    results: list[int]
    failing: list[int]


_Sums = dict[str, tuple[int, int]]
"""Results and failing results of one minute by channel."""


class MinutesByChannel:
    """Aggregates each minute once: it may hold as many series as there are codes."""

    def __init__(self, increases: Increases[Series], is_failing: Callable[[Series], bool]) -> None:
        self._increases, self._is_failing = increases, is_failing
        self._minutes: dict[int, _Sums] = {}
        """By sequence number."""
        self._columns: dict[str, ChannelMinutes] = {}
        """By channel, without the minute in progress."""

    def clear(self) -> None:
        """Discard the aggregates, since the tables may have changed."""
        self._minutes.clear()

    def read(self, in_progress: Mapping[Series, int]) -> dict[str, ChannelMinutes]:
        """Return the minutes of each channel with results in the last hour."""
        self._sum_ended()
        now = self._sum(in_progress)
        return {
            channel: ChannelMinutes(
                [*ended.results, now.get(channel, (0, 0))[0]],
                [*ended.failing, now.get(channel, (0, 0))[1]],
            )
            for channel in self._columns.keys() | now.keys()
            for ended in [self._columns.get(channel, _NONE_ENDED)]
        }

    def _sum_ended(self) -> None:
        ended = dict(self._increases.ended())
        if ended.keys() == self._minutes.keys():
            return
        self._minutes = {
            number: self._minutes.get(number) or self._sum(counts)
            for number, counts in ended.items()
        }
        minutes: list[_Sums] = [{}] * (MINUTES - 1 - len(ended)) + list(self._minutes.values())
        channels = {channel for minute in minutes for channel in minute}
        self._columns = {
            channel: ChannelMinutes(
                [minute.get(channel, (0, 0))[0] for minute in minutes],
                [minute.get(channel, (0, 0))[1] for minute in minutes],
            )
            for channel in channels
        }

    def _sum(self, counts: Mapping[Series, int]) -> _Sums:
        sums: _Sums = {}
        for series, count in counts.items():
            results, failing = sums.get(series.channel, (0, 0))
            more = count if self._is_failing(series) else 0
            sums[series.channel] = results + count, failing + more
        return sums


_NONE_ENDED = ChannelMinutes(NONE[1:], NONE[1:])
