"""A consistent reading of an exporter's counts, for all channels or one."""

import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from exporter.admin.history import HOURS, MINUTES, WINDOW, Recent
from exporter.admin.minutes import ChannelMinutes
from exporter.admin.view import View
from exporter.results import ClassifiedResult, Series

Totals = Mapping[tuple[str, ...], int]
"""By source and status, or source and reason."""

MAX_SELECTED = 64
"""Maximum length of a value in the query."""


class Selection(NamedTuple):
    """A filter on results; an empty field matches everything."""

    channel: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Selection":
        """Read the filter from query parameters."""
        return cls(query.get("channel", "").strip()[:MAX_SELECTED])

    def has(self, series: Series) -> bool:
        """Whether a series matches."""
        return self.channel in ("", series.channel)

    def shows(self, channel: str | None) -> bool:
        """Whether a channel matches; None, for several or none, always does."""
        return channel is None or self.channel in ("", channel)


class Counted(NamedTuple):
    """The counts of one series, with its current meaning."""

    series: Series
    meaning: ClassifiedResult
    alerts: tuple[str, ...]
    """The alerts that watch it, the most specific first."""
    total: int
    last_at: float
    """Unix time of the last result."""
    hour: int
    window: int


class Reading:
    """The counts of an exporter, read once, so that all parts of a page agree."""

    def __init__(self, view: View, selection: Selection = Selection()) -> None:  # noqa: B008 - immutable
        self.view, self.selection = view, selection
        self.now = time.time()
        """Unix time."""
        self.results = view.history.results.read()
        self.requests = view.history.requests.read()
        """By source and status."""
        self.rejections = view.history.rejections.read()
        """Rejected items by source and reason."""
        self.all = _counted(view, self.results)
        """All series, whatever the selection."""

    @cached_property
    def counted(self) -> list[Counted]:
        """The selected series."""
        return [one for one in self.all if self.selection.has(one.series)]

    @cached_property
    def minutes(self) -> dict[str, ChannelMinutes]:
        """Results of the last hour by channel and minute."""
        return self.view.minutes.read(self.results.in_progress)

    @cached_property
    def day(self) -> dict[Series, int]:
        """Results of the last day."""
        return self.view.history.results_by_hour.read().counts(HOURS)


def _counted(view: View, results: Recent[Series]) -> list[Counted]:
    meanings = view.meanings
    hour, window = results.counts(MINUTES).get, results.counts(WINDOW).get
    return [
        Counted(
            series,
            *meanings[series],
            count.total,
            count.last_at,
            hour(series, 0),
            window(series, 0),
        )
        for series, count in view.hub.ledger.counts.items()
    ]


def by_channel(counted: Iterable[Counted]) -> dict[str, list[Counted]]:
    """Group series by their channels."""
    channels: dict[str, list[Counted]] = {}
    for one in counted:
        channels.setdefault(one.series.channel, []).append(one)
    return channels
