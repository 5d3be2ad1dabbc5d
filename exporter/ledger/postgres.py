"""The ledger in PostgreSQL: replicas share the deduplication keys, and each has its own counts."""

import asyncio
from typing import Any

from exporter.errors import ConfigurationError
from exporter.ledger.address import Address
from exporter.ledger.arrays import commit_arrays, signed, unsigned
from exporter.ledger.database import ConnectionLostError, Database, StatementError
from exporter.ledger.keys import Key, Keyring
from exporter.ledger.lease import LEASE_SECONDS, LastCommit, Lease
from exporter.ledger.maintenance import Maintenance
from exporter.ledger.schema import prepare_schema, read_secrets
from exporter.ledger.sql import read_sql
from exporter.ledger.store import Commit, Outcome, Stored, StoredKeys, StoreError, Upkeep
from exporter.results import Series

_RECONNECT_SECONDS = 10.0  # maximum time to determine the outcome of a commit
_RECONNECT_INTERVAL = 0.2  # seconds between attempts
_RETRYABLE = ("40001", "40P01")  # serialization failure, deadlock


class PostgresStore:
    """A PostgreSQL database as the ledger's store."""

    shared = True
    heartbeat: float | None = LEASE_SECONDS / 5

    def __init__(
        self,
        address: Address,
        instance: str | None,
        *,
        dedupe_seconds: float,
        durable: bool = True,
        holder: str | None = None,
    ) -> None:
        """Without an `instance`, the process counts under a leased name.

        `holder` identifies the process; the default is unique.
        """
        self.name = address.name
        self.opened = False
        self._closed = False
        self._window = dedupe_seconds
        self._durable = durable
        self._database = Database(address)
        self._lease = Lease(self._database, instance, holder)
        self._maintenance = Maintenance(address, dedupe_seconds)
        self._keyring: Keyring | None = None
        """The keyring of the ledger, which keeps it when the connection is lost."""
        self._clock = asyncio.get_running_loop().time

    @property
    def instance(self) -> str | None:
        """The name under which the process counts; None until one is leased."""
        return self._lease.instance

    @property
    def upkeep(self) -> Upkeep:
        """Statistics of the database."""
        return self._maintenance.upkeep

    async def open(self) -> Stored:
        """Connect, take a name, and read its counts."""
        self.opened = False
        try:
            await self._database.connect()
            await prepare_schema(self._database, durable=self._durable)
            keyring = await self._read_keyring()
            await self._lease.take()
            rows = await self._run("counts")
        except StatementError as error:
            await self._database.close()
            raise StoreError(str(error)) from error
        except ConfigurationError:
            await self._database.close()
            raise
        self.opened = True
        self._maintenance.start(keyring)
        counts = [(Series(*row[:4]), row[4], row[5]) for row in rows]
        return Stored(self._lease.last.number, counts, keyring)

    async def read_keys(self, after: int) -> list[StoredKeys]:
        """Return nothing: a commit looks up its keys."""
        del after
        return []

    async def commit(self, commit: Commit) -> Outcome:
        """Write keys and counts in one statement; look up its outcome if the connection is lost."""
        contents = {key: entry.content for entry in commit.entries for key in entry.keys}
        known: dict[int, int] = {}
        earlier = _earlier(commit)
        end = self._clock() + _RECONNECT_SECONDS
        while True:
            epoch = self._lease.epoch
            try:
                if earlier:
                    known |= await self._look_up_earlier(earlier, contents)
                    earlier = {}
                last = await self._write(commit, known)
            except ConnectionLostError as error:
                last = await self._reconnect(end, error, LastCommit(commit.number, epoch))
                if not last.is_of(commit.number, epoch):
                    continue
            except StatementError as error:
                await self._drop_if_read_only(error)
                if error.code not in _RETRYABLE or self._clock() > end:
                    raise
                continue
            self._lease.last = last
            known |= zip(last.known, last.contents, strict=True)
            break
        # A key copied from another ledger has no content.
        conflicts = {key for key, content in known.items() if content not in (0, contents[key])}
        return Outcome(frozenset(known), frozenset(conflicts))

    async def probe(self) -> None:
        """Renew the lease: write the time at which the process was last seen."""
        try:
            await self._renew_lease()
        except ConnectionLostError as error:  # an idle connection may be closed at any time
            await self._reconnect(self._clock() + LEASE_SECONDS / 2, error)
        except StatementError as error:
            await self._drop_if_read_only(error)
            raise

    async def close(self) -> None:
        """Free the name for another process."""
        self._closed = True
        self._maintenance.stop()
        try:
            if self.opened:
                await self._run("release")
        except StoreError:
            pass  # the name is free once the lease has expired
        finally:
            self.opened = False
            await self._database.close()

    async def _renew_lease(self) -> None:
        """Write the time at which the process was last seen; StoreError if it lost its name."""
        if not await self._run("probe"):
            raise self._taken_over()

    async def _read_keyring(self) -> Keyring:
        """Read the secrets; the keyring stays the same object unless the secret has changed."""
        secret, earlier = await read_secrets(self._database, self._window)
        if self._keyring is None or self._keyring.current.secret != secret:
            self._keyring = Keyring(secret)
        self._keyring.set_earlier(earlier)
        return self._keyring

    async def _write(self, commit: Commit, known: dict[int, int]) -> LastCommit:
        """Write the keys that are not known; return the commit with further known keys."""
        arrays = commit_arrays(commit, known.keys())
        if not arrays["channels"]:
            await self._renew_lease()
            return self._lease.last._replace(known=unsigned(()), contents=unsigned(()))
        [(held, keys, contents)] = await self._run(
            "commit", number=commit.number, at=commit.at, **arrays
        )
        if not held:
            raise self._taken_over()
        epoch = self._lease.epoch
        return LastCommit(commit.number, epoch, unsigned(keys), unsigned(contents))

    async def _look_up_earlier(
        self, earlier: dict[int, tuple[int, Key]], contents: dict[int, int]
    ) -> dict[int, int]:
        """Return the keys known by an earlier key, each with its content."""
        rows = await self._run("known_earlier", keys=signed(earlier))
        known = {}
        for number, stored in zip(*map(unsigned, zip(*rows, strict=True)), strict=True):
            key, (_, content) = earlier[number]
            same = stored in (0, content)
            known[key] = contents[key] if same else contents[key] ^ 1
        return known

    async def _reconnect(
        self, end: float, lost: ConnectionLostError, attempt: LastCommit | None = None
    ) -> LastCommit:
        """Reconnect; return the last commit, which is the attempt or the commit before it.

        Raises StoreError on a timeout, or if another process has counted under our name since.
        """
        self.opened = False
        if self._closed or not self._lease.epoch:
            raise lost  # the store was not open
        possible = [commit[:2] for commit in (self._lease.last, attempt) if commit]
        name = self._lease.instance
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
            if self._lease.instance != name or self._lease.last[:2] not in possible:
                raise self._taken_over()
            return self._lease.last
        raise problem

    def _taken_over(self) -> StoreError:
        self.opened = False
        return self._lease.taken_over()

    async def _drop_if_read_only(self, error: StatementError) -> None:
        """Disconnect from a read-only server: another host of the URL may accept writes."""
        if error.read_only:
            self.opened = False
            await self._database.close()

    async def _run(self, name: str, **values: object) -> list[tuple[Any, ...]]:
        common = {
            "instance": self._lease.instance, "epoch": self._lease.epoch, "window": self._window
        }  # fmt: skip
        return await self._database.run(read_sql("postgresql", name), common | values)


def _earlier(commit: Commit) -> dict[int, tuple[int, Key]]:
    """Map each earlier key's number to the current key and the earlier key with its content."""
    return {
        earlier.key: (key, earlier)
        for entry in commit.entries
        for key, earlier_keys in entry.earlier.items()
        for earlier in earlier_keys
    }
