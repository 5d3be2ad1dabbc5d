"""What an operator does to the ledger in PostgreSQL: create it, look at it, fold it, fill it."""

import sqlite3
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from exporter.errors import ConfigurationError
from exporter.ledger.address import Address
from exporter.ledger.arrays import signed
from exporter.ledger.database import Database, StatementError
from exporter.ledger.keys import Keyring
from exporter.ledger.lease import LEASE_SECONDS, PREFIX
from exporter.ledger.schema import SCHEMA_SECONDS, VERSION, check_version, outdated
from exporter.ledger.sql import definition, read_sql
from exporter.ledger.sqlite import LedgerFile, read_all_keys
from exporter.ledger.store import Stored, StoredKeys, StoreError

_KEYS_AT_ONCE = 5000


class Instance(NamedTuple):
    """A name under which results are counted."""

    instance: str
    running: bool
    """Whether a process holds it now."""
    results: int
    last_commit_at: float | None
    """Unix time in seconds."""
    seen_seconds_ago: float
    """Since when no process has been heard of, if none is running."""


class Copied(NamedTuple):
    """What a SQLite ledger held, and the instance that goes on from it."""

    results: int
    keys: int
    instance: str


class Administration:
    """One connection of the operator; `connect`, anything, `close`. All of it raises StoreError."""

    def __init__(self, address: Address) -> None:
        self._database = Database(address)

    async def connect(self, *, upgrades: bool = False) -> None:
        """Connect; raises ConfigurationError, too, for what a later exporter has upgraded.

        A schema that is older raises StoreError, unless it is about to be upgraded.
        """
        await self._database.connect()
        try:
            rows = await self._run("version")
        except StatementError:  # nothing is there yet, or not for us: what is done next will say
            return
        for version, _ in rows:
            check_version(self._database.address, version)
            if version < VERSION and not upgrades:
                raise outdated(version)

    async def close(self) -> None:
        """End the connection."""
        await self._database.close()

    async def initialize(self, role: str | None) -> None:
        """Create what is missing, and give a role the rights that an exporter needs."""
        await self._database.run(definition(role), seconds=SCHEMA_SECONDS)

    async def instances(self) -> list[Instance]:
        """List every name under which there are counts, or have been."""
        return [Instance(*row) for row in await self._run("list", lease=LEASE_SECONDS)]

    async def fold(
        self, departed: Sequence[str], into: str, progress: Callable[[int, int], None]
    ) -> list[str]:
        """Move the counts of instances that nobody holds to one; return which these were.

        `progress` gets how many instances are done, and how many there are.
        """
        folded: list[str] = []
        for done, name in enumerate(departed, 1):
            rows = await self._run("fold", departed=name, into=into, lease=LEASE_SECONDS)
            folded += [instance for (instance,) in rows]
            progress(done, len(departed))
        return folded

    async def copy(
        self, file: Path, instance: str | None, window: float, progress: Callable[[int, int], None]
    ) -> Copied:
        """Copy a SQLite ledger that nobody holds, under the first leased name if none is given.

        `progress` gets the keys that are copied, and how many there are. Keys come first and may
        be copied twice; the counts come last, once. Raises ConfigurationError for what is no
        ledger, and for an instance that has counted already.
        """
        if not file.exists():
            raise ConfigurationError(f"ledger {file}: No such file")
        try:
            with closing(LedgerFile(file, "full")) as source:
                stored = source.open()
                await self._copy_secrets(stored.keyring)
                keys = await self._copy_keys(source, window, progress)
                name = instance or f"{PREFIX}0"
                await self._copy_counts(stored, name, leased=instance is None)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"ledger {file}: {error}") from error
        return Copied(sum(total for _, total, _ in stored.counts), keys, name)

    async def _copy_secrets(self, keyring: Keyring) -> None:
        """Have replicas look deliveries up under the keys of the other ledger, for one window."""
        for secret, xxh3, since in keyring.kinds(time.time()):
            await self._run("copy_secret", secret=secret, xxh3=xxh3, since=since)

    async def _copy_keys(
        self, source: LedgerFile, window: float, progress: Callable[[int, int], None]
    ) -> int:
        oldest = time.time() - window
        groups = [one for one in read_all_keys(source) if one.at > oldest]
        total, done = sum(len(one.keys) for one in groups), 0
        for keys, times in _pieces(groups):
            await self._run("copy_keys", keys=signed(keys), times=times.tolist())
            done += len(keys)
            progress(done, total)
        return done

    async def _copy_counts(self, stored: Stored, instance: str, *, leased: bool) -> None:
        copied = await self._run(
            "copy_counts",
            instance=instance,
            leased=leased,
            at=max((at for *_, at in stored.counts), default=0.0),
            channels=[series.channel for series, _, _ in stored.counts],
            codes=[series.code for series, _, _ in stored.counts],
            tables=[series.table for series, _, _ in stored.counts],
            apps=[series.app for series, _, _ in stored.counts],
            counts=[total for _, total, _ in stored.counts],
            times=[at for *_, at in stored.counts],
        )
        if not copied:
            raise ConfigurationError(
                f"INSTANCE {instance} has counted in {self._database.address.name} already, and "
                "nothing was added to it: copy under another --instance"
            )

    async def _run(self, name: str, **values: object) -> list[tuple[Any, ...]]:
        return await self._database.run(read_sql("postgresql", name), values)


def _pieces(
    groups: Sequence[StoredKeys],
) -> Iterator[tuple["array[int]", "array[float]"]]:
    """Cut keys and their times into pieces for a statement each."""
    keys, times = array("Q"), array("d")
    for group in groups:
        for start in range(0, len(group.keys), _KEYS_AT_ONCE):
            piece = group.keys[start : start + _KEYS_AT_ONCE]
            keys.extend(piece)
            times.extend([group.at] * len(piece))
            if len(keys) >= _KEYS_AT_ONCE:
                yield keys, times
                keys, times = array("Q"), array("d")
    if keys:
        yield keys, times
