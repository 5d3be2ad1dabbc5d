"""Caches of values that depend on the snapshot."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from exporter.runtime.current import Current

Made = TypeVar("Made")


class OncePerSnapshot(Generic[Made]):
    """A value computed on first use after each reload, once for concurrent requests."""

    def __init__(self, current: Current, make: Callable[[], Awaitable[Made]]) -> None:
        self._make = make
        self._task: asyncio.Task[Made] | None = None
        current.subscribe(self._forget)

    async def get(self) -> Made:
        """Return the value for the current snapshot."""
        if self._task is None or (self._task.done() and self._task.exception()):
            self._task = asyncio.ensure_future(self._make())
        return await asyncio.shield(self._task)

    def _forget(self, _snapshot: object) -> None:
        self._task = None
