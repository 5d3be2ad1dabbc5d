"""The names that requests had most often: paths without a webhook, apps that are not declared."""

import time
from collections.abc import Callable

import msgspec

MAX_NAMES = 20


class SeenName(msgspec.Struct):
    """A name that requests had."""

    name: str
    """Redacted."""
    count: int
    """Since the start."""
    last_seen: float
    """Unix time."""


class FrequentNames:
    """The most frequent names; there are at most MAX_NAMES, however many were seen."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        """`redact` removes secrets from a name before it is kept."""
        self._redact = redact
        self._names: dict[str, SeenName] = {}

    def add(self, name: str, count: int = 1) -> None:
        """Count a name; a new one takes the place of the least frequent, the oldest of these."""
        shown = self._redact(name)
        known = self._names.get(shown)
        if known is None:
            if len(self._names) >= MAX_NAMES:
                least = min(self._names.values(), key=lambda one: (one.count, one.last_seen))
                del self._names[least.name]
            known = self._names[shown] = SeenName(shown, 0, 0.0)
        known.count += count
        known.last_seen = time.time()

    def most_frequent(self) -> list[SeenName]:
        """Return the names, the most frequent first."""
        return sorted(self._names.values(), key=lambda one: (-one.count, -one.last_seen))
