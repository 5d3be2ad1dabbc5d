"""The codes of the status page: those other than success, and those that no table has."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from exporter.admin.view import View
from exporter.classification.alerts import Alert, alerts_for
from exporter.classification.classifier import Classifier
from exporter.classification.drafts import draft_alias, draft_row
from exporter.classification.tables import OTHER
from exporter.results import ClassifiedResult, Series, Severity
from exporter.runtime.unknown_codes import MAX_PER_CHANNEL

MAX_FAILING_CODES = 20

_ADD_ROW = (
    "Look the code up in the vendor's documentation and add a row for it: see the status page."
)
_NO_ROW = {
    OTHER: f"All further unknown codes of the channel: the first {MAX_PER_CHANNEL} have rows."
}


class CodeStatus(msgspec.Struct, frozen=True):
    """A code other than success, how often it came, what it means and what to do."""

    channel: str
    code: str
    table: str
    """The channel of the table that has the row; empty if none has."""
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


class UnknownCodeStatus(msgspec.Struct, frozen=True):
    """A code that no table has, and the row to give it."""

    channel: str
    code: str
    message: str | None
    """The latest that came with it, redacted."""
    last_seen: float | None
    """Unix time; null if it has not come since the start."""
    results: int
    """Of all time."""
    results_last_hour: int
    last_received: float | None
    """Unix time of the last one that was counted."""
    toml: str
    """A row to fill in and paste into a custom table."""


class OtherCodeStatus(msgspec.Struct, frozen=True):
    """An unknown code that is counted as `other`, and the row to give it."""

    channel: str
    code: str
    message: str | None
    """The latest that came with it, redacted."""
    last_seen: float
    """Unix time."""
    toml: str
    """A row to fill in and paste into a custom table."""


class UnknownHintStatus(msgspec.Struct, frozen=True):
    """A sender's word for a channel that no table knows, and the lines to make it an alias."""

    hint: str
    """As the sender writes it."""
    code: str
    """The latest code that came with it."""
    last_seen: float
    """Unix time."""
    toml: str
    """Lines to paste into a custom table."""


def counted_codes(view: View, hour: Mapping[Series, int]) -> Iterator[CodeStatus]:
    """Describe every code other than success that was counted."""
    classifier = view.classifier
    counted: dict[Series, tuple[ClassifiedResult, int, int, float]] = {}
    for series, count in view.hub.ledger.counts.items():
        meaning = classifier.current(series)
        if meaning.severity is not Severity.INFO:
            # A code that a table has got since then was counted under two series.
            _, total, recent, last = counted.get(meaning.series, (meaning, 0, 0, 0))
            total, recent = total + count.total, recent + hour.get(series, 0)
            counted[meaning.series] = (meaning, total, recent, max(last, count.last_at))
    for meaning, total, recent, last in counted.values():
        channel, code, table = meaning.series
        description, action = guidance(classifier, meaning)
        yield CodeStatus(
            channel=channel,
            code=code,
            table=table,
            name=meaning.name,
            severity=meaning.severity,
            category=meaning.category,
            retry=meaning.retry,
            results=total,
            results_last_hour=recent,
            last_received=last,
            description=description,
            action=action,
            alerts=alerts_for(meaning),
        )


def guidance(classifier: Classifier, meaning: ClassifiedResult) -> tuple[str, str]:
    """Return what a code means and what to do about it, also where no table has it."""
    if row := classifier.row(meaning.series):
        return row.description, row.action
    return _NO_ROW.get(meaning.series.code, "No table has this code."), _ADD_ROW


def most_frequent(codes: Iterable[CodeStatus]) -> list[CodeStatus]:
    """Pick the codes that came most often of all time."""
    return sorted(codes, key=lambda one: -one.results)[:MAX_FAILING_CODES]


def worst_of_hour(codes: Iterable[CodeStatus]) -> list[CodeStatus]:
    """Pick the codes of the last hour, the worst severity first."""
    order = [Severity.CRITICAL, Severity.ERROR, Severity.WARNING, Severity.UNKNOWN]
    came = [one for one in codes if one.results_last_hour]
    came.sort(key=lambda one: (order.index(Severity(one.severity)), -one.results_last_hour))
    return came[:MAX_FAILING_CODES]


def unknown_codes(view: View, hour: Mapping[Series, int]) -> list[UnknownCodeStatus]:
    """List the codes that no table has, the last seen first."""
    counts = view.hub.ledger.counts
    rows = []
    for one in view.hub.unknown_codes.labelled:
        series = Series(one.channel, one.code, "")
        count = counts.get(series)
        rows.append(
            UnknownCodeStatus(
                channel=one.channel,
                code=one.code,
                message=one.message,
                last_seen=one.last_used if one.seen else None,
                results=count.total if count else 0,
                results_last_hour=hour.get(series, 0),
                last_received=count.last_at if count else None,
                toml=draft_row(one.channel, one.code, one.message),
            )
        )
    return sorted(rows, key=lambda row: -(row.last_seen or row.last_received or 0))


def other_codes(view: View) -> list[OtherCodeStatus]:
    """List the last codes that are counted as `other`, the last seen first."""
    rows = [
        OtherCodeStatus(
            one.channel,
            one.code,
            one.message,
            one.last_used,
            draft_row(one.channel, one.code, one.message),
        )
        for one in view.hub.unknown_codes.others
    ]
    return sorted(rows, key=lambda row: -row.last_seen)


def unknown_hints(view: View) -> list[UnknownHintStatus]:
    """List the hints that no table knows, the last seen first."""
    rows = [
        UnknownHintStatus(one.hint, one.code, one.last_seen, draft_alias(one.hint))
        for one in view.hub.unknown_codes.hints
    ]
    return sorted(rows, key=lambda row: -row.last_seen)
