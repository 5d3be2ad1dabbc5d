"""The ledger in PostgreSQL: one deduplication for all replicas, each with counts of its own.

A process holds its INSTANCE by a row with an epoch, which every commit checks. Connecting again
raises the epoch: a commit that was under way over the lost connection has then either happened, and
its number is in the row, or can never happen.
"""

import asyncio
import os
import secrets
import socket
import time
from array import array
from collections.abc import Iterable
from typing import Any, NamedTuple

from exporter.errors import ConfigurationError
from exporter.ledger.address import Address
from exporter.ledger.database import ConnectionLostError, Database, StatementError
from exporter.ledger.expiry import Expiry
from exporter.ledger.keys import EarlierKeys, Key, Keyring
from exporter.ledger.sql import read_sql
from exporter.ledger.store import Commit, Outcome, Stored, StoreError
from exporter.results import Series

VERSION = 2

LEASE_SECONDS = 5
"""After which a name is free whose process has died."""

_RECONNECT_SECONDS = 10.0  # for learning the outcome of a commit
_RECONNECT_INTERVAL = 0.2  # seconds between two attempts
_LOOK_UP_FIRST_SECONDS = 10.0
"""Seconds after a key that another replica knew, in which keys are looked up before they are
written: where one sender tries again, others do."""
_NOT_NULL, _NO_TABLE, _NO_SCHEMA, _NO_RIGHT = "23502", "42P01", "3F000", "42501"
_RETRYABLE = ("40001", "40P01")  # serialization failure, deadlock


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


