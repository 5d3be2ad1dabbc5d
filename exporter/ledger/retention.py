"""Retention of the window's keys: commits expire by age, in groups."""

from collections import deque

from exporter.ledger.window import DeliveryWindow

_GROUPS = 1024
"""Number of groups in a full window. A group spans at most this fraction of the window's age and of
its capacity, which bounds both memory and the delay of expiry."""


class _Group:
    """Commits that expire together."""

    __slots__ = ("at", "begin", "end", "first_at", "number")

    def __init__(self, number: int, at: float, begin: int, end: int) -> None:
        self.number = number
        """The number of the first commit."""
        self.first_at = self.at = at
        """The times of the first and of the last commit."""
        self.begin, self.end = begin, end
        """The positions of their keys in the window."""


class Retention:
    """The commits of a window's keys, oldest first."""

    def __init__(self, window: DeliveryWindow, seconds: float) -> None:
        self._window = window
        self._seconds = seconds
        self._groups: deque[_Group] = deque()

    @property
    def oldest(self) -> int | None:
        """The number of the oldest commit in the window; None if the window is empty."""
        return self._groups[0].number if self._groups else None

    def age(self, now: float) -> float:
        """Return the age of the oldest keys in seconds, at most the age of expiry."""
        if not self._groups:
            return self._seconds
        return min(max(now - self._groups[0].at, 0), self._seconds)

    def note(self, number: int, at: float, end: int) -> None:
        """Assign the keys up to a position to a commit."""
        last = self._groups[-1] if self._groups else None
        if (
            last
            and at - last.first_at <= self._seconds / _GROUPS
            and end - last.begin <= self._window.capacity // _GROUPS
        ):
            last.at, last.end = max(last.at, at), end  # the clock may have been set back
        else:
            self._groups.append(_Group(number, at, last.end if last else self._window.begin, end))

    def expire(self, now: float) -> None:
        """Remove the commits that are too old, and those whose keys have been evicted."""
        while self._groups and (
            self._groups[0].at <= now - self._seconds or self._groups[0].end <= self._window.begin
        ):
            self._window.expire(self._groups.popleft().end)

    def clear(self) -> None:
        """Remove all keys."""
        self._groups.clear()
        self._window.expire(self._window.end)
