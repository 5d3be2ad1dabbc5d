"""The counts of an exporter at one moment, of all results or of a channel's."""

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
"""Characters of a channel's name in a query."""


class Selection(NamedTuple):
    """The part of the results that a page shows; an empty field selects all."""

    channel: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Selection":
        """Read the selection from the parameters of a request."""
        return cls(query.get("channel", "").strip()[:MAX_SELECTED])

    def has(self, series: Series) -> bool:
        """Whether a series is selected."""
        return self.channel in ("", series.channel)

    def shows(self, channel: str | None) -> bool:
        """Whether what is said of a channel, or of none, belongs to the selection."""
        return channel is None or self.channel in ("", channel)


class Counted(NamedTuple):
    """A series of the ledger, and what its code means by the current tables."""

    series: Series
    meaning: ClassifiedResult
    alerts: tuple[str, ...]
    """Those that watch it, the most specific first."""
    total: int
    last_at: float
    """Unix time of the last result."""
    hour: int
    window: int


class Reading:
    """What an exporter has counted, read once: every part of a page agrees with the others."""

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
        """Every series, selected or not."""

    @cached_property
    def counted(self) -> list[Counted]:
        """The series of the selection."""
        return [one for one in self.all if self.selection.has(one.series)]

    @cached_property
    def minutes(self) -> dict[str, ChannelMinutes]:
        """The results of the last hour by channel and minute."""
        return self.view.minutes.read(self.results.in_progress)

    @cached_property
    def day(self) -> dict[Series, int]:
        """The results of the last day."""
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
