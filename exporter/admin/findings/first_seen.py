"""Since when each finding holds, as far as this process has seen it."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from exporter.admin.findings.finding import Finding

FORGET_SECONDS = 300.0
"""A finding that was absent for longer is a new one: numbers near a threshold come and go."""

_Key = tuple[str, str | None, str | None]


class _Seen(NamedTuple):
    first: float
    last: float


class FirstSeen:
    """When each finding was first seen; the findings are looked for every minute."""

    def __init__(self) -> None:
        self._seen: dict[_Key, _Seen] = {}

    def note(self, findings: Iterable[Finding], now: float) -> list[Finding]:
        """Return the findings of a moment (Unix time) with the time since when they hold."""
        noted = []
        for one in findings:
            key = one.alert.name if one.alert else one.title, one.channel, one.gateway
            seen = self._seen.get(key)
            first = seen.first if seen and now - seen.last <= FORGET_SECONDS else now
            self._seen[key] = _Seen(first, now)
            noted.append(msgspec.structs.replace(one, since=first))
        for key, seen in list(self._seen.items()):
            if now - seen.last > FORGET_SECONDS:
                del self._seen[key]
        return noted
