"""A consistent reading of an exporter's counts, for all apps and channels or a selection."""

import time
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from exporter.admin.formats import query_string
from exporter.admin.history import FEW_HOURS, HOURS, MINUTES, WINDOW, Recent
from exporter.admin.minutes import ChannelMinutes
from exporter.admin.view import View
from exporter.classification.tables import OTHER
from exporter.configuration.fields import OTHER_APP
from exporter.results import ClassifiedResult, Series

Totals = Mapping[tuple[str, ...], int]
"""By source and status, or source and reason."""

MAX_SELECTED = 64
"""Maximum length of a query parameter."""


class Selection(NamedTuple):
    """A filter on results; an empty field matches everything."""

    channel: str = ""
    app: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Selection":
        """Read the filter from query parameters."""
        return cls(*(query.get(name, "").strip()[:MAX_SELECTED] for name in cls._fields))

    def has(self, series: Series) -> bool:
        """Whether a series matches."""
        return self.channel in ("", series.channel) and self.app in ("", series.app)

    def shows(self, channel: str | None, app: str | None = None) -> bool:
        """Whether a channel and an app match; None, for several or none, always matches."""
        return self._has(self.channel, channel) and self._has(self.app, app)

    @staticmethod
    def _has(selected: str, value: str | None) -> bool:
        return value is None or selected in ("", value)

    def link(self, *, channel: str | None = None, app: str | None = None) -> str:
        """Return the query string of this filter with other values; empty if all are empty."""
        return query_string(
            app=self.app if app is None else app,
            channel=self.channel if channel is None else channel,
        )


class AppChannel(NamedTuple):
    """A channel of an app; without apps, a channel of all results."""

    channel: str
    app: str = ""

    @property
    def subject(self) -> str:
        """The name of the channel, with the app if any."""
        return of_app("no known channel" if self.channel == OTHER else self.channel, self.app)


def of_app(subject: str, app: str) -> str:
    """Add the app, if any, to a subject."""
    if not app:
        return subject
    return f"{subject} of {'undeclared apps' if app == OTHER_APP else app}"


class CountedSeries(NamedTuple):
    """The counts of a series, with its current meaning."""

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
        self.all = self._counted()
        """All series, regardless of the selection."""

    @cached_property
    def counted(self) -> list[CountedSeries]:
        """The selected series."""
        if self.selection == Selection():
            return self.all
        return [entry for entry in self.all if self.selection.has(entry.series)]

    @cached_property
    def groups(self) -> dict[AppChannel, list[CountedSeries]]:
        """All series by channel and app."""
        groups: dict[tuple[str, str], list[CountedSeries]] = {}
        for entry in self.all:
            key = entry.series.channel, entry.series.app
            if key in groups:
                groups[key].append(entry)
            else:
                groups[key] = [entry]
        return {AppChannel(*key): counted for key, counted in groups.items()}

    @cached_property
    def apps(self) -> list[str]:
        """The declared apps, then others with results; empty without apps."""
        counted = {group.app for group in self.groups if group.app}
        return list(dict.fromkeys([*self.view.current.settings.apps, *sorted(counted)]))

    @cached_property
    def minutes(self) -> dict[AppChannel, ChannelMinutes]:
        """Results of the last hour by minute."""
        minutes = self.view.minutes.read(self.results.in_progress)
        return {AppChannel(*key): minutes_of_group for key, minutes_of_group in minutes.items()}

    @cached_property
    def hour(self) -> dict[Series, int]:
        """Results of the last hour."""
        return self.results.counts(MINUTES)

    @cached_property
    def few_hours(self) -> dict[Series, int]:
        """Results of the last hours."""
        return self._by_hour.counts(FEW_HOURS)

    @cached_property
    def day(self) -> dict[Series, int]:
        """Results of the last day."""
        return self._by_hour.counts(HOURS)

    @cached_property
    def requests_by_hour(self) -> Recent[tuple[str, ...]]:
        """By source and status."""
        return self.view.history.requests_by_hour.read()

    @cached_property
    def _by_hour(self) -> Recent[Series]:
        return self.view.history.results_by_hour.read()

    def _counted(self) -> list[CountedSeries]:
        meanings = self.view.meanings
        hour, window = self.hour.get, self.results.counts(WINDOW).get
        return [
            CountedSeries(
                series,
                *meanings[series],
                count.total,
                count.last_at,
                hour(series, 0),
                window(series, 0),
            )
            for series, count in self.view.hub.ledger.counts.items()
        ]
