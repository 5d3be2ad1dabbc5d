"""The delivery keys of the last commits, in one flat array.

A `dict` would take seven times the memory, and a B-tree on disk would dirty a page for each
key. Here are two hash tables of fixed size, of keys and the numbers of their commits: when the
younger is full it becomes the elder, and the elder is dropped. So the last `capacity` keys are
always remembered, at most twice as many, and memory is flat. The tables share an array, place by
place, because a search reads the same place of both, and memory that is far apart is slow.
"""

from array import array
from collections.abc import Iterable

SLOTS = 1 << 20
"""Places of a table; the two tables take 32 MiB."""

_LOAD = 0.5  # so that a search ends after two or three places
_WIDTH = 4  # a place: key and number of one table, key and number of the other


class DeliveryWindow:
    """A map from 64-bit delivery keys to the number of the commit that counted them.

    A key is remembered while its commit is `oldest` or younger. Commits count from 1.
    """

    def __init__(self, slots: int = SLOTS) -> None:
        self.oldest = 1
        """The number of the oldest commit whose keys still count."""
        self.capacity = int(slots * _LOAD)
        # Open addressing; a key of 0 marks a free place.
        self._tables = array("Q", [0]) * (_WIDTH * slots)
        self._young = 0  # where in a place the younger table is: 0 or 2
        self._size = 0  # places taken in the younger table

    def add(self, keys: Iterable[int], number: int) -> list[int]:
        """Remember keys as counted by this commit; return those that were not remembered yet."""
        new = []
        oldest, tables, young = self.oldest, self._tables, self._young
        mask = len(tables) - 1
        for key in keys:
            key = key or 1  # noqa: PLW2901 - 0 marks a free place
            # `_find` written out twice, for this loop is much of what a result with an id costs.
            home = key * _WIDTH & mask
            place = home + 2 - young
            while (held := tables[place]) and held != key:
                place = place + _WIDTH & mask
            if held and tables[place + 1] >= oldest:
                continue
            place = home + young
            while (held := tables[place]) and held != key:
                place = place + _WIDTH & mask
            if held and tables[place + 1] >= oldest:
                continue
            if not held:
                if self._size >= self.capacity:
                    young = self._turn()
                    place = home + young
                tables[place] = key
                self._size += 1
            tables[place + 1] = number
            new.append(key)
        return new

    def forget(self, keys: Iterable[int]) -> None:
        """Take back an `add` whose commit failed."""
        for key in keys:
            for table in (0, 2):
                self._tables[self._find(key or 1, table) + 1] = 0

    def _find(self, key: int, table: int) -> int:
        """Find the place of a key, or the free one where it would go; its number is 0 there."""
        tables = self._tables
        mask = len(tables) - 1
        place = (key * _WIDTH & mask) + table
        while (held := tables[place]) and held != key:
            place = place + _WIDTH & mask
        return place

    def _turn(self) -> int:
        """Make the younger table the elder, and the elder, cleared where it lies, the younger."""
        self._young, self._size = 2 - self._young, 0
        length = len(self._tables)
        step = min(length, _WIDTH << 12)  # bit by bit, or the zeros would take megabytes, too
        free = array("Q", [0]) * (step // _WIDTH)
        for start in range(0, length, step):
            for column in (start + self._young, start + self._young + 1):
                self._tables[column : start + step : _WIDTH] = free
        return self._young
