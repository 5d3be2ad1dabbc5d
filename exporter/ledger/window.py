"""The deduplication window in memory: by default the newest million keys, in commit order.

A ring buffer of keys, indexed by a hash table with chaining: each bucket has the position of its
newest key, and each key that of the next older key in its bucket. Positions only grow, so a link
to an evicted or expired key is recognized by its position. A key takes 32 bytes. Memory is
allocated as the window fills, and constant once it is full. A `dict` would take three times the
memory, and a B-tree on disk would dirty a page per key.
"""

from array import array
from collections.abc import Collection, Sequence
from enum import Enum

CAPACITY = 1 << 20
"""Default maximum number of keys; the three arrays of a full window take 32 MiB."""

_BUCKETS_PER_KEY = 2  # so that most chains have one key
_MIN_BUCKETS_PER_KEY = 8  # below this the table grows, until it has its full size
_GROWTH_FACTOR = 64
_KEY_BYTES = 8


class Seen(Enum):
    """Whether the window has a key, and with which content."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class DeliveryWindow:
    """The last 64-bit keys, each at its position."""

    def __init__(self, capacity: int = CAPACITY, *, step: int = 1 << 14) -> None:
        """`step` is the number of keys for which memory is allocated at a time."""
        self.capacity = 1 << (capacity - 1).bit_length()
        """The maximum number of keys, rounded up to a power of two."""
        self.begin = self.end = self.capacity
        """The positions of the oldest key and of the next new key. 0 is the end of a chain."""
        self._keys = array("Q")
        self._older = array("Q")
        self._newest = array("Q", bytes(_KEY_BYTES * _BUCKETS_PER_KEY * min(self.capacity, step)))
        self._step = step
        self._grown_at = 0
        """The position at which the hash table last grew."""

    @property
    def full(self) -> bool:
        """Whether each further key evicts the oldest."""
        return self.end - self.begin == self.capacity

    def add(self, keys: Collection[int]) -> list[int]:
        """Add keys; return the new keys."""
        self.reserve(len(keys))
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

    def reserve(self, number: int) -> None:
        """Allocate memory for a number of further keys, in steps as the window fills."""
        reached = self.end - self.capacity + number
        if reached > len(self._keys) < self.capacity:
            step = min(-(-reached // self._step) * self._step, self.capacity) - len(self._keys)
            self._keys.frombytes(bytes(_KEY_BYTES * step))
            self._older.frombytes(bytes(_KEY_BYTES * step))
        buckets, most = len(self._newest), _BUCKETS_PER_KEY * self.capacity
        if (self.end - self.begin + number) * _MIN_BUCKETS_PER_KEY > buckets < most:
            # Each copy starts with the same chains, which include keys of other buckets: grow
            # early, while these keys are few.
            self._newest *= min(_GROWTH_FACTOR, most // buckets)
            self._grown_at = self.end

    def add_request(self, key: int, content: int) -> Seen:
        """Add a key with its content, the hash of key and body, if the key is new.

        The key precedes its content and is evicted first. A content without its key then means
        that the request is new, never that it conflicts.
        """
        seen = self.look_up(key, content)
        if seen is Seen.NEW:
            # Add the content even if it is present: its key was evicted, so it is evicted next.
            self.extend((key, content))
        return seen

    def look_up(self, key: int, content: int = 0) -> Seen:
        """Return whether a key is known, and with this content, without adding it."""
        if self._find(key) is None:
            return Seen.NEW
        return Seen.CONFLICT if content and self._find(content) is None else Seen.DUPLICATE

    def extend(self, keys: Sequence[int]) -> None:
        """Add keys without looking them up."""
        self.reserve(len(keys))
        ring, older, newest = self._keys, self._older, self._newest
        place, bucket_mask = self.capacity - 1, len(newest) - 1
        end = self.end
        for key in keys:
            bucket = key & bucket_mask
            ring[end & place] = key
            older[end & place] = newest[bucket]
            newest[bucket] = end
            end += 1
        self.end = end
        self.begin = max(self.begin, end - self.capacity)

    def remove(self, *keys: int) -> None:
        """Remove keys of a durable commit."""
        for key in keys:
            while (position := self._find(key)) is not None:
                # A key of another bucket is never found through this bucket.
                self._keys[position & (self.capacity - 1)] = key ^ 1

    def rollback(self, end: int) -> None:
        """Remove the keys from a position on, because their commit failed."""
        if self.begin >= end:  # all earlier keys were evicted or have expired
            self.begin = self.end
            return
        place, bucket_mask = self.capacity - 1, len(self._newest) - 1
        for position in range(self.end - 1, end - 1, -1):
            key = self._keys[position & place]
            self._newest[key & bucket_mask] = self._older[position & place]
        if self._grown_at > end:  # copied buckets may start with these keys, too
            for bucket, head in enumerate(self._newest):
                position = head
                while position >= end:
                    position = self._older[position & place]
                self._newest[bucket] = position
        self.end = end

    def expire(self, end: int) -> None:
        """Remove the keys before a position, because they are too old."""
        self.begin = max(self.begin, end)

    def _find(self, key: int) -> int | None:
        position = self._newest[key & (len(self._newest) - 1)]
        place = self.capacity - 1
        while position >= self.begin:
            if self._keys[position & place] == key:
                return position
            position = self._older[position & place]
        return None
