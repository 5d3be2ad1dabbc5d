"""The delivery keys of the last commits: the newest million, in the order in which they came.

A `dict` would take three times the memory, and a B-tree on disk would dirty a page for each key.
Here is a ring of keys, and over it a hash table of chains: each bucket knows its newest key, and
each key the next older one of its bucket. Positions count up for ever, so that a link which leads
out of the ring, or to what has been let go of, is known by its number. Memory is flat.
"""

from array import array
from collections.abc import Iterable

CAPACITY = 1 << 20
"""Keys that are remembered; the three arrays take 32 MiB."""

_BUCKETS = 2  # for each key, so that most chains end where they begin


class DeliveryWindow:
    """The last 64-bit delivery keys, each at a position of its own."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        """How many keys are remembered at most: a power of two."""
        self.begin = self.end = capacity
        """The positions of the oldest key and of the next new one. None is 0: no key is there."""
        self._keys = array("Q", [0]) * capacity
        self._older = array("Q", [0]) * capacity
        self._newest = array("Q", [0]) * (_BUCKETS * capacity)

    def add(self, keys: Iterable[int]) -> list[int]:
        """Remember keys; return those that were not remembered yet."""
        new = []
        ring, older, newest, capacity = self._keys, self._older, self._newest, self.capacity
        place, bucket_mask = capacity - 1, len(newest) - 1
        begin, end = self.begin, self.end
        for key in keys:
            bucket = key & bucket_mask
            position = head = newest[bucket]
            while position >= begin:
                if ring[position & place] == key:
                    break
                position = older[position & place]
            else:
                ring[end & place] = key
                older[end & place] = head
                newest[bucket] = end
                end += 1
                if end - begin > capacity:
                    begin += 1
                new.append(key)
        self.begin, self.end = begin, end
        return new

    def take_back(self, end: int) -> None:
        """Forget the keys from this position on, since their commit failed."""
        if self.begin >= end:  # no others are left: they have pushed them out, or all are old
            self.begin = self.end
            return
        place, bucket_mask = self.capacity - 1, len(self._newest) - 1
        for position in range(self.end - 1, end - 1, -1):
            key = self._keys[position & place]
            self._newest[key & bucket_mask] = self._older[position & place]
        self.end = end

    def forget(self, end: int) -> None:
        """Let go of the keys before this position, since they are too old."""
        self.begin = max(self.begin, end)
