"""The types of findings, and helpers to make them."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec
from msgspec import UNSET, UnsetType

from exporter.admin.formats import query_string, share
from exporter.admin.history import WINDOW
from exporter.classification.alerts import DECLARATIONS, Alert, AlertName
from exporter.classification.thresholds import THRESHOLDS

NAMED = 3
"""Number of codes or reasons that a finding names."""

_SMALL = 100
"""Smaller totals are written as numbers instead of percentages."""


class Level(StrEnum):
    """The urgency of a finding, most urgent first."""

    TROUBLE = "trouble"
    ATTENTION = "attention"
    NOTE = "note"


LEVELS = {"critical": Level.TROUBLE, "warning": Level.ATTENTION, "info": Level.NOTE}
"""The level of the finding of an alert, by the alert's severity."""


class Finding(msgspec.Struct, frozen=True):
    """A problem, with its figures and the action to take."""

    level: Level
    title: str
    """The problem; the first letter is lower case."""
    detail: str
    """The figures behind it."""
    action: str
    """The first thing to do."""
    alert: Alert | None = None
    """The alert with the same thresholds."""
    channel: str | None = None
    """The affected channel; null for several or none."""
    gateway: str | None = None
    """The affected gateway; null for none."""
    since: float | None = None
    """Unix time at which this exporter first detected it."""
    app: str | UnsetType = UNSET
    """The affected app; absent for several or none."""

    @property
    def query(self) -> str:
        """The query string that selects the affected app, channel or gateway in a runbook."""
        return query_string(app=self.app, channel=self.channel, source=self.gateway)


class Health(msgspec.Struct, frozen=True):
    """The overall state, and the findings behind it."""

    state: str
    """`trouble`, `attention`, `quiet` or `ok`."""
    headline: str
    """One line: the state and the most urgent finding."""
    findings: list[Finding]
    """The most urgent first."""
    elsewhere: Finding | None = None
    """The most urgent finding outside the selection; null if there are only notes."""
    window_minutes: int = WINDOW
    """Minutes covered by the figures, unless a finding states another period."""
    caveat: str | None = None
    """The short time observed since the start, if all is well."""


def declared(
    alert: AlertName,
    subject: str,
    detail: str,
    action: str | None = None,
    *,
    channel: str | None = None,
    gateway: str | None = None,
    app: str | None = None,
) -> Finding:
    """Make the finding of an alert; `action` replaces the alert's advice."""
    declaration = DECLARATIONS[alert]
    return Finding(
        LEVELS[declaration.severity],
        declaration.title.format(subject),
        detail,
        action or declaration.advice,
        Alert.named(alert),
        channel,
        gateway,
        app=app or UNSET,
    )


def reaches(alert: AlertName, affected: int, total: int) -> bool:
    """Whether `affected` of `total` reach the thresholds of an alert."""
    declaration = DECLARATIONS[alert]
    number = THRESHOLDS[declaration.number] if declaration.number else 0
    share = THRESHOLDS[declaration.share] if declaration.share else 0
    return affected >= number and affected >= share * total


def describe(counts: Mapping[str, int], total: int, what: str) -> str:
    """Describe the share of `counts` in `total`, and its largest parts."""
    most = sorted(counts, key=lambda name: -counts[name])
    named = ", ".join(f"{name} ({counts[name]:,})" for name in most[:NAMED])
    more = f" and {len(most) - NAMED} more" if len(most) > NAMED else ""
    return f"{_share(sum(counts.values()), total, what)}: {named}{more}."


def _share(part: int, total: int, what: str) -> str:
    if part == total:
        return f"All {total:,} {what}" if total > 1 else f"The only {what.removesuffix('s')}"
    if total < _SMALL:
        return f"{part} of {total} {what}"
    percent = share(part, total).replace("<", "Less than ").replace(">", "More than ")
    return f"{percent} of {total:,} {what}"
