"""What a finding is, and what all of them have in common."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from exporter.admin.history import WINDOW
from exporter.classification.alerts import DECLARATIONS, THRESHOLDS, Alert, AlertName

NAMED = 3
"""Codes or reasons that a finding names."""

_SMALL = 100
"""Below so many results or requests a share is written as two numbers."""


class Level(StrEnum):
    """The urgency of a finding, most urgent first."""

    TROUBLE = "trouble"
    ATTENTION = "attention"
    NOTE = "note"


LEVELS = {"critical": Level.TROUBLE, "warning": Level.ATTENTION, "info": Level.NOTE}
"""The level of the finding of an alert, by the alert's severity."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be."""

    level: Level
    title: str
    """What is wrong, without a capital letter."""
    detail: str
    """What it rests on."""
    action: str
    """What to do."""
    alert: Alert | None = None
    """The alert with the same thresholds."""
    channel: str | None = None
    """The channel that it is about; null if about several or none."""
    gateway: str | None = None
    """The gateway that it is about."""
    since: float | None = None
    """Unix time at which this exporter first found it."""


class Health(msgspec.Struct, frozen=True):
    """The state in one word, in one line, and the findings that it rests on."""

    state: str
    """`trouble`, `attention`, `quiet` or `ok`."""
    headline: str
    """The state and the most urgent finding."""
    findings: list[Finding]
    """The most urgent first."""
    elsewhere: Finding | None = None
    """The most urgent one outside the selection, unless it is a note."""
    window_minutes: int = WINDOW
    """Minutes that shares and numbers are taken of, unless a finding names another time."""
    caveat: str | None = None
    """Where all is well after a start: how few minutes say so."""


def declared(
    alert: AlertName,
    subject: str,
    detail: str,
    action: str | None = None,
    *,
    channel: str | None = None,
    gateway: str | None = None,
) -> Finding:
    """Make the finding of an alert, with the alert's advice unless there is a better action."""
    one = DECLARATIONS[alert]
    return Finding(
        LEVELS[one.severity],
        one.title.format(subject),
        detail,
        action or one.advice,
        Alert.named(alert),
        channel,
        gateway,
    )


def reaches(alert: AlertName, affected: int, total: int) -> bool:
    """Whether a number of results or requests reaches the thresholds of an alert."""
    one = DECLARATIONS[alert]
    number = THRESHOLDS[one.number] if one.number else 0
    share = THRESHOLDS[one.share] if one.share else 0
    return affected >= number and affected >= share * total


def describe(counts: Mapping[str, int], total: int, what: str) -> str:
    """Describe a share of results or requests (`what`), and what it consists of."""
    most = sorted(counts, key=lambda name: -counts[name])
    named = ", ".join(f"{name} ({counts[name]:,})" for name in most[:NAMED])
    more = f" and {len(most) - NAMED} more" if len(most) > NAMED else ""
    return f"{_share(sum(counts.values()), total, what)}: {named}{more}."


def _share(part: int, total: int, what: str) -> str:
    if part == total:
        return f"All {total:,} {what}" if total > 1 else f"The only {what.removesuffix('s')}"
    if total < _SMALL:
        return f"{part} of {total} {what}"
    percent = f"{part / total:.0%}" if part >= total / 100 else "Less than 1%"
    return f"{percent} of {total:,} {what}"
