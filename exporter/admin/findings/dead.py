"""Findings about dead channels: rejected by the vendor, or without an accepted push.

Few results suffice, so periods of up to a day are examined, too.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from exporter.admin.findings.codes import (
    Results,
    finding_of_codes,
    number_of,
    recent,
    watched_by,
)
from exporter.admin.findings.finding import Finding
from exporter.admin.reading import AppChannel, CountedSeries, Reading
from exporter.classification.alerts import ACCEPTED, NOT_THE_CHANNEL, AlertName
from exporter.classification.thresholds import THRESHOLDS
from exporter.results import Series

_HOUR = 3600.0


class Period(NamedTuple):
    """A period longer than the window, in which nothing was accepted."""

    name: str
    without_accepted: float
    """Minimum of seconds since the last accepted push: half an hour more than the period of several
    hours, so that the last results of a campaign do not count without its accepted ones."""
    results: Callable[[Reading], Mapping[Series, int]]
    doubtful: int
    """Minimum number of doubtful results; 0 if the period does not consider them."""


PERIODS = (
    Period("hour", _HOUR, lambda reading: reading.hour, 0),
    Period(
        "4 hours",
        4.5 * _HOUR,
        lambda reading: reading.few_hours,
        int(THRESHOLDS["nothing_accepted_4h_results"]),
    ),
    Period(
        "24 hours",
        24.5 * _HOUR,
        lambda reading: reading.day,
        int(THRESHOLDS["nothing_accepted_1d_results"]),
    ),
)
"""The shortest first."""


def dead_finding(
    reading: Reading, group: AppChannel, counted: list[CountedSeries]
) -> Finding | None:
    """Return the finding about a dead channel, with figures of the shortest period."""
    return _rejected(reading, group, counted) or _nothing_accepted(reading, group, counted)


def _rejected(reading: Reading, group: AppChannel, counted: list[CountedSeries]) -> Finding | None:
    """Find results of severity critical."""
    alert = AlertName.CHANNEL_REJECTED
    enough = THRESHOLDS["rejected_results"]
    now = recent(counted)
    affected = watched_by(alert, now)
    if number_of(affected) >= enough:
        return finding_of_codes(reading, alert, group, affected, number_of(now))
    if not any(alert in entry.alerts for entry in counted):
        return None
    for period in _periods(reading, counted):
        results = _results(counted, period.results(reading))
        affected = watched_by(alert, results)
        if number_of(affected) >= enough:
            total = number_of(results)
            return finding_of_codes(reading, alert, group, affected, total, period=_text(period))
    return None


def _nothing_accepted(
    reading: Reading, group: AppChannel, counted: list[CountedSeries]
) -> Finding | None:
    """Find a channel that usually accepts pushes, and has enough results but none accepted."""
    alert = AlertName.NOTHING_ACCEPTED
    if reading.view.classifier.has_receipts(group.channel):  # receipts are of accepted pushes
        return None
    now = recent(counted)
    enough = THRESHOLDS["nothing_accepted_results"]
    doubtful = _doubtful(now)
    if number_of(doubtful) >= enough and not _accepted(now) and _usually_accepts(counted):
        return finding_of_codes(reading, alert, group, now, number_of(now), causes=doubtful)
    for period in _periods(reading, counted):
        results = _results(counted, period.results(reading))
        doubtful = _doubtful(results)
        if (
            period.doubtful
            and number_of(doubtful) >= period.doubtful
            and _usually_accepts(counted)
            and _acceptance_was_expected(reading, counted)
        ):
            total = number_of(results)
            return finding_of_codes(
                reading,
                alert,
                group,
                results,
                total,
                causes=doubtful,
                period=_text(period),
            )
    return None


def _periods(reading: Reading, counted: list[CountedSeries]) -> list[Period]:
    """Return the periods in which nothing was accepted."""
    accepted = [entry.last_at for entry in counted if entry.meaning.category in ACCEPTED]
    silent = reading.now - max(accepted, default=0.0)
    return [period for period in PERIODS if silent > period.without_accepted]


def _results(counted: list[CountedSeries], counts: Mapping[Series, int]) -> Results:
    return [(entry, counts[entry.series]) for entry in counted if entry.series in counts]


def _text(period: Period) -> str:
    return f" These are results of the last {period.name}, in which nothing was accepted."


def _doubtful(results: Results) -> Results:
    """Select the results that may indicate a dead channel."""
    innocent = (*NOT_THE_CHANNEL, *ACCEPTED)
    return [(entry, count) for entry, count in results if entry.meaning.category not in innocent]


def _accepted(results: Results) -> bool:
    return any(entry.meaning.category in ACCEPTED for entry, _ in results)


def _accepted_share(counted: list[CountedSeries]) -> float:
    """Return the share of accepted results of all time."""
    total = sum(entry.total for entry in counted)
    return sum(entry.total for entry in counted if entry.meaning.category in ACCEPTED) / (
        total or 1
    )


def _usually_accepts(counted: list[CountedSeries]) -> bool:
    return _accepted_share(counted) >= THRESHOLDS["usually_accepted_share"]


def _acceptance_was_expected(reading: Reading, counted: list[CountedSeries]) -> bool:
    """Whether the day had enough results for the usual share to include an accepted push."""
    day = _results(counted, reading.day)
    expected = THRESHOLDS["nothing_accepted_results"] * THRESHOLDS["usually_accepted_share"]
    return number_of(_doubtful(day)) * _accepted_share(counted) >= expected
