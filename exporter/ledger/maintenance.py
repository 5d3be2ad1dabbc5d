"""What a replica does beside its commits: expiry, and looking for what holds the database back."""

import asyncio
import time
from collections import deque
from contextlib import suppress

import structlog

from exporter.errors import ConfigurationError
from exporter.ledger.address import Address
from exporter.ledger.database import Database
from exporter.ledger.keys import Keyring
from exporter.ledger.schema import read_secrets
from exporter.ledger.sql import read_sql
from exporter.ledger.store import StoreError, Upkeep

SLOTS_PER_WINDOW = 8
"""A slot is written for this part of the window, so that the table is this much larger."""

_MIN_SLOT_SECONDS = 10.0
_INTERVAL = 60.0  # seconds between two rounds, at most
_ROUNDS_PER_SLOT = 2
_SAMPLES = 24 * 60
"""Of transaction numbers: a day of rounds."""

log = structlog.get_logger()


class Maintenance:
    """Rounds of expiry over a connection of its own.

    Nothing depends on them but the size of the key table: a commit takes an expired key for new.
    Each replica goes round, but a step is taken by one of them alone.
    """

    def __init__(self, address: Address, window: float) -> None:
        self.upkeep = Upkeep()
        self._address = address
        self._window = window
        self._slot_seconds = max(window / SLOTS_PER_WINDOW, _MIN_SLOT_SECONDS)
        self._keyring: Keyring | None = None
        self._transactions: deque[tuple[float, int]] = deque(maxlen=_SAMPLES)
        self._task: asyncio.Task[None] | None = None

    def start(self, keyring: Keyring) -> None:
        """Begin, if it has not begun; the keyring gets the secrets of ledgers that are copied."""
        self._keyring = keyring
        if self._window and not self._task:
            self._task = asyncio.create_task(self._repeat())

    def stop(self) -> None:
        """End, in the middle of a round if need be."""
        if self._task:
            self._task.cancel()
            self._task = None

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(min(_INTERVAL, self._slot_seconds / _ROUNDS_PER_SLOT))
            try:
                await self.run()
            except (StoreError, ConfigurationError) as error:
                log.warning("expired keys stay in the ledger for now", problem=str(error))

    async def run(self) -> None:
        """Go one round."""
        database = Database(self._address)
        try:
            await database.connect()
            started = time.perf_counter()
            try:
                await self._expire(database)
            finally:
                self.upkeep.expiry_seconds += time.perf_counter() - started
            if self._keyring:
                _, earlier = await read_secrets(database, self._window)
                self._keyring.set_earlier(earlier)
            await self._look_for_old_transactions(database)
        finally:
            with suppress(StoreError):
                await database.close()

    async def _expire(self, database: Database) -> None:
        """Empty the slots that have expired, and go over to the next one if it is time."""
        window = {"window": self._window}
        age = {"age": self._slot_seconds}
        [(is_due, expired, old)] = await database.run(read_sql("postgresql", "due"), window | age)
        problem: StoreError | None = None
        for slot in expired:
            try:
                await database.run(read_sql("postgresql", "empty_slot"), window | {"slot": slot})
            except StoreError as error:
                problem = error  # which is no reason to leave the others
        if is_due:
            await database.run(read_sql("postgresql", "advance"), age)
        if old:
            await database.run(read_sql("postgresql", "empty_old_keys"))
        if problem:
            raise problem

    async def _look_for_old_transactions(self, database: Database) -> None:
        """Date the oldest view of the database by the numbers of transactions since."""
        [(number, age)] = await database.run(read_sql("postgresql", "horizon"))
        now = time.monotonic()
        since = next((at for at, one in reversed(self._transactions) if one <= number - age), None)
        if since is None:  # it began before the first sample
            since = self._transactions[0][0] if self._transactions else now
        self.upkeep.oldest_transaction_seconds = now - since if age else 0.0
        self._transactions.append((now, number))
