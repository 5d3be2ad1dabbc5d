"""Administration of the PostgreSQL ledger: create, list, fold and copy."""

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

_KEYS_PER_STATEMENT = 5000


class Instance(NamedTuple):
    """A name under which a replica counts."""

    instance: str
    running: bool
    """Whether a process holds the name now."""
    results: int
    last_commit_at: float | None
    """Unix time in seconds."""
    seen_seconds_ago: float
    """Seconds since the last sign of life of a process with this name."""


class Copied(NamedTuple):
    """The contents of a copied SQLite ledger, and the instance that continues its counts."""

    results: int
    keys: int
    instance: str


class Administration:
    """An operator's connection: `connect`, any operations, `close`; each may raise StoreError."""

    def __init__(self, address: Address) -> None:
        self._database = Database(address)

    async def connect(self, *, upgrades: bool = False) -> None:
        """Connect; raises ConfigurationError for a schema of a later exporter.

        An older schema raises StoreError, unless `upgrades` is True.
        """
        await self._database.connect()
        try:
            rows = await self._run("version")
        except StatementError:  # no schema, or no privileges: the next operation reports it
            return
        for version, _ in rows:
            check_version(self._database.address, version)
            if version < VERSION and not upgrades:
                raise outdated(version)

    async def close(self) -> None:
        """Close the connection."""
        await self._database.close()

    async def initialize(self, role: str | None) -> None:
        """Create or complete the schema, and grant a role the privileges of an exporter."""
        await self._database.run(definition(role), seconds=SCHEMA_SECONDS)

    async def instances(self) -> list[Instance]:
        """Return all instances, running or not."""
        return [Instance(*row) for row in await self._run("list", lease=LEASE_SECONDS)]

    async def fold(
        self, departed: Sequence[str], into: str, progress: Callable[[int, int], None]
    ) -> list[str]:
        """Add the counts of departed instances to another instance; return the folded ones.

        `progress` is called with the number of instances that are done, and their total number.
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
        """Copy a SQLite ledger that is not in use, by default to the first leased name.

        `progress` is called with the number of copied keys, and their total number. Keys are
        copied first, which may be repeated; the counts last, once. Raises ConfigurationError if
        the file is not a ledger, or the instance has already counted.
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
        """Have replicas look up deliveries by the keys of the other ledger, for one window."""
        for secret, xxh3, since in keyring.kinds(time.time()):
            await self._run("copy_secret", secret=secret, xxh3=xxh3, since=since)

    async def _copy_keys(
        self, source: LedgerFile, window: float, progress: Callable[[int, int], None]
    ) -> int:
        oldest = time.time() - window
        groups = [group for group in read_all_keys(source) if group.at > oldest]
        total, done = sum(len(group.keys) for group in groups), 0
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
                f"INSTANCE {instance} has already counted in {self._database.address.name}, so the "
                "file's counts were not added: if this file was copied before, nothing is left to "
                "do; otherwise choose another --instance"
            )

    async def _run(self, name: str, **values: object) -> list[tuple[Any, ...]]:
        return await self._database.run(read_sql("postgresql", name), values)


def _pieces(
    groups: Sequence[StoredKeys],
) -> Iterator[tuple["array[int]", "array[float]"]]:
    """Split keys and their times into the pieces of one statement each."""
    keys, times = array("Q"), array("d")
    for group in groups:
        for start in range(0, len(group.keys), _KEYS_PER_STATEMENT):
            piece = group.keys[start : start + _KEYS_PER_STATEMENT]
            keys.extend(piece)
            times.extend([group.at] * len(piece))
            if len(keys) >= _KEYS_PER_STATEMENT:
                yield keys, times
                keys, times = array("Q"), array("d")
    if keys:
        yield keys, times
