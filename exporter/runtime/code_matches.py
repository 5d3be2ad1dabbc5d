"""Detects a description whose code path never matches."""

from collections import Counter

FIRST_ITEMS = 100
"""Items after which a path that matched in none of them is taken for wrong."""


class CodeMatches:
    """Counts the items of each gateway until one has a code."""

    def __init__(self) -> None:
        self._without: Counter[str] = Counter()
        """Items of the gateways none of whose items has had a code yet."""
        self._matched: set[str] = set()

    def observe(self, gateway: str, items: int, without_code: int) -> None:
        """Add the items of a request, and those of them in which no path matched."""
        if gateway in self._matched:
            return
        if items > without_code:
            self._matched.add(gateway)
        self._without[gateway] += without_code

    def unmatched(self, gateway: str) -> int:
        """Return the number of items so far, if none has had a code; else 0."""
        return 0 if gateway in self._matched else self._without[gateway]

    def is_silent(self, gateway: str) -> bool:
        """Whether none of at least FIRST_ITEMS items had a code at the gateway's path."""
        return self.unmatched(gateway) >= FIRST_ITEMS

    def update(self, _snapshot: object) -> None:
        """Begin again: the descriptions may have changed."""
        self._without.clear()
        self._matched.clear()
