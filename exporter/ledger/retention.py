"""How long the window remembers the keys of a commit: by age, in groups of commits."""

from collections import deque

from exporter.ledger.window import DeliveryWindow

_GROUPS = 1024
"""Commits share a group within this part of the window's age and of its keys: memory for a day of
commits stays small, and no key expires later than by this part of a day."""


class _Group:
    """Commits that expire together."""

    __slots__ = ("at", "begin", "end", "first_at", "number")

    def __init__(self, number: int, at: float, begin: int, end: int) -> None:
        self.number = number
        """That of the first commit."""
        self.first_at = self.at = at
        """The time of the first and of the last commit."""
        self.begin, self.end = begin, end
        """Where their keys begin and end in the window."""


class Retention:
    """Which commits the keys of a window belong to, oldest first."""

    def __init__(self, window: DeliveryWindow, seconds: float) -> None:
        self._window = window
        self._seconds = seconds
        self._groups: deque[_Group] = deque()

    @property
    def oldest(self) -> int | None:
        """The number of the first commit whose keys are remembered, if any is."""
        return self._groups[0].number if self._groups else None

    def age(self, now: float) -> float:
        """Return the age of the oldest keys in seconds, at most that at which they expire."""
        if not self._groups:
            return self._seconds
        return min(max(now - self._groups[0].at, 0), self._seconds)

    def note(self, number: int, at: float, end: int | None = None) -> None:
        """Note that the keys up to a position, by default all, are those of a commit."""
        end = self._window.end if end is None else end
        last = self._groups[-1] if self._groups else None
        if (
            last
            and at - last.first_at <= self._seconds / _GROUPS
            and end - last.begin <= self._window.capacity // _GROUPS
        ):
            last.at, last.end = max(last.at, at), end  # the clock may be set back
        else:
            self._groups.append(_Group(number, at, last.end if last else self._window.begin, end))

    def expire(self, now: float) -> None:
        """Forget the oldest commits: past the window, or with no key that is remembered."""
        while self._groups and (
            self._groups[0].at <= now - self._seconds or self._groups[0].end <= self._window.begin
        ):
            self._window.expire(self._groups.popleft().end)

    def clear(self) -> None:
        """Forget every key."""
        self._groups.clear()
        self._window.expire(self._window.end)
