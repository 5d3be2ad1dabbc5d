"""Unknown codes, with a label or counted as `other`, and unknown channel names."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from exporter.admin.reading import CountedSeries, Reading
from exporter.classification.drafts import draft_alias, draft_row
from exporter.classification.tables import OTHER
from exporter.runtime.unknown_codes import UnknownCode


class UnknownCodeStatus(msgspec.Struct, frozen=True):
    """A code without a row in any table, with a draft of the row."""

    channel: str
    code: str
    message: str | None
    """The latest message, redacted."""
    last_seen: float | None
    """Unix time; null if the code was not seen since the start."""
    results: int
    """Of all time."""
    results_last_hour: int
    last_received: float | None
    """Unix time of the last counted result."""
    toml: str
    """A row to fill in and paste into a custom table."""


class OtherCodeStatus(msgspec.Struct, frozen=True):
    """An unknown code counted as `other`, with a draft of a row."""

    channel: str
    code: str
    message: str | None
    """The latest message, redacted."""
    last_seen: float
    """Unix time."""
    toml: str
    """A row to fill in and paste into a custom table."""


class OtherResults(msgspec.Struct, frozen=True):
    """The results of a channel counted under the code `other`."""

    channel: str
    results: int
    """Of all time."""
    results_last_hour: int


class UnknownHintStatus(msgspec.Struct, frozen=True):
    """An unknown channel name, with the lines that make it an alias."""

    hint: str
    """The name as sent."""
    code: str
    """The latest code of its results."""
    last_seen: float
    """Unix time."""
    toml: str
    """Lines to paste into a custom table."""


def unknown_codes(reading: Reading, newest: int | None = None) -> list[UnknownCodeStatus]:
    """Return the newest (or all) selected codes with a label, the last used first."""
    counted: dict[tuple[str, str], list[CountedSeries]] = {}
    for count in reading.counted:
        if not count.series.table:
            counted.setdefault((count.series.channel, count.series.code), []).append(count)
    return [
        _unknown_code(unknown, counted.get((unknown.channel, unknown.code), []))
        for unknown in _labelled(reading)[:newest]
    ]


def _unknown_code(unknown: UnknownCode, counted: list[CountedSeries]) -> UnknownCodeStatus:
    return UnknownCodeStatus(
        channel=unknown.channel,
        code=unknown.code,
        message=unknown.message,
        last_seen=unknown.last_used if unknown.seen else None,
        results=sum(count.total for count in counted),
        results_last_hour=sum(count.hour for count in counted),
        last_received=max((count.last_at for count in counted), default=None),
        toml=draft_row(unknown.channel, unknown.code, unknown.message),
    )


def other_codes(reading: Reading, newest: int | None = None) -> list[OtherCodeStatus]:
    """Return the newest (or all) selected codes counted as `other`, the last used first."""
    return [
        OtherCodeStatus(
            unknown.channel,
            unknown.code,
            unknown.message,
            unknown.last_used,
            draft_row(unknown.channel, unknown.code, unknown.message),
        )
        for unknown in _others(reading)[:newest]
    ]


def _labelled(reading: Reading) -> list[UnknownCode]:
    """Return the selected codes with a label; for an app, the codes of its results."""
    selected = _selected(reading, reading.view.hub.unknown_codes.labelled)
    if not reading.selection.app:
        return selected
    counted = {entry.series[:2] for entry in reading.counted}
    return [unknown for unknown in selected if (unknown.channel, unknown.code) in counted]


def _others(reading: Reading) -> list[UnknownCode]:
    """Return the selected codes under `other`; for an app, those of its channels with `other`."""
    selected = _selected(reading, reading.view.hub.unknown_codes.others)
    if not reading.selection.app:
        return selected
    channels = {entry.series.channel for entry in reading.counted if entry.series.code == OTHER}
    return [unknown for unknown in selected if unknown.channel in channels]


def _selected(reading: Reading, codes: Iterable[UnknownCode]) -> list[UnknownCode]:
    selected = (unknown for unknown in codes if reading.selection.shows(unknown.channel))
    return sorted(selected, key=lambda unknown: -unknown.last_used)


def unknown_by_channel(reading: Reading) -> dict[str, int]:
    """Return the number of unknown codes with a label of each channel, the most first."""
    numbers = Counter(unknown.channel for unknown in _labelled(reading))
    return dict(numbers.most_common())


def number_of_other(reading: Reading) -> int:
    """Return the number of selected codes counted as `other`."""
    return len(_others(reading))


def other_results(reading: Reading) -> list[OtherResults]:
    """Return the selected channels with results under `other`, the most results first."""
    sums: dict[str, tuple[int, int]] = {}
    for entry in reading.counted:
        if entry.series.code == OTHER and not entry.meaning.known:
            total, hour = sums.get(entry.series.channel, (0, 0))
            sums[entry.series.channel] = total + entry.total, hour + entry.hour
    rows = [OtherResults(channel, *results) for channel, results in sums.items()]
    return sorted(rows, key=lambda row: (-row.results_last_hour, -row.results))


def unknown_hints(reading: Reading) -> list[UnknownHintStatus]:
    """Return the unknown channel names, most recently seen first."""
    if not reading.selection.shows(OTHER):
        return []
    rows = [
        UnknownHintStatus(hint, unknown.code, unknown.last_seen, draft_alias(hint))
        for unknown in reading.view.hub.unknown_codes.hints
        for hint in [unknown.hint]  # redacted once
    ]
    return sorted(rows, key=lambda row: -row.last_seen)
