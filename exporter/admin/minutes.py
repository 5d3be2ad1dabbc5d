"""Results per minute of each channel and app over the last hour, for sparklines."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from exporter.admin.history import MINUTES, Increases
from exporter.results import Series

NONE = [0] * MINUTES
"""An hour without results."""


class ChannelMinutes(NamedTuple):
    """Results of a channel per minute, the minute in progress last; `failing` excludes info."""

    results: list[int]
    failing: list[int]


_Key = tuple[str, str]
"""A channel and an app; the app is empty for results without an app."""

_Sums = dict[_Key, tuple[int, int]]
"""Results and failing results of a minute."""


class MinutesByChannel:
    """Aggregates each minute once, since a minute may have a series for every code."""

    def __init__(self, increases: Increases[Series], is_failing: Callable[[Series], bool]) -> None:
        self._increases, self._is_failing = increases, is_failing
        self._minutes: dict[int, _Sums] = {}
        """By sequence number."""
        self._columns: dict[_Key, ChannelMinutes] = {}
        """Without the minute in progress."""

    def clear(self) -> None:
        """Discard the aggregates, after a change of the tables."""
        self._minutes.clear()

    def read(self, in_progress: Mapping[Series, int]) -> dict[_Key, ChannelMinutes]:
        """Return the minutes of each channel and app with results in the last hour."""
        self._sum_ended()
        now = self._sum(in_progress)
        return {
            key: ChannelMinutes(
                [*ended.results, now.get(key, (0, 0))[0]],
                [*ended.failing, now.get(key, (0, 0))[1]],
            )
            for key in self._columns.keys() | now.keys()
            for ended in [self._columns.get(key, _NONE_ENDED)]
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
        keys = {key for minute in minutes for key in minute}
        self._columns = {
            key: ChannelMinutes(
                [minute.get(key, (0, 0))[0] for minute in minutes],
                [minute.get(key, (0, 0))[1] for minute in minutes],
            )
            for key in keys
        }

    def _sum(self, counts: Mapping[Series, int]) -> _Sums:
        sums: _Sums = {}
        for series, count in counts.items():
            key = series.channel, series.app
            results, failing = sums.get(key, (0, 0))
            more = count if self._is_failing(series) else 0
            sums[key] = results + count, failing + more
        return sums


def add_minutes(all_minutes: Sequence[ChannelMinutes]) -> ChannelMinutes:
    """Add up the minutes of several apps."""
    if len(all_minutes) == 1:
        return all_minutes[0]
    return ChannelMinutes(
        [sum(column) for column in zip(*(minutes.results for minutes in all_minutes), strict=True)],
        [sum(column) for column in zip(*(minutes.failing for minutes in all_minutes), strict=True)],
    )


_NONE_ENDED = ChannelMinutes(NONE[1:], NONE[1:])
