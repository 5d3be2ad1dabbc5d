"""What the status page and its JSON say: times in Unix seconds, no secret."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from exporter.admin.findings import Health, health_of
from exporter.admin.history import MINUTES
from exporter.admin.status_codes import (
    CodeStatus,
    UnknownCodeStatus,
    counted_codes,
    most_frequent,
    unknown_codes,
    worst_of_hour,
)
from exporter.classification.alerts import alerts_for
from exporter.classification.tables import HOW_TO_MATCH, Tables
from exporter.reasons import ItemReason, Reason
from exporter.results import Series, Severity
from exporter.runtime import VERSION, Service


class LedgerStatus(msgspec.Struct, frozen=True):
    """Whether results can be stored."""

    path: str
    problem: str | None
    pending_results: int


class ChannelHour(msgspec.Struct):
    """A channel in the last hour; `failing` is every severity but info."""

    results: int
    severities: dict[str, int]
    per_minute: list[int]
    """One figure a minute, the running one last."""
    failing_per_minute: list[int]


class ChannelStatus(msgspec.Struct):
    """A channel in all and in the last hour."""

    channel: str
    title: str
    results: int
    last_received: float | None
    severities: dict[str, int]
    last_hour: ChannelHour


class Refused(msgspec.Struct, frozen=True):
    """Calls that were refused, or items that were no results, for one reason."""

    kind: str
    """`call` or `item`."""
    source: str
    reason: str
    meaning: str
    since_start: int
    last_hour: int


class CallsHour(msgspec.Struct, frozen=True):
    """The calls of the last hour to the two webhooks, other paths left out."""

    calls: int
    refused: int


class Status(msgspec.Struct, frozen=True):
    """Everything."""

    health: Health
    ready: bool
    problem: str | None
    now: float
    version: str
    host: str
    process: int
    ports: dict[str, int]
    started_at: float
    uptime_seconds: float
    ledger: LedgerStatus
    hour_seconds: float
    """How far back the last hour goes: a restart begins a new one."""
    calls_last_hour: CallsHour
    channels: list[ChannelStatus]
    failing_codes: list[CodeStatus]
    """The most frequent of all time."""
    failing_codes_last_hour: list[CodeStatus]
    """Those of the last hour, the worst severity first."""
    unknown_codes: list[UnknownCodeStatus]
    """The last seen first."""
    refused: list[Refused]
    settings: dict[str, Any]


def status_of(service: Service) -> Status:
    """Sum up the exporter's state."""
    now = time.time()
    problem = service.not_ready()
    hour = service.recent_results.counts()
    codes = list(counted_codes(service, hour))
    return Status(
        health=health_of(service),
        ready=problem is None,
        problem=problem,
        now=now,
        version=VERSION,
        host=service.host,
        process=service.process,
        ports={"ingest": service.ingest_port, "admin": service.admin_port},
        started_at=service.started_at,
        uptime_seconds=now - service.started_at,
        ledger=LedgerStatus(
            str(service.settings.ledger_path), service.ledger.problem, service.ledger.pending
        ),
        hour_seconds=service.recent_results.seconds,
        calls_last_hour=_calls(service.recent_calls.counts()),
        channels=_channels(service, hour),
        failing_codes=most_frequent(codes),
        failing_codes_last_hour=worst_of_hour(codes),
        unknown_codes=unknown_codes(service, hour),
        refused=_refused(service),
        settings={
            name.upper(): value for name, value in service.settings.model_dump(mode="json").items()
        },
    )


def code_rows(tables: Tables) -> list[dict[str, str]]:
    """List every row of the code tables."""
    return [
        {"channel": table.channel, "code": code} | row.model_dump(mode="json", exclude=HOW_TO_MATCH)
        for table in tables.values()
        for code, row in table.codes.items()
    ]


def watched_rows(service: Service) -> list[dict[str, Any]]:
    """List every row of the tables in force with the alerts that watch it."""
    classifier = service.configuration.classifier
    return [
        {**row, "alerts": alerts_for(classifier.current(Series(channel, code, channel)))}
        for row in code_rows(service.configuration.tables)
        for channel, code in [(row["channel"], row["code"])]
    ]


def _channels(service: Service, hour: Mapping[Series, int]) -> list[ChannelStatus]:
    tables = service.configuration.tables
    current = service.configuration.classifier.current
    channels = service.configuration.classifier.channels()
    # A reload may have taken the table of a channel that was counted.
    for channel in [*channels, *sorted({one.channel for one in service.ledger.counts})]:
        if channel not in channels:
            channels.append(channel)
    rows = {
        channel: _no_results(
            channel, tables[channel].title if channel in tables else "What no table claims"
        )
        for channel in channels
    }
    for series, count in service.ledger.counts.items():
        row = rows[series.channel]
        row.results += count.total
        row.last_received = max(count.last_at, row.last_received or 0)
        row.severities[current(series).severity] += count.total
    for series, results in hour.items():
        recent = rows[series.channel].last_hour
        recent.results += results
        recent.severities[current(series).severity] += results
    _by_minute(service, {channel: row.last_hour for channel, row in rows.items()})
    return list(rows.values())


def _by_minute(service: Service, rows: Mapping[str, ChannelHour]) -> None:
    """Fill in the figures of each minute; there may be 60 times as many as codes."""
    current = service.configuration.classifier.current
    well = {series for series in service.ledger.counts if current(series).severity is Severity.INFO}
    minutes = service.recent_results.minutes()
    for place, minute in enumerate(minutes, MINUTES - len(minutes)):
        for series, results in minute.items():
            row = rows[series[0]]
            row.per_minute[place] += results
            if series not in well:
                row.failing_per_minute[place] += results


def _no_results(channel: str, title: str) -> ChannelStatus:
    none = dict.fromkeys(map(str, Severity), 0)
    hour = ChannelHour(0, dict(none), [0] * MINUTES, [0] * MINUTES)
    return ChannelStatus(channel, title, 0, None, none, hour)


def _refused(service: Service) -> list[Refused]:
    """List what was refused since the start, what came in the last hour first."""
    rows = [
        Refused(kind, source, reason, kinds(reason).meaning, total, hour.get((source, reason), 0))
        for kind, totals, hour, kinds in (
            ("call", service.metrics.calls(), service.recent_calls.counts(), Reason),
            ("item", service.metrics.rejections(), service.recent_rejections.counts(), ItemReason),
        )
        for (source, reason), total in totals.items()
        if total and reason != "accepted"
    ]
    return sorted(rows, key=lambda row: (-row.last_hour, -row.since_start))


def _calls(hour: Mapping[tuple[str, ...], int]) -> CallsHour:
    calls = {key: count for key, count in hour.items() if key[0] != "unknown"}
    accepted = sum(count for (_, status), count in calls.items() if status == "accepted")
    total = sum(calls.values())
    return CallsHour(total, total - accepted)
