"""Deletes deduplication keys past the window from PostgreSQL, beside the commits."""

import asyncio
import math
import random
from contextlib import suppress

import structlog

from exporter.errors import ConfigurationError
from exporter.ledger.address import Address
from exporter.ledger.database import Database
from exporter.ledger.sql import read_sql
from exporter.ledger.store import StoreError

_SLICES = 4096
"""A statement deletes from one of so many slices of all keys, so that none takes long."""

_EVERY = 60.0  # seconds between two rounds
_ROUNDS_A_WINDOW = 8
"""Every slice has its turn in this part of the window, so that the table is this much larger."""

log = structlog.get_logger()


class Expiry:
    """A round of deletions every minute, over a connection of its own.

    Nothing depends on it but the size of the table: a commit takes expired keys for new ones.
    """

    def __init__(self, address: Address, window: float) -> None:
        self._address = address
        self._window = window
        share = _EVERY * _ROUNDS_A_WINDOW / window if window else 0
        self._slices = min(_SLICES, math.ceil(_SLICES * share))
        # Replicas do not speak of who does what: each goes round from a place of its own.
        self._next = random.randrange(_SLICES)  # noqa: S311 - nothing secret
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, if it has not begun."""
        if self._slices and not self._task:
            self._task = asyncio.create_task(self._repeat())

    def stop(self) -> None:
        """End, in the middle of a round if need be."""
        if self._task:
            self._task.cancel()
            self._task = None

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            try:
                await self.expire()
            except (StoreError, ConfigurationError) as error:
                log.warning("expired keys stay in the ledger for now", problem=str(error))

    async def expire(self) -> None:
        """Delete the expired keys of the slices whose turn it is."""
        database = Database(self._address)
        try:
            await database.connect()
            for _ in range(self._slices):
                first = self._next * (1 << 64) // _SLICES - (1 << 63)
                last = first + (1 << 64) // _SLICES - 1
                values = {"first": first, "last": last, "window": self._window}
                await database.run(read_sql("postgresql", "expire"), values)
                self._next = (self._next + 1) % _SLICES
        finally:
            with suppress(StoreError):
                await database.close()
