"""Unknown codes, with a label or counted as `other`, and unknown channel names."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from exporter.admin.reading import Counted, Reading
from exporter.classification.drafts import draft_alias, draft_row
from exporter.classification.tables import OTHER
from exporter.runtime.unknown_codes import UnknownCode


class UnknownCodeStatus(msgspec.Struct, frozen=True):
    """A code without a row in any table, with a draft of one."""

    channel: str
    code: str
    message: str | None
    """The latest message, redacted."""
    last_seen: float | None
    """Unix time; null if the code has not come since the start."""
    results: int
    """Of all time."""
    results_last_hour: int
    last_received: float | None
    """Unix time of the last result that was counted."""
    toml: str
    """A row to fill in and paste into a custom table."""


class OtherCodeStatus(msgspec.Struct, frozen=True):
    """An unknown code that is counted as `other`, with a draft of a row."""

    channel: str
    code: str
    message: str | None
    """The latest message, redacted."""
    last_seen: float
    """Unix time."""
    toml: str
    """A row to fill in and paste into a custom table."""


class OtherResults(msgspec.Struct, frozen=True):
    """The results of a channel that are counted under the code `other`."""

    channel: str
    results: int
    """Of all time."""
    results_last_hour: int


class UnknownHintStatus(msgspec.Struct, frozen=True):
    """A sender's unknown name of a channel, with the lines that make it an alias."""

    hint: str
    """As the sender writes it."""
    code: str
    """The latest code that came with it."""
    last_seen: float
    """Unix time."""
    toml: str
    """Lines to paste into a custom table."""


def unknown_codes(reading: Reading, newest: int | None = None) -> list[UnknownCodeStatus]:
    """Return the newest (or all) selected codes with a label, the last used first."""
    counted: dict[tuple[str, str], list[Counted]] = {}
    for count in reading.counted:
        if not count.series.table:
            counted.setdefault((count.series.channel, count.series.code), []).append(count)
    return [
        _unknown_code(one, counted.get((one.channel, one.code), []))
        for one in _labelled(reading)[:newest]
    ]


def _unknown_code(one: UnknownCode, counted: list[Counted]) -> UnknownCodeStatus:
    return UnknownCodeStatus(
        channel=one.channel,
        code=one.code,
        message=one.message,
        last_seen=one.last_used if one.seen else None,
        results=sum(count.total for count in counted),
        results_last_hour=sum(count.hour for count in counted),
        last_received=max((count.last_at for count in counted), default=None),
        toml=draft_row(one.channel, one.code, one.message),
    )


def other_codes(reading: Reading, newest: int | None = None) -> list[OtherCodeStatus]:
    """Return the newest (or all) selected codes counted as `other`, the last used first."""
    return [
        OtherCodeStatus(
            one.channel,
            one.code,
            one.message,
            one.last_used,
            draft_row(one.channel, one.code, one.message),
        )
        for one in _others(reading)[:newest]
    ]


def _labelled(reading: Reading) -> list[UnknownCode]:
    """Return the selected codes with a label; those of an app are the ones that it had."""
    selected = _selected(reading, reading.view.hub.unknown_codes.labelled)
    if not reading.selection.app:
        return selected
    counted = {one.series[:2] for one in reading.counted}
    return [one for one in selected if (one.channel, one.code) in counted]


def _others(reading: Reading) -> list[UnknownCode]:
    """Return the selected codes under `other`; of an app, those of channels on which it had any."""
    selected = _selected(reading, reading.view.hub.unknown_codes.others)
    if not reading.selection.app:
        return selected
    channels = {one.series.channel for one in reading.counted if one.series.code == OTHER}
    return [one for one in selected if one.channel in channels]


def _selected(reading: Reading, codes: Iterable[UnknownCode]) -> list[UnknownCode]:
    selected = (one for one in codes if reading.selection.shows(one.channel))
    return sorted(selected, key=lambda one: -one.last_used)


def unknown_by_channel(reading: Reading) -> dict[str, int]:
    """Return the number of unknown codes with a label of each channel, the most first."""
    numbers = Counter(one.channel for one in _labelled(reading))
    return dict(numbers.most_common())


def number_of_other(reading: Reading) -> int:
    """Return the number of selected codes that `other_codes` lists."""
    return len(_others(reading))


def other_results(reading: Reading) -> list[OtherResults]:
    """Return the selected channels with results under `other`, the most results first."""
    sums: dict[str, tuple[int, int]] = {}
    for one in reading.counted:
        if one.series.code == OTHER and not one.meaning.known:
            total, hour = sums.get(one.series.channel, (0, 0))
            sums[one.series.channel] = total + one.total, hour + one.hour
    rows = [OtherResults(channel, *results) for channel, results in sums.items()]
    return sorted(rows, key=lambda row: (-row.results_last_hour, -row.results))


def unknown_hints(reading: Reading) -> list[UnknownHintStatus]:
    """Return the unknown channel names, the last seen first."""
    if not reading.selection.shows(OTHER):
        return []
    rows = [
        UnknownHintStatus(one.hint, one.code, one.last_seen, draft_alias(one.hint))
        for one in reading.view.hub.unknown_codes.hints
    ]
    return sorted(rows, key=lambda row: -row.last_seen)
