"""The ledger in PostgreSQL: one deduplication for all replicas, each with counts of its own.

A process holds its INSTANCE by a row with an epoch, which every commit checks. Connecting again
raises the epoch: a commit that was under way over the lost connection has then either happened, and
its number is in the row, or can never happen.
"""

import asyncio
import os
import secrets
import socket
from array import array
from collections.abc import Iterable
from typing import Any, NamedTuple

from exporter.errors import ConfigurationError
from exporter.ledger.address import Address
from exporter.ledger.database import ConnectionLostError, Database, StatementError
from exporter.ledger.expiry import Expiry
from exporter.ledger.sql import read_sql
from exporter.ledger.store import Commit, Outcome, Stored, StoreError
from exporter.results import Series

VERSION = 1

LEASE_SECONDS = 5
"""After which a name is free whose process has died."""

_PATIENCE = 10.0  # seconds for finding out what became of a commit
_PAUSE = 0.2  # seconds between attempts to connect meanwhile
_WARY = 10.0
"""Seconds after a key that another replica knew, in which keys are looked up before they are
written: where one sender tries again, others do."""
_NOT_NULL, _NO_TABLE, _NO_SCHEMA, _NO_RIGHT = "23502", "42P01", "3F000", "42501"
_AGAIN = ("40001", "40P01")  # serialization failure, deadlock


class _Batch(NamedTuple):
    """What identifies a commit."""

    number: int
    epoch: int


def check_version(address: Address, version: int) -> None:
    """Refuse a database that a later exporter has upgraded: ConfigurationError."""
    if version > VERSION:
        raise ConfigurationError(
            f"ledger {address.name}: its schema has version {version}, and this exporter knows "
            f"{VERSION}. Run the exporter that upgraded it, or a later one."
        )


