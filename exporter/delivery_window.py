"""The delivery keys of the last commits, in flat arrays.

A `dict` would take seven times the memory, and a B-tree on disk would dirty a page for each
key. Here a key and the number of its commit lie side by side in one of two hash tables of fixed
size: when the younger is full it becomes the elder, and the elder is dropped. So the last
`capacity` keys are always remembered, at most twice as many, and memory is flat.
"""

import ctypes
from array import array
from collections.abc import Iterable

SLOTS = 1 << 20
"""Places of one table; a table takes 16 MiB."""

_LOAD = 0.5  # so that a search ends after two or three places


class DeliveryWindow:
    """A map from 64-bit delivery keys to the number of the commit that counted them.

    A key is remembered while its commit is `oldest` or younger. Commits count from 1.
    """

    def __init__(self, slots: int = SLOTS) -> None:
        self.oldest = 1
        """The number of the oldest commit whose keys still count."""
        self.capacity = int(slots * _LOAD)
        self._young = _table(slots)
        self._elder = _table(slots)
        self._size = 0  # places taken in the younger table

    def add(self, keys: Iterable[int], number: int) -> list[int]:
        """Remember keys as counted by this commit; return those that were not remembered yet."""
        new = []
        oldest = self.oldest
        for key in keys:
            key = key or 1  # noqa: PLW2901 - 0 marks a free place
            if self._size >= self.capacity:
                self._turn()
            elder, young = self._elder, self._young
            if elder[_place(elder, key) + 1] >= oldest:
                continue
            place = _place(young, key)
            if not young[place]:
                young[place] = key
                self._size += 1
            elif young[place + 1] >= oldest:
                continue
            young[place + 1] = number
            new.append(key)
        return new

    def _turn(self) -> None:
        """Make the younger table the elder, and the elder, cleared where it lies, the younger."""
        self._elder, self._young, self._size = self._young, self._elder, 0
        address, items = self._young.buffer_info()
        ctypes.memset(address, 0, items * self._young.itemsize)

    def forget(self, keys: Iterable[int]) -> None:
        """Take back an `add` whose commit failed."""
        for key in keys:
            for table in (self._young, self._elder):
                table[_place(table, key or 1) + 1] = 0


def _table(slots: int) -> "array[int]":
    """Make an open-addressing hash table: key, number, key, number, …, all 0."""
    return array("Q", [0]) * (2 * slots)


def _place(table: "array[int]", key: int) -> int:
    """Find the index of a key, or of the free place where it would go; its number is 0 there."""
    mask = len(table) - 1
    place = key * 2 & mask
    while (held := table[place]) and held != key:
        place = place + 2 & mask
    return place
