"""The channels of the status page: results of all time and of the last hour, by severity."""

from collections.abc import Iterable

import msgspec

from exporter.admin.minutes import NONE, ChannelMinutes, add_minutes
from exporter.admin.reading import Reading
from exporter.classification.tables import OTHER
from exporter.results import Severity

_NO_RESULTS = dict.fromkeys(map(str, Severity), 0)


class ChannelHour(msgspec.Struct):
    """A channel in the last hour; `failing` excludes severity info."""

    results: int
    severities: dict[str, int]
    """Results by severity."""
    per_minute: list[int]
    """Results of each minute, the minute in progress last."""
    failing_per_minute: list[int]


class ChannelStatus(msgspec.Struct):
    """A channel in total and in the last hour."""

    channel: str
    title: str
    """Its display name."""
    results: int
    """Of all time, as in the ledger."""
    last_received: float | None
    """Unix time; null before the first result."""
    severities: dict[str, int]
    """Results of all time by severity."""
    last_hour: ChannelHour


def channels_of(reading: Reading) -> list[ChannelStatus]:
    """Summarize each selected channel that has a table or results."""
    rows = {
        channel: _empty(channel, _title(reading, channel))
        for channel in _channels(reading)
        if reading.selection.shows(channel)
    }
    for entry in reading.counted:
        row, severity = rows[entry.series.channel], entry.meaning.severity
        row.results += entry.total
        row.last_received = max(entry.last_at, row.last_received or 0)
        row.severities[severity] += entry.total
        row.last_hour.results += entry.hour
        row.last_hour.severities[severity] += entry.hour
    for channel, minutes in _minutes(reading).items():
        if channel in rows:
            rows[channel].last_hour.per_minute = minutes.results
            rows[channel].last_hour.failing_per_minute = minutes.failing
    return list(rows.values())


def _minutes(reading: Reading) -> dict[str, ChannelMinutes]:
    """Return the minutes of each channel, of the selected apps."""
    minutes: dict[str, list[ChannelMinutes]] = {}
    for group, channel_minutes in reading.minutes.items():
        if reading.selection.shows(None, group.app):
            minutes.setdefault(group.channel, []).append(channel_minutes)
    return {channel: add_minutes(of_apps) for channel, of_apps in minutes.items()}


def channels_with_results(reading: Reading) -> list[str]:
    """Return the channels with results of the selected apps, in the tables' order."""
    counted = {
        group.channel for group in reading.groups if reading.selection.shows(None, group.app)
    }
    return [channel for channel in _channels(reading) if channel in counted]


def _channels(reading: Reading) -> Iterable[str]:
    """Return the channels of the tables, then those of removed tables."""
    counted = sorted({group.channel for group in reading.groups})
    return dict.fromkeys([*reading.view.classifier.channels(), *counted])


def _title(reading: Reading, channel: str) -> str:
    if table := reading.view.tables.get(channel):
        return table.title
    return "No known channel" if channel == OTHER else "Its table was removed"


def _empty(channel: str, title: str) -> ChannelStatus:
    hour = ChannelHour(0, dict(_NO_RESULTS), NONE, NONE)
    return ChannelStatus(channel, title, 0, None, dict(_NO_RESULTS), hour)
