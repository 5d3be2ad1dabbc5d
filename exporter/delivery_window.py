"""The delivery keys of the last commits, in a few flat arrays.

A `dict` would take ten times the memory (about 120 bytes a key), and a B-tree on disk would
dirty a page for each key. Here a key costs 16 bytes a slot in one of two hash tables of fixed
size: when the younger is full it becomes the elder, and the elder is dropped. So the last
`capacity` keys are always remembered, at most twice as many, and memory is flat.
"""

from array import array

SLOTS = 1 << 20
"""Slots of one table; two tables take 32 MiB."""

_LOAD = 0.75  # linear probing stays short up to here


class DeliveryWindow:
    """A map from 64-bit delivery keys to the number of the commit that counted them.

    A key is remembered while its commit is `oldest` or younger.
    """

    def __init__(self, slots: int = SLOTS) -> None:
        self.oldest = 1
        """The number of the oldest commit whose keys still count."""
        self.capacity = int(slots * _LOAD)
        self._slots = slots
        self._young = _Table(slots)
        self._elder = _Table(1)

    def add(self, key: int, number: int) -> bool:
        """Remember the key as counted by this commit; False if it is remembered already."""
        key = key or 1  # 0 marks an empty slot
        if self._elder.number(key) >= self.oldest:
            return False
        if self._young.size >= self.capacity:
            self._elder, self._young = self._young, _Table(self._slots)
            return self.add(key, number)
        return self._young.put(key, number, self.oldest)

    def forget(self, key: int) -> None:
        """Take back an `add` whose commit failed."""
        self._young.forget(key or 1)
        self._elder.forget(key or 1)


class _Table:
    """An open-addressing hash table from keys to numbers; both start at 1."""

    def __init__(self, slots: int) -> None:
        self.size = 0
        self._mask = slots - 1
        self._keys = array("Q", bytes(8 * slots))
        self._numbers = array("Q", bytes(8 * slots))

    def number(self, key: int) -> int:
        slot = self._slot(key)
        return self._numbers[slot] if self._keys[slot] else 0

    def put(self, key: int, number: int, oldest: int) -> bool:
        slot = self._slot(key)
        if not self._keys[slot]:
            self._keys[slot] = key
            self.size += 1
        elif self._numbers[slot] >= oldest:
            return False
        self._numbers[slot] = number
        return True

    def forget(self, key: int) -> None:
        slot = self._slot(key)
        if self._keys[slot]:
            self._numbers[slot] = 0

    def _slot(self, key: int) -> int:
        """Find the key's slot, or the empty one where it would go."""
        keys, mask = self._keys, self._mask
        slot = key & mask
        while (held := keys[slot]) and held != key:
            slot = (slot + 1) & mask
        return slot