def outdated(version: int) -> StatementError:
    """Refuse a database that has to be upgraded first."""
    return StatementError(
        f"its schema has version {version}: run `push-result-exporter ledger init` as the owner of "
        "the schema, to upgrade it",
        "",
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
        self._look_up_first_until = 0.0
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
            keyring = await self._read_keyring()
        except StatementError as error:
            await self._database.close()
            raise StoreError(str(error)) from error
        except ConfigurationError:
            await self._database.close()
            raise
        self.opened = True
        self._expiry.start()
        counts = [(Series(*row[:4]), row[4], row[5]) for row in rows]
        return Stored(self._last.number, counts, [], keyring)

    async def commit(self, commit: Commit) -> Outcome:
        """Write keys and counts in one statement; find out what became of it if that fails."""
        contents = {key: entry.content for entry in commit.entries for key in entry.keys}
        known: dict[int, int] = {}
        earlier = _earlier(commit)
        end = self._clock() + _RECONNECT_SECONDS
        while True:
            batch = _Batch(commit.number, self._epoch)
            try:
                if earlier:
                    known |= await self._look_up_earlier(earlier, contents)
                    earlier = {}
                if self._clock() < self._look_up_first_until:
                    known |= await self._look_up(contents.keys() - known)
                await self._write(commit, contents, known)
                break
            except ConnectionLostError as error:
                if await self._was_committed(batch, end, error):
                    break
            except StatementError as error:
                if error.code == _NOT_NULL:
                    self._look_up_first_until = self._clock() + _LOOK_UP_FIRST_SECONDS
                elif error.code not in _RETRYABLE:
                    await self._drop_if_read_only(error)
                if error.code not in (_NOT_NULL, *_RETRYABLE) or self._clock() > end:
                    raise
        # A key that was copied from another ledger came without its content.
        conflicts = {key for key, content in known.items() if content not in (0, contents[key])}
        return Outcome(frozenset(known), frozenset(conflicts))

    async def probe(self) -> None:
        """Write the time at which the instance was last seen."""
        try:
            if not await self._run("probe"):
                raise self._taken_over()
        except ConnectionLostError as error:  # an idle one may be ended by whoever likes
            await self._was_committed(None, self._clock() + LEASE_SECONDS / 2, error)
        except StatementError as error:
            await self._drop_if_read_only(error)
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
            apps=[series.app for series in counts],
            counts=list(counts.values()),
        )
        if not held:
            raise self._taken_over()
        self._last = _Batch(commit.number, self._epoch)

    async def _look_up(self, keys: Iterable[int]) -> dict[int, int]:
        """Return those that the database has, each with its content."""
        return unsigned(await self._run("known", keys=signed(keys)))

    async def _look_up_earlier(
        self, earlier: dict[int, tuple[int, Key]], contents: dict[int, int]
    ) -> dict[int, int]:
        """Return the keys whose earlier ones the database has, each with its content."""
        rows = await self._run("known_earlier", keys=signed(earlier))
        known = {}
        for number, stored in unsigned(rows).items():
            key, (_, content) = earlier[number]
            same = stored in (0, content)
            known[key] = contents[key] if same else contents[key] ^ 1
        return known

    async def _was_committed(
        self, batch: _Batch | None, end: float, lost: ConnectionLostError
    ) -> bool:
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
                await asyncio.sleep(_RECONNECT_INTERVAL)
                continue
            if self._last == batch:
                return True
            if self._last != before:
                self.opened = False
                raise self._taken_over()
            return False
        raise problem

    async def _check_schema(self) -> None:
        """Create the schema if there is none, upgrade an old one; refuse one that is newer."""
        try:
            rows = await self._run("version")
        except StatementError as error:
            if error.code not in (_NO_TABLE, _NO_SCHEMA):
                raise
            await self._run_schema(error)
            rows = await self._run("version")
        if not rows:  # its definition was restored, say, and not its contents
            raise StatementError("its schema has no version: `ledger init` completes it", "")
        [(version, synchronous_commit)] = rows
        check_version(self._database.address, version)
        # "off" would acknowledge what a crash of the server loses.
        if self._durable and synchronous_commit == "off":
            self._database.synchronous_commit = "on"
        if version < VERSION:
            await self._run_schema(outdated(version))

    async def _run_schema(self, problem: StatementError) -> None:
        """Create or upgrade the schema; without the right to, raise the problem."""
        try:
            await self._run("schema")
        except StatementError as error:
            if error.code == _NO_RIGHT:
                raise problem from error  # whose advice is to have somebody else do it
            raise

    async def _read_keyring(self) -> Keyring:
        """Read what keys are made with."""
        now, secret = time.time(), b""
        earlier = []
        for one, xxh3, age in await self._run("secrets"):
            if age is None:
                secret = one
            else:
                earlier.append(EarlierKeys(one, xxh3, now - age))
        if not secret:
            raise StatementError("its schema has no secret: `ledger init` completes it", "")
        return Keyring(secret, earlier)

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

    def _taken_over(self) -> StoreError:
        self.opened = False
        return StoreError(
            f"another process has taken over INSTANCE {self._instance}; give each replica an "
            "INSTANCE of its own"
        )

    async def _drop_if_read_only(self, error: StatementError) -> None:
        """Give a server up that takes no writes: another host of the URL may."""
        if error.read_only:
            self.opened = False
            await self._database.close()

    async def _run(self, name: str, **values: object) -> list[tuple[Any, ...]]:
        common = {"instance": self._instance, "epoch": self._epoch, "window": self._window}
        return await self._database.run(read_sql("postgresql", name), common | values)


def _earlier(commit: Commit) -> dict[int, tuple[int, Key]]:
    """Return by each earlier key what it is now, and itself with its content."""
    return {
        one.key: (key, one)
        for entry in commit.entries
        for key, same in entry.earlier.items()
        for one in same
    }


def signed(numbers: Iterable[int]) -> str:
    """Write 64-bit numbers as an array of bigint."""
    signed = array("q", array("Q", numbers).tobytes())
    return f"{{{','.join(map(str, signed))}}}"


def unsigned(rows: list[tuple[int, int]]) -> dict[int, int]:
    """Read pairs of bigint as 64-bit numbers."""
    numbers = array("Q", array("q", [number for row in rows for number in row]).tobytes())
    return dict(zip(numbers[::2], numbers[1::2], strict=True))
