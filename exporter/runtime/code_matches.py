"""Detects a description whose path to the status code never matches."""

from collections import Counter

FIRST_ITEMS = 100
"""Number of items after which a path without any match is considered wrong."""


class CodeMatches:
    """Counts the items of each gateway until one has a code."""

    def __init__(self) -> None:
        self._without: Counter[str] = Counter()
        """Items without a code, by gateway."""
        self._matched: set[str] = set()

    def observe(self, gateway: str, items: int, without_code: int) -> None:
        """Add the numbers of items of a request, and of those without a code."""
        if gateway in self._matched:
            return
        if items > without_code:
            self._matched.add(gateway)
        self._without[gateway] += without_code

    def unmatched(self, gateway: str) -> int:
        """Return the number of items so far if no item had a code, else 0."""
        return 0 if gateway in self._matched else self._without[gateway]

    def is_silent(self, gateway: str) -> bool:
        """Whether there were at least FIRST_ITEMS items, and none had a code."""
        return self.unmatched(gateway) >= FIRST_ITEMS

    def update(self, _snapshot: object) -> None:
        """Reset the counts: the descriptions may have changed."""
        self._without.clear()
        self._matched.clear()
