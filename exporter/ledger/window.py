"""The deduplication window in memory: by default the newest million keys, in commit order.

A ring buffer of keys, indexed by a hash table with chaining: each bucket has the position of its
newest key, and each key the distance to the next older key in its bucket. Positions only grow, so a
link to an evicted or expired key is recognized by its distance. A key takes 20 bytes. Memory is
allocated as the window fills, and constant once it is full. A `dict` would take five times the
memory, and a B-tree on disk would dirty a page per key.

The table has the last 32 bits of a position. A link that is 2³² keys old therefore leads to a newer
key, which is compared like any other: it costs time, and never an answer.
"""

import os
from array import array
from collections.abc import Collection, Iterable, Sequence
from enum import Enum
from functools import cache
from importlib import import_module

CAPACITY = 1 << 20
"""Default maximum number of keys; the three arrays of a full window take 20 MiB."""

_BUCKETS_PER_KEY = 2  # so that most chains have one key
_MIN_BUCKETS_PER_KEY = 8  # below this the table grows, until it has its full size
_GROWTH_FACTOR = 64
_KEY_BYTES, _LINK_BYTES = 8, 4
_END = 0xFFFF_FFFF
"""The mask of a position in the hash table, and the distance at the end of a chain."""


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
        """The positions of the oldest key and of the next new key. No key has position 0, which an
        empty bucket has."""
        self._keys = array("Q")
        self._older = array("I")
        self._newest = array("I", bytes(_LINK_BYTES * _BUCKETS_PER_KEY * min(self.capacity, step)))
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
        slots, bucket_mask = capacity - 1, len(newest) - 1
        end = self.end
        size = end - self.begin
        for key in keys:
            bucket = key & bucket_mask
            distance = head = (end - newest[bucket]) & _END or _END
            while distance <= size:
                slot = (end - distance) & slots
                if ring[slot] == key:
                    break
                distance += older[slot]
            else:
                slot = end & slots
                ring[slot] = key
                older[slot] = head
                newest[bucket] = end & _END
                end += 1
                if size < capacity:
                    size += 1
                new.append(key)
        self.begin, self.end = end - size, end
        return new

    def reserve(self, number: int) -> None:
        """Allocate memory for a number of further keys, in steps as the window fills."""
        reached = self.end - self.capacity + number
        if reached > len(self._keys) < self.capacity:
            step = min(-(-reached // self._step) * self._step, self.capacity) - len(self._keys)
            self._keys.frombytes(bytes(_KEY_BYTES * step))
            self._older.frombytes(bytes(_LINK_BYTES * step))
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
        self._link(keys, range(self.end, self.end + len(keys)))
        self._advance(len(keys))

    def fill(self, keys: "array[int]") -> None:
        """Add many keys without looking them up, ten times as fast as `extend`; needs numpy."""
        self.reserve(len(keys))
        start = 0
        while start < len(keys):
            slot = self.end & (self.capacity - 1)
            part = keys[start : start + self.capacity - slot]
            self._fill_slots(slot, part)
            self._advance(len(part))
            start += len(part)

    def _fill_slots(self, slot: int, keys: "array[int]") -> None:
        """Store keys in consecutive slots, each as the newest of its bucket."""
        import numpy as np  # noqa: PLC0415 - takes 20 MB, for windows that are larger than that

        newest, older = (
            np.frombuffer(self._newest, np.uint32),
            np.frombuffer(self._older, np.uint32),
        )
        positions = np.arange(self.end, self.end + len(keys), dtype=np.uint64).astype(np.uint32)
        buckets = np.frombuffer(keys, np.uint64) & np.uint64(len(newest) - 1)
        heads = newest[buckets]
        newest[buckets] = positions
        self._keys[slot : slot + len(keys)] = keys
        older[slot : slot + len(keys)] = np.maximum(positions - heads, 1)
        lost = np.flatnonzero(newest[buckets] != positions)
        if lost.size:  # several of these keys have one bucket: link those in order
            kept = newest[buckets[lost]] - positions[0]
            places = np.union1d(lost, kept)
            newest[buckets[places]] = heads[places]
            self._link((keys[place] for place in places), (self.end + places).tolist())

    def _link(self, keys: Iterable[int], positions: Iterable[int]) -> None:
        """Store keys at positions, each as the newest of its bucket."""
        ring, older, newest = self._keys, self._older, self._newest
        slots, bucket_mask = self.capacity - 1, len(newest) - 1
        for key, position in zip(keys, positions, strict=True):
            bucket, slot = key & bucket_mask, position & slots
            ring[slot] = key
            older[slot] = (position - newest[bucket]) & _END or _END
            newest[bucket] = position & _END

    def _advance(self, number: int) -> None:
        """Move the end past further keys, which evict the oldest."""
        self.end += number
        self.begin = max(self.begin, self.end - self.capacity)

    def remove(self, *keys: int) -> None:
        """Remove keys of a durable commit."""
        for key in keys:
            while (slot := self._find(key)) is not None:
                # A key of another bucket is never found through this bucket.
                self._keys[slot] = key ^ 1

    def rollback(self, end: int) -> None:
        """Remove the keys from a position on, because their commit failed."""
        if self.begin >= end:  # all earlier keys were evicted or have expired
            self.begin = self.end
            return
        slots, bucket_mask = self.capacity - 1, len(self._newest) - 1
        for position in range(self.end - 1, end - 1, -1):
            slot = position & slots
            bucket = self._keys[slot] & bucket_mask
            self._newest[bucket] = (position - self._older[slot]) & _END
        if self._grown_at > end:  # copied buckets may start with these keys, too
            for bucket, head in enumerate(self._newest):
                distance = (self.end - head) & _END or _END
                while distance <= self.end - end:
                    distance += self._older[(self.end - distance) & slots]
                self._newest[bucket] = (self.end - distance) & _END
        self.end = end

    def expire(self, end: int) -> None:
        """Remove the keys before a position, because they are too old."""
        self.begin = max(self.begin, end)

    def _find(self, key: int) -> int | None:
        """Return the slot of a key, if it is in the window."""
        distance = (self.end - self._newest[key & (len(self._newest) - 1)]) & _END or _END
        while distance <= self.end - self.begin:
            slot = (self.end - distance) & (self.capacity - 1)
            if self._keys[slot] == key:
                return slot
            distance += self._older[slot]
        return None


@cache
def has_numpy() -> bool:
    """Import numpy, which takes half a second; return False if the processor is too old for it."""
    # OpenBLAS, which numpy brings, would start a thread per core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        import_module("numpy")
    except (ImportError, RuntimeError):
        return False
    return True
