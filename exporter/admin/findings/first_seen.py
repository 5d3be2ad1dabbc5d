"""Tracks since when each finding has been present."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec import UnsetType

from exporter.admin.findings.finding import Finding

FORGET_SECONDS = 300.0
"""Absence in seconds after which a finding is new; figures near a threshold fluctuate."""

_Key = tuple[str, str | None, str | None, str | UnsetType]
"""Alert or title, channel, gateway, app."""


class _Seen(NamedTuple):
    first: float
    last: float


class FirstSeen:
    """The times at which the present findings were first detected."""

    def __init__(self) -> None:
        self._seen: dict[_Key, _Seen] = {}

    def note(self, findings: Iterable[Finding], now: float) -> list[Finding]:
        """Return the findings at a Unix time, each with the time of its first detection."""
        noted = []
        for finding in findings:
            key = (
                finding.alert.name if finding.alert else finding.title,
                finding.channel,
                finding.gateway,
                finding.app,
            )
            seen = self._seen.get(key)
            # The clock may have been set back.
            first = min(seen.first, now) if seen and now - seen.last <= FORGET_SECONDS else now
            self._seen[key] = _Seen(first, now)
            noted.append(msgspec.structs.replace(finding, since=first))
        for key, seen in list(self._seen.items()):
            if now - seen.last > FORGET_SECONDS:
                del self._seen[key]
        return noted
