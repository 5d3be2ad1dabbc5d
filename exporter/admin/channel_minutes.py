"""The results of each minute of the last hour by channel, for the bars of the status page."""

from collections.abc import Mapping

import msgspec

from exporter.admin.history import Increases
from exporter.results import ClassifiedResult, Series, Severity


class ChannelMinute(msgspec.Struct):
    """The results of a channel in one minute."""

    results: int = 0
    failing: int = 0
    """Those of another severity than info."""


Minute = dict[str, ChannelMinute]
"""By channel."""


class ChannelMinutes:
    """Sums up each minute once, since a minute may have as many series as there are codes."""

    def __init__(
        self, increases: Increases[Series], meanings: Mapping[Series, ClassifiedResult]
    ) -> None:
        self._increases, self._meanings = increases, meanings
        self._ended: dict[int, Minute] = {}
        """By the number of the minute."""

    def clear(self) -> None:
        """Sum up again: the tables may have changed."""
        self._ended.clear()

    def minutes(self) -> list[Minute]:
        """Return every minute, the one in progress last."""
        if not self._increases.begun:
            return []
        self._ended = {
            number: self._ended.get(number) or self._sum(counts)
            for number, counts in self._increases.ended()
        }
        return [*self._ended.values(), self._sum(self._increases.in_progress())]

    def _sum(self, counts: Mapping[Series, int]) -> Minute:
        minute: Minute = {}
        for series, count in counts.items():
            row = minute.get(series.channel)
            if row is None:
                row = minute[series.channel] = ChannelMinute()
            row.results += count
            if self._meanings[series].severity is not Severity.INFO:
                row.failing += count
        return minute
