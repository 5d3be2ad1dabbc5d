"""Findings about the results of each channel: failures, silence, unknown codes."""

from collections.abc import Container, Iterator, Mapping
from operator import attrgetter

from exporter.admin.findings.finding import Finding, declared, describe, reaches
from exporter.admin.history import MINUTES, WINDOW
from exporter.admin.reading import Counted, Reading, by_channel
from exporter.classification.alerts import (
    ACCEPTED,
    DECLARATIONS,
    NOT_THE_CHANNEL,
    THRESHOLDS,
    WATCHES,
    AlertName,
)
from exporter.classification.tables import OTHER
from exporter.runtime.unknown_codes import MAX_PER_CHANNEL

OF_FAILURES = tuple(alert for alert in WATCHES if alert is not AlertName.UNKNOWN_CODE)
"""Alerts about failing codes, the most specific first."""

STEADY_RESULTS = THRESHOLDS["steady_results"]
"""Results in each of two quarters of an hour after which silence is a finding."""

_PAST_BOUND = (
    f" Past the first {MAX_PER_CHANNEL} codes of a channel the label is other; the last of these "
    "codes are on the status page, too."
)


def result_findings(reading: Reading) -> Iterator[Finding]:
    """Yield the findings about the results of the window, by channel."""
    channels = by_channel(one for one in reading.all if one.window)
    for channel in sorted(channels):  # in one order, so that the headline does not change
        yield from _failures(reading, channel, channels[channel])
    yield from _unknown_codes(channels)
    yield from _stopped(reading, channels.keys())


def _failures(reading: Reading, channel: str, counted: list[Counted]) -> Iterator[Finding]:
    """Yield the findings about a channel's failures; the most specific alert names a code."""
    total = _results(counted)
    dead = False
    for alert in _candidates(counted, total):
        if dead and DECLARATIONS[alert].share:  # a dead channel has worse than its shares
            continue
        affected = [one for one in counted if alert in one.alerts]
        if reaches(alert, _results(affected), total):
            dead = dead or alert is AlertName.CHANNEL_REJECTED
            counted = [one for one in counted if one not in affected]
            yield _of_codes(reading, alert, channel, affected, total)
        if (
            alert is AlertName.CHANNEL_REJECTED
            and not dead
            and _nothing_accepted(reading, channel, counted)
        ):
            dead = True
            yield _of_codes(reading, AlertName.NOTHING_ACCEPTED, channel, counted, total)


def _candidates(counted: list[Counted], total: int) -> list[AlertName]:
    """Return the alerts whose thresholds the channel's results can reach at all."""
    affected: dict[str, int] = {}
    for one in counted:
        for alert in one.alerts:
            affected[alert] = affected.get(alert, 0) + one.window
    return [
        alert
        for alert in OF_FAILURES
        if alert is AlertName.CHANNEL_REJECTED or reaches(alert, affected.get(alert, 0), total)
    ]


def _nothing_accepted(reading: Reading, channel: str, counted: list[Counted]) -> bool:
    """Whether a channel that usually accepts pushes accepted none in enough results."""
    if reading.view.classifier.has_receipts(channel):  # of accepted pushes
        return False
    doubtful = [one for one in counted if one.meaning.category not in NOT_THE_CHANNEL]
    if _results(doubtful) < THRESHOLDS["nothing_accepted_results"]:
        return False
    if any(one.meaning.category in ACCEPTED for one in counted):
        return False
    ever = [one for one in reading.all if one.series.channel == channel]
    accepted = sum(one.total for one in ever if one.meaning.category in ACCEPTED)
    return accepted >= THRESHOLDS["usually_accepted_share"] * sum(one.total for one in ever)


def _of_codes(
    reading: Reading, alert: AlertName, channel: str, affected: list[Counted], total: int
) -> Finding:
    """Make a finding with its codes, and the action of the most frequent one."""
    codes: dict[str, int] = {}
    for one in affected:
        codes[_named(one)] = codes.get(_named(one), 0) + one.window
    row = reading.view.classifier.row(max(affected, key=attrgetter("window")).meaning.series)
    return declared(
        alert,
        "no known channel" if channel == OTHER else channel,
        describe(codes, total, "results"),
        row.action if row else None,
        channel=channel,
    )


def _named(one: Counted) -> str:
    code = one.meaning.series.code
    return f"{code} {one.meaning.name}" if one.meaning.known else code


def _unknown_codes(channels: Mapping[str, list[Counted]]) -> Iterator[Finding]:
    """Yield one note about the unknown codes of all channels."""
    unknown = {
        channel: found
        for channel, counted in channels.items()
        if (found := [one for one in counted if AlertName.UNKNOWN_CODE in one.alerts])
    }
    if not unknown:
        return
    several = len(unknown) > 1
    codes = {
        f"{one.series.channel} {one.series.code}" if several else one.series.code: one.window
        for found in unknown.values()
        for one in found
    }
    total = sum(_results(channels[channel]) for channel in unknown)
    only = None if several else next(iter(unknown))
    past_bound = any(one.series.code == OTHER for found in unknown.values() for one in found)
    yield declared(
        AlertName.UNKNOWN_CODE,
        _channels(unknown),
        describe(codes, total, "results"),
        DECLARATIONS[AlertName.UNKNOWN_CODE].advice + (_PAST_BOUND if past_bound else ""),
        channel=only,
    )


def _channels(channels: Mapping[str, object]) -> str:
    """Return the name of the only channel, or the number of channels."""
    if len(channels) > 1:
        return f"{len(channels)} channels"
    (channel,) = channels
    return "no known channel" if channel == OTHER else channel


def _stopped(reading: Reading, heard: Container[str]) -> Iterator[Finding]:
    """Yield a finding about channels with steady results before, and none in the window.

    A single campaign is not steady, and receipts arrive whenever phones are switched on.
    """
    has_receipts = reading.view.classifier.has_receipts
    silent = {
        channel: sum(quarters)
        for channel, minutes in sorted(reading.minutes.items())
        if channel not in heard and not has_receipts(channel)
        for quarters in [_quarters(minutes.results)]
        if sum(results >= STEADY_RESULTS for results in quarters) > 1
    }
    if silent:
        had = ", ".join(f"{channel} ({count:,})" for channel, count in silent.items())
        yield declared(
            AlertName.RESULTS_STOPPED,
            _channels(silent),
            f"None in the last {WINDOW} minutes, though there were in the time before: {had}.",
            channel=next(iter(silent)) if len(silent) == 1 else None,
        )


def _quarters(minutes: list[int]) -> list[int]:
    """Sum the minutes before the window by quarters of an hour."""
    before = minutes[: MINUTES - WINDOW]
    return [sum(before[start : start + WINDOW]) for start in range(0, len(before), WINDOW)]


def _results(counted: list[Counted]) -> int:
    return sum(one.window for one in counted)
