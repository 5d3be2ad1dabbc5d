"""The channels of the status page: results of all time and of the last hour, by severity."""

from collections.abc import Iterable, Mapping

import msgspec

from exporter.admin.history import MINUTES
from exporter.admin.view import View
from exporter.classification.tables import OTHER
from exporter.results import Severity


class ChannelHour(msgspec.Struct):
    """A channel in the last hour; `failing` is every severity but info."""

    results: int
    severities: dict[str, int]
    """Results by severity."""
    per_minute: list[int]
    """One figure per minute, the running one last."""
    failing_per_minute: list[int]


class ChannelStatus(msgspec.Struct):
    """A channel of all time and in the last hour."""

    channel: str
    title: str
    """Its name for people."""
    results: int
    """Of all time, as the ledger has them."""
    last_received: float | None
    """Unix time; null before the first result."""
    severities: dict[str, int]
    """Results of all time by severity."""
    last_hour: ChannelHour


def channels_of(view: View) -> list[ChannelStatus]:
    """Sum up each channel that has a table or was counted."""
    current = view.classifier.current
    rows = {one: _empty(one, _title(view, one)) for one in _channels(view)}
    for series, count in view.hub.ledger.counts.items():
        row = rows[series.channel]
        row.results += count.total
        row.last_received = max(count.last_at, row.last_received or 0)
        row.severities[current(series).severity] += count.total
    for series, results in view.history.results.counts().items():
        recent = rows[series.channel].last_hour
        recent.results += results
        recent.severities[current(series).severity] += results
    _by_minute(view, {channel: row.last_hour for channel, row in rows.items()})
    return list(rows.values())


def _channels(view: View) -> Iterable[str]:
    """List the channels of the tables, then those whose table a reload has removed."""
    counted = sorted({series.channel for series in view.hub.ledger.counts})
    return dict.fromkeys([*view.classifier.channels(), *counted])


def _title(view: View, channel: str) -> str:
    if table := view.tables.get(channel):
        return table.title
    return "No known channel" if channel == OTHER else "Its table was removed"


def _by_minute(view: View, rows: Mapping[str, ChannelHour]) -> None:
    """Fill in the figures of each minute; there may be 60 times as many as codes."""
    current = view.classifier.current
    well = {
        series for series in view.hub.ledger.counts if current(series).severity is Severity.INFO
    }
    minutes = view.history.results.minutes()
    for place, minute in enumerate(minutes, MINUTES - len(minutes)):
        for series, results in minute.items():
            row = rows[series.channel]
            row.per_minute[place] += results
            if series not in well:
                row.failing_per_minute[place] += results


def _empty(channel: str, title: str) -> ChannelStatus:
    none = dict.fromkeys(map(str, Severity), 0)
    hour = ChannelHour(0, dict(none), [0] * MINUTES, [0] * MINUTES)
    return ChannelStatus(channel, title, 0, None, none, hour)
