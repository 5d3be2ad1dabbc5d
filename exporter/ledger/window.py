"""The deduplication keys of the last commits: the newest million, in the order of their commits.

A `dict` would take three times the memory, and a B-tree on disk would dirty a page for each key.
Here is a ring of keys, and over it a hash table of chains: each bucket knows its newest key, and
each key the next older one of its bucket. Positions only grow, so that a link which leads out of
the ring, or to what has expired, is known by its number. A key takes 32 bytes; memory is taken as
the window fills, and is flat from then on.
"""

from array import array
from collections.abc import Collection, Sequence
from enum import Enum

CAPACITY = 1 << 20
"""Keys that are remembered by default; the three arrays take 32 MiB once it is full."""

_BUCKETS = 2  # for each key, so that most chains end where they begin
_FEW = 8  # buckets for each key, below which there are more buckets made
_GROWTH = 64  # times as many
_BYTES = 8  # of a number in the arrays


class Seen(Enum):
    """What the window knows of a request with a key and a content."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class DeliveryWindow:
    """The last 64-bit keys, each at a position of its own."""

    def __init__(self, capacity: int = CAPACITY, *, step: int = 1 << 14) -> None:
        """`step` is the number of keys for which memory is taken at once."""
        self.capacity = 1 << (capacity - 1).bit_length()
        """How many keys are remembered at most: the next power of two."""
        self.begin = self.end = self.capacity
        """The positions of the oldest key and of the next new one. None is 0: no key is there."""
        self._keys = array("Q")
        self._older = array("Q")
        self._newest = array("Q", bytes(_BYTES * _BUCKETS * min(self.capacity, step)))
        self._step = step
        self._grown_at = 0
        """The position at which there were last more buckets made."""

    @property
    def full(self) -> bool:
        """Whether each further key evicts the oldest."""
        return self.end - self.begin == self.capacity

    def add(self, keys: Collection[int]) -> list[int]:
        """Remember keys; return those that were not remembered yet."""
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
        """Take the memory for so many keys more, a step at a time as the window fills."""
        reached = self.end - self.capacity + number
        if reached > len(self._keys) < self.capacity:
            step = min(-(-reached // self._step) * self._step, self.capacity) - len(self._keys)
            self._keys.frombytes(bytes(_BYTES * step))
            self._older.frombytes(bytes(_BYTES * step))
        buckets, most = len(self._newest), _BUCKETS * self.capacity
        if (self.end - self.begin + number) * _FEW > buckets < most:
            # Each part begins with the same chains, whose keys of other buckets make them longer:
            # so they have to be few.
            self._newest *= min(_GROWTH, most // buckets)
            self._grown_at = self.end

    def add_request(self, key: int, content: int) -> Seen:
        """Remember a key together with the hash of key and body.

        The key lies before its content. So it is evicted first, and what is left of the two means
        that the request is new, and never that it conflicts.
        """
        seen = self.look_up(key, content)
        if seen is Seen.NEW:
            # The content even if it is known: that of an evicted key is the next to be evicted.
            self.extend((key, content))
        return seen

    def look_up(self, key: int, content: int = 0) -> Seen:
        """Return what is known of a key, and of its content if it has one; remember nothing."""
        if self._find(key) is None:
            return Seen.NEW
        return Seen.CONFLICT if content and self._find(content) is None else Seen.DUPLICATE

    def extend(self, keys: Sequence[int]) -> None:
        """Remember keys without a look whether they are known."""
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
        """Forget some keys of a commit that is durable."""
        for key in keys:
            while (position := self._find(key)) is not None:
                # A key of another bucket is never found by way of this one.
                self._keys[position & (self.capacity - 1)] = key ^ 1

    def rollback(self, end: int) -> None:
        """Forget the keys from this position on, since their commit failed."""
        if self.begin >= end:  # no others are left: they have evicted them, or all have expired
            self.begin = self.end
            return
        place, bucket_mask = self.capacity - 1, len(self._newest) - 1
        for position in range(self.end - 1, end - 1, -1):
            key = self._keys[position & place]
            self._newest[key & bucket_mask] = self._older[position & place]
        if self._grown_at > end:  # and other buckets may begin with these keys, too
            for bucket, head in enumerate(self._newest):
                position = head
                while position >= end:
                    position = self._older[position & place]
                self._newest[bucket] = position
        self.end = end

    def expire(self, end: int) -> None:
        """Forget the keys before this position, since they are too old."""
        self.begin = max(self.begin, end)

    def _find(self, key: int) -> int | None:
        position = self._newest[key & (len(self._newest) - 1)]
        place = self.capacity - 1
        while position >= self.begin:
            if self._keys[position & place] == key:
                return position
            position = self._older[position & place]
        return None
