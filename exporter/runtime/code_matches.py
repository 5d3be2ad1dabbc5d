"""Whether a gateway's code path matches at all: silence is the fault that nobody sees."""

from collections import Counter

from exporter.errors import ItemReason
from exporter.results import DecodedItems

FIRST_ITEMS = 100
"""Items after which a path that matched in none of them is taken for wrong."""

_UNMATCHED = (ItemReason.CODE_MISSING, ItemReason.CODE_NULL)


class CodeMatches:
    """Counts the items of a gateway until one has a code; one object of the runtime."""

    def __init__(self) -> None:
        self._without: Counter[str] = Counter()
        """Items of the gateways that had none with a code yet."""
        self._matched: set[str] = set()

    def observe(self, gateway: str, batch: DecodedItems) -> None:
        """Add a batch; skipped items are none that should have a code."""
        if gateway in self._matched:
            return
        results = sum([group.items for group in batch.groups])
        without = sum([one.reason in _UNMATCHED for one in batch.rejected]) + batch.defaulted
        if results + len(batch.rejected) > without:
            self._matched.add(gateway)
        self._without[gateway] += without

    def is_silent(self, gateway: str) -> bool:
        """Whether none of at least FIRST_ITEMS items had a code at the gateway's path."""
        return gateway not in self._matched and self._without[gateway] >= FIRST_ITEMS
