"""Who waits for something that has to come within some seconds."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Member = TypeVar("Member")


class WaitingLine(Generic[Member]):
    """Members that wait equally long, those who came first in front, with one clock for all.

    A timer for each would cost more than the rest of what a request does with its connection.
    """

    def __init__(self, seconds: float, on_late: Callable[[Member], None]) -> None:
        self.seconds = seconds
        self._on_late = on_late
        self._deadlines: dict[Member, float] = {}
        self._loop = asyncio.get_running_loop()
        self._ticking = False

    def join(self, member: Member) -> None:
        """Wait at the end of the line, unless the member does already."""
        self._deadlines.setdefault(member, self._loop.time() + self.seconds)
        if not self._ticking:
            self._tick()

    def leave(self, member: Member) -> None:
        """Wait no more."""
        self._deadlines.pop(member, None)

    def first(self) -> Member | None:
        """Return who has waited longest, or None."""
        return next(iter(self._deadlines), None)

    def _tick(self) -> None:
        """Look again when it is the first one's turn."""
        first = self.first()
        self._ticking = first is not None
        if first is not None:
            self._loop.call_at(self._deadlines[first], self._look)

    def _look(self) -> None:
        """Tell those who have waited too long."""
        now = self._loop.time()
        try:
            while (member := self.first()) is not None and self._deadlines[member] <= now:
                self.leave(member)
                self._on_late(member)
        finally:
            self._tick()

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self._deadlines))

    def __len__(self) -> int:
        return len(self._deadlines)
