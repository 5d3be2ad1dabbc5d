"""Background maintenance of PostgreSQL: expiry of keys, and a watch for old transactions."""

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
"""Slots per deduplication window. Expiry is by slot, so the table is larger by one slot."""

_MIN_SLOT_SECONDS = 10.0
_INTERVAL = 60.0  # maximum seconds between rounds
_ROUNDS_PER_SLOT = 2
_SAMPLES = 24 * 60
"""Samples of the transaction number: a day of rounds."""

log = structlog.get_logger()


class Maintenance:
    """Runs maintenance periodically, over a separate connection per round.

    Only the size of the key table depends on it: commits treat an expired key as new. Each replica
    runs it, but each step is done by one replica.
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
        """Start unless running; each round adds the secrets of copied ledgers to the keyring."""
        self._keyring = keyring
        if self._window and not self._task:
            self._task = asyncio.create_task(self._repeat())

    def stop(self) -> None:
        """Stop, even within a round."""
        if self._task:
            self._task.cancel()
            self._task = None

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(min(_INTERVAL, self._slot_seconds / _ROUNDS_PER_SLOT))
            try:
                await self.run()
            except Exception as error:
                cause = None if isinstance(error, StoreError | ConfigurationError) else error
                log.warning("cannot delete expired keys now", problem=str(error), exc_info=cause)

    async def run(self) -> None:
        """Run one round."""
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
        """Empty the expired slots, and advance to the next slot if it is due."""
        window = {"window": self._window}
        age = {"age": self._slot_seconds}
        [(is_due, expired, old)] = await database.run(read_sql("postgresql", "due"), window | age)
        problem: StoreError | None = None
        for slot in expired:
            try:
                await database.run(read_sql("postgresql", "empty_slot"), window | {"slot": slot})
            except StoreError as error:
                problem = error  # continue with the other slots
        if is_due:
            await database.run(read_sql("postgresql", "advance"), age)
        if old:
            await database.run(read_sql("postgresql", "empty_old_keys"))
        if problem:
            raise problem

    async def _look_for_old_transactions(self, database: Database) -> None:
        """Determine the age of the oldest snapshot from the samples of the transaction number."""
        [(number, age)] = await database.run(read_sql("postgresql", "horizon"))
        now = time.monotonic()
        oldest = number - age
        since = next((at for at, sample in reversed(self._transactions) if sample <= oldest), None)
        if since is None:  # it is older than the first sample
            since = self._transactions[0][0] if self._transactions else now
        self.upkeep.oldest_transaction_seconds = now - since if age else 0.0
        self._transactions.append((now, number))
