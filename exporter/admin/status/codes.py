"""Failing codes: known codes with a severity other than info."""

from heapq import nlargest, nsmallest
from operator import attrgetter

import msgspec
from msgspec import UNSET, UnsetType

from exporter.admin.reading import CountedSeries, Reading
from exporter.classification.alerts import Alert, alerts_for
from exporter.classification.classifier import Classifier
from exporter.classification.tables import OTHER
from exporter.results import ClassifiedResult, Series, Severity
from exporter.runtime.unknown_codes import MAX_PER_CHANNEL

MAX_FAILING_CODES = 20

_NO_ROW = {
    OTHER: f"All further unknown codes of the channel: the first {MAX_PER_CHANNEL} have labels of "
    "their own."
}
_ADD_ROW = (
    "Look the code up in the vendor's documentation and add a row for it: the status page has a "
    "draft."
)
_URGENCY = {Severity.CRITICAL: 0, Severity.ERROR: 1, Severity.WARNING: 2}
"""Sort key of the severities, the worst first."""


def row_id(series: Series) -> str:
    """Return the part of a table row's id that identifies a series."""
    app = f"-{series.app}" if series.app else ""
    return f"{series.channel}-{series.code}-{series.table}{app}"


class CodeStatus(msgspec.Struct, frozen=True):
    """A failing code: its numbers, meaning and action."""

    channel: str
    code: str
    table: str
    """The channel of the table with the row."""
    name: str
    severity: str
    category: str
    retry: str
    results: int
    """Of all time."""
    results_last_hour: int
    last_received: float
    """Unix time."""
    description: str
    action: str
    alerts: list[Alert]
    app: str | UnsetType = UNSET
    """The app; absent for results without an app."""

    @property
    def series(self) -> Series:
        """The series of this code."""
        return Series(self.channel, self.code, self.table, self.app or "")


def failing_codes(reading: Reading) -> tuple[list[CodeStatus], list[CodeStatus]]:
    """Return the most frequent failing codes of all time, and the worst of the last hour."""
    codes: dict[tuple[int, str], CountedSeries] = {}
    for entry in reading.counted:
        if entry.meaning.severity in _URGENCY:
            key = id(entry.meaning), entry.series.app  # the id is a fast key
            known = codes.get(key)
            codes[key] = _added(known, entry) if known else entry
    failing = codes.values()
    of_hour = [entry for entry in failing if entry.hour]
    return (
        [_status(reading, entry) for entry in nlargest(MAX_FAILING_CODES, failing, _by_total)],
        [_status(reading, entry) for entry in nsmallest(MAX_FAILING_CODES, of_hour, _by_severity)],
    )


def _added(entry: CountedSeries, other: CountedSeries) -> CountedSeries:
    """Add up the two series of a code whose row was added by a reload."""
    return entry._replace(
        total=entry.total + other.total,
        hour=entry.hour + other.hour,
        window=entry.window + other.window,
        last_at=max(entry.last_at, other.last_at),
    )


_by_total = attrgetter("total")


def _by_severity(entry: CountedSeries) -> tuple[int, int]:
    return _URGENCY[entry.meaning.severity], -entry.hour


def _status(reading: Reading, entry: CountedSeries) -> CodeStatus:
    meaning = entry.meaning
    description, action = guidance(reading.view.classifier, meaning)
    return CodeStatus(
        channel=meaning.series.channel,
        code=meaning.series.code,
        table=meaning.series.table,
        name=meaning.name,
        severity=meaning.severity,
        category=meaning.category,
        retry=meaning.retry,
        results=entry.total,
        results_last_hour=entry.hour,
        last_received=entry.last_at,
        description=description,
        action=action,
        alerts=alerts_for(meaning),
        app=entry.series.app or UNSET,
    )


def guidance(classifier: Classifier, meaning: ClassifiedResult) -> tuple[str, str]:
    """Return the description and the action of a known or unknown code."""
    if row := classifier.row(meaning.series):
        return row.description, row.action
    return _NO_ROW.get(meaning.series.code, "No table has this code."), _ADD_ROW