class PostgresStore:
    """A PostgreSQL database as the ledger's store."""

    shared = True
    heartbeat: float | None = LEASE_SECONDS / 5

    def __init__(
        self, address: Address, instance: str, *, dedupe_seconds: float, durable: bool = True
    ) -> None:
        self.name = address.name
        self.opened = False
        self._closed = False
        self._instance = instance
        self._window = dedupe_seconds
        self._durable = durable
        # What names it to people, and something that no other process has.
        self._holder = f"{socket.gethostname()} process {os.getpid()} ({secrets.token_hex(4)})"
        self._database = Database(address)
        self._expiry = Expiry(address, dedupe_seconds)
        self._clock = asyncio.get_running_loop().time
        self._wary_until = 0.0
        self._epoch = 0
        self._last = _Batch(0, 0)

    async def open(self) -> Stored:
        """Connect, take the instance, and read what it has counted."""
        self.opened = False
        try:
            await self._database.connect()
            await self._check_schema()
            await self._take()
            rows = await self._run("counts")
        except StatementError as error:
            await self._database.close()
            raise StoreError(str(error)) from error
        except ConfigurationError:
            await self._database.close()
            raise
        self.opened = True
        self._expiry.start()
        counts = [(Series(*row[:3]), row[3], row[4]) for row in rows]
        return Stored(self._last.number, counts, [])

    async def commit(self, commit: Commit) -> Outcome:
        """Write keys and counts in one statement; find out what became of it if that fails."""
        contents = _contents(commit)
        known: dict[int, int] = {}
        end = self._clock() + _PATIENCE
        while True:
            batch = _Batch(commit.number, self._epoch)
            try:
                if self._clock() < self._wary_until:
                    known |= await self._look_up(contents.keys() - known)
                await self._write(commit, contents, known)
                break
            except ConnectionLostError as error:
                if await self._happened(batch, end, error):
                    break
            except StatementError as error:
                if error.code == _NOT_NULL:
                    self._wary_until = self._clock() + _WARY
                elif error.code not in _AGAIN:
                    await self._spoiled(error)
                if error.code not in (_NOT_NULL, *_AGAIN) or self._clock() > end:
                    raise
        # A key that was copied from another ledger came without its content.
        conflicts = {key for key, content in known.items() if content not in (0, contents[key])}
        return Outcome(frozenset(known), frozenset(conflicts))

    async def probe(self) -> None:
        """Write the time at which the instance was last seen."""
        try:
            if not await self._run("probe"):
                raise self._taken()
        except ConnectionLostError as error:  # an idle one may be ended by whoever likes
            await self._happened(None, self._clock() + LEASE_SECONDS / 2, error)
        except StatementError as error:
            await self._spoiled(error)
            raise

    async def close(self) -> None:
        """Free the instance for another process."""
        self._closed = True
        self._expiry.stop()
        try:
            if self.opened:
                await self._run("release")
        except StoreError:
            pass  # it is free once it has not been seen for the time of the lease
        finally:
            self.opened = False
            await self._database.close()

    async def _write(self, commit: Commit, contents: dict[int, int], known: dict[int, int]) -> None:
        counts = commit.without(known.keys())
        if not counts:
            return
        new = {key: content for key, content in contents.items() if key not in known}
        held = await self._run(
            "commit",
            number=commit.number,
            at=commit.at,
            keys=signed(new),
            contents=signed(new.values()),
            new=len(new),
            channels=[series.channel for series in counts],
            codes=[series.code for series in counts],
            tables=[series.table for series in counts],
            counts=list(counts.values()),
        )
        if not held:
            raise self._taken()
        self._last = _Batch(commit.number, self._epoch)

    async def _look_up(self, keys: Iterable[int]) -> dict[int, int]:
        """Return those that the database has, each with its content."""
        rows = await self._run("known", keys=signed(keys))
        numbers = array("Q", array("q", [number for row in rows for number in row]).tobytes())
        return dict(zip(numbers[::2], numbers[1::2], strict=True))

    async def _happened(self, batch: _Batch | None, end: float, lost: ConnectionLostError) -> bool:
        """Connect again and say whether a batch was committed.

        Raises StoreError if that cannot be found out in time, or if another process has counted
        under our name since.
        """
        self.opened = False
        if self._closed or not self._epoch:
            raise lost  # there was no connection to lose
        before = self._last
        problem: StoreError = lost
        while self._clock() < end:
            try:
                await self.open()
            except ConfigurationError as error:
                raise StoreError(str(error)) from error
            except StoreError as error:
                problem = error
                await asyncio.sleep(_PAUSE)
                continue
            if self._last == batch:
                return True
            if self._last != before:
                self.opened = False
                raise self._taken()
            return False
        raise problem

    async def _check_schema(self) -> None:
        try:
            rows = await self._run("version")
        except StatementError as error:
            if error.code not in (_NO_TABLE, _NO_SCHEMA):
                raise
            await self._create_schema(error)
            rows = await self._run("version")
        if not rows:  # its definition was restored, say, and not its contents
            raise StatementError("its schema has no version: `ledger init` completes it", "")
        [(version, synchronous_commit)] = rows
        check_version(self._database.address, version)
        # "off" would acknowledge what a crash of the server loses.
        if self._durable and synchronous_commit == "off":
            self._database.synchronous_commit = "on"

    async def _create_schema(self, missing: StatementError) -> None:
        try:
            await self._run("schema")
        except StatementError as error:
            if error.code == _NO_RIGHT:
                raise missing from error  # whose advice is to have somebody else create it
            raise

    async def _take(self) -> None:
        rows = await self._run("take", holder=self._holder, lease=LEASE_SECONDS)
        if not rows:
            raise StatementError(await self._held_by(), "")
        [(self._epoch, *last)] = rows
        self._last = _Batch(*last)

    async def _held_by(self) -> str:
        rows = await self._run("holder")
        holder = rows[0][0] if rows else "another process"
        return (
            f"{holder} counts as INSTANCE {self._instance}; give each replica an INSTANCE of its "
            f"own, or stop the other one: {LEASE_SECONDS} s later this one takes over"
        )

    def _taken(self) -> StoreError:
        self.opened = False
        return StoreError(
            f"another process has taken over INSTANCE {self._instance}; give each replica an "
            "INSTANCE of its own"
        )

    async def _spoiled(self, error: StatementError) -> None:
        """Give a server up that takes no writes: another host of the URL may."""
        if error.read_only:
            self.opened = False
            await self._database.close()

    async def _run(self, name: str, **values: object) -> list[tuple[Any, ...]]:
        common = {"instance": self._instance, "epoch": self._epoch, "window": self._window}
        return await self._database.run(read_sql("postgresql", name), common | values)


def _contents(commit: Commit) -> dict[int, int]:
    """Return each new key with its content, 0 if it has none."""
    return {key: entry.delivery.content for entry in commit.entries for key in entry.keys}


def signed(numbers: Iterable[int]) -> str:
    """Write 64-bit numbers as an array of bigint."""
    signed = array("q", array("Q", numbers).tobytes())
    return f"{{{','.join(map(str, signed))}}}"
