"""The most frequent names in requests: paths without a webhook, undeclared apps."""

import time
from collections.abc import Callable

import msgspec

MAX_NAMES = 20


class SeenName(msgspec.Struct):
    """A name in requests."""

    name: str
    """The name, redacted."""
    count: int
    """The number of occurrences since the start."""
    last_seen: float
    """Unix time."""


class FrequentNames:
    """The most frequent names, at most MAX_NAMES."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        """`redact` removes secrets from a name before it is stored."""
        self._redact = redact
        self._names: dict[str, SeenName] = {}

    def add(self, name: str, count: int = 1) -> None:
        """Count a name; at MAX_NAMES, a new name evicts the oldest of the least frequent names."""
        shown = self._redact(name)
        known = self._names.get(shown)
        if known is None:
            if len(self._names) >= MAX_NAMES:
                least = min(self._names.values(), key=lambda seen: (seen.count, seen.last_seen))
                del self._names[least.name]
            known = self._names[shown] = SeenName(shown, 0, 0.0)
        known.count += count
        known.last_seen = time.time()

    def most_frequent(self) -> list[SeenName]:
        """Return the names, the most frequent first."""
        return sorted(self._names.values(), key=lambda seen: (-seen.count, -seen.last_seen))
