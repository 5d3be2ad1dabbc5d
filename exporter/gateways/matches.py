"""Whether a gateway's code path matches at all: silence is the fault that nobody sees."""

from collections import Counter

from exporter.reasons import ItemReason
from exporter.results import Batch

FIRST_ITEMS = 100
"""Items after which a path that matched in none of them is taken for wrong."""

_UNMATCHED = (ItemReason.CODE_MISSING, ItemReason.CODE_NULL)


class CodeMatches:
    """Counts, for each gateway, items and those that had a code; one object of the runtime."""

    def __init__(self) -> None:
        self._items: Counter[str] = Counter()
        self._matched: Counter[str] = Counter()

    def observe(self, gateway: str, batch: Batch) -> None:
        """Add a batch; skipped items are none that should have a code."""
        results = sum([group.items for group in batch.groups])
        rejected = sum([one.reason not in _UNMATCHED for one in batch.rejected])
        self._items[gateway] += results + len(batch.rejected)
        self._matched[gateway] += results - batch.defaulted + rejected

    def is_silent(self, gateway: str) -> bool:
        """Whether none of at least FIRST_ITEMS items had a code at the gateway's path."""
        return self._items[gateway] >= FIRST_ITEMS and not self._matched[gateway]
