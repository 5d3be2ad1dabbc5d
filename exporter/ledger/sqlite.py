"""The ledger in SQLite: one file for one process, accessed on a dedicated thread."""

import asyncio
import fcntl
import os
import sqlite3
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal, TypeVar, TypeVarTuple

import msgspec

from exporter.errors import ConfigurationError
from exporter.ledger.header import APPLICATION_ID
from exporter.ledger.keys import EarlierKeys, Keyring, hide_old_keys, new_secret
from exporter.ledger.sql import read_sql
from exporter.ledger.store import Commit, Outcome, Stored, StoredKeys, StoreError, Upkeep
from exporter.results import Series

VERSION = 3
OLDEST_VERSION = 2
"""The oldest version that can be upgraded in place."""

Sync = Literal["full", "normal", "off"]

_LOCK_SECONDS = 2.0  # long enough for a short backup of the file
_KEYS_PER_READ = 1 << 18
"""Maximum number of keys per read at a start: two megabytes, and some milliseconds."""
_MERGE_SECONDS = 1.0
"""Commits within this time are read as one: even a quiet day may have a million commits."""

_Returned = TypeVar("_Returned")
_Arguments = TypeVarTuple("_Arguments")


class SqliteStore:
    """One SQLite file as the ledger's store."""

    shared = False
    heartbeat: float | None = None
    instance: str | None = None
    upkeep: Upkeep | None = None

    def __init__(self, path: Path, sync: Sync = "full") -> None:
        self.name = str(path)
        self.opened = False
        self._closed = False
        self._file = LedgerFile(path, sync)
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    async def open(self) -> Stored:
        """Open or create the file, and lock it."""
        stored = await self._run(self._file.open)
        self.opened = True
        return stored

    async def read_keys(self, after: int) -> list[StoredKeys]:
        """Read the next few hundred thousand keys."""
        return await self._run(self._file.read_keys, after)

    async def commit(self, commit: Commit) -> Outcome:
        """Write counts and keys in one transaction; no other process writes to the file."""
        await self._run(self._file.commit, commit)
        return Outcome()

    async def probe(self) -> None:
        """Write 64 KiB, as a large commit does, to check whether a commit would succeed."""
        await self._run(self._file.probe)

    async def close(self) -> None:
        """Close the file and end the thread."""
        with suppress(StoreError):
            await self._run(self._file.close)
        self.opened, self._closed = False, True
        self._thread.shutdown()

    async def _run(
        self, work: Callable[[*_Arguments], _Returned], *arguments: *_Arguments
    ) -> _Returned:
        if self._closed:
            raise StoreError("the ledger is closed")
        try:
            return await self._loop.run_in_executor(self._thread, work, *arguments)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(str(error)) from error


class LedgerFile:
    """A ledger file, open in one process at a time."""

    def __init__(self, path: Path, sync: Sync) -> None:
        self._path = path
        self._sync = sync
        self._database: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._identity: tuple[int, int] = (0, 0)

    def open(self) -> Stored:
        """Open or create the file and read it.

        Raises ConfigurationError if it is not a ledger of a readable version, sqlite3.Error or
        OSError if it cannot be opened at present.
        """
        if self._path.is_dir():
            raise ConfigurationError(
                f"ledger {self._path}: it is a folder. Set LEDGER_PATH to a file in it."
            )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._acquire_lock()
            # The file contains a secret. SQLite gives its log the same permissions.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            database = sqlite3.connect(
                self._path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._database = database
            self._check(database)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {self._sync}")
            database.executescript(read_sql("sqlite", "session"))
            self._identity = self._identify()
            return _read(database)
        except BaseException as error:
            self.close()
            if _is_damage(error):
                raise self._refusal(f"it is corrupt or not a database ({error})") from error
            raise

    def read_keys(self, after: int) -> list[StoredKeys]:
        """Read the keys of the commits after a number, up to a few hundred thousand keys."""
        if not self._database:
            raise sqlite3.OperationalError("the ledger is not open")
        read: list[StoredKeys] = []
        total = 0
        query = "SELECT number, at, keys FROM deliveries WHERE number > ? ORDER BY number"
        with closing(self._database.execute(query, (after,))) as rows:
            for stored in _merged(rows):
                read.append(stored)
                total += len(stored.keys)
                if total >= _KEYS_PER_READ:
                    break
        return read

    def commit(self, commit: Commit) -> None:
        """Write counts and keys atomically; on sqlite3.Error or OSError nothing was written."""
        counts = msgspec.json.encode([(*series, n) for series, n in commit.counts.items()])
        row = (commit.number, commit.at, counts.decode(), commit.keys.tobytes(), commit.oldest)
        self._write(read_sql("sqlite", "commit"), row)

    def probe(self) -> None:
        """Write 64 KiB, as a large commit does, to check whether a commit would succeed."""
        self._write(read_sql("sqlite", "probe"))

    def close(self) -> None:
        """Close the file and release its lock."""
        if self._database:
            # If the file was replaced, SQLite would leave a log that corrupts the new file.
            with suppress(sqlite3.Error):
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._database.close()
            self._database = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _write(self, statement: str, values: tuple[object, ...] = ()) -> None:
        """Run a statement as one transaction."""
        if not self._database:
            raise sqlite3.OperationalError("the ledger is not open")
        if self._identify() != self._identity:
            # SQLite would continue to write to the unlinked file.
            raise OSError("the file was removed or replaced; put it back or restart")
        self._database.execute(statement, values)

    def _acquire_lock(self) -> None:
        """Keep a second exporter from opening the same file.

        The lock is on a separate file: closing any handle of the SQLite file would release
        SQLite's own locks on it.
        """
        path = self._path.with_name(self._path.name + ".lock")
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        self._lock = os.open(path, flags, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(f"another process holds {path}") from None

    def _check(self, database: sqlite3.Connection) -> None:
        """Initialize an empty file, upgrade an older ledger, and refuse any other file."""
        application, version, tables = (
            database.execute(query).fetchone()[0]
            for query in (
                "PRAGMA application_id",
                "PRAGMA user_version",
                "SELECT count(*) FROM sqlite_schema",
            )
        )
        if not application and not tables:
            _run_script(database, "schema")
        elif application != APPLICATION_ID:
            raise self._refusal("it is a database of another program")
        elif not OLDEST_VERSION <= version <= VERSION:
            raise self._refusal(
                f"it has version {version}, and this exporter reads {OLDEST_VERSION} to {VERSION}"
            )
        elif (damage := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise self._refusal(f"it is corrupt ({' '.join(damage.split())})")
        elif version < VERSION:
            _run_script(database, f"upgrade_{version}")
            self._path.chmod(self._path.stat().st_mode & ~0o007)  # it contains a secret now

    def _refusal(self, problem: str) -> ConfigurationError:
        return ConfigurationError(
            f"ledger {self._path}: {problem}. Set LEDGER_PATH to another file, or move this one "
            "away to start from zero."
        )

    def _identify(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino


def read_all_keys(file: LedgerFile) -> Iterator[StoredKeys]:
    """Read the keys of an open file, oldest first."""
    after = 0
    while read := file.read_keys(after):
        yield from read
        after = read[-1].last


def _merged(rows: Iterable[tuple[int, float, bytes]]) -> Iterator[StoredKeys]:
    """Merge commits made within a second; a row has number, time and keys."""
    first = last = 0
    since = at = 0.0
    keys: list[bytes] = []
    for number, time_, blob in rows:
        if keys and not since <= time_ < since + _MERGE_SECONDS:  # the clock may be set back
            yield StoredKeys(first, last, at, array("Q", b"".join(keys)))
            keys.clear()
        if not keys:
            first, since, at = number, time_, time_
        keys.append(blob)
        last, at = number, max(at, time_)
    if keys:
        yield StoredKeys(first, last, at, array("Q", b"".join(keys)))


def _run_script(database: sqlite3.Connection, name: str) -> None:
    """Run a script that creates or upgrades the schema, atomically."""
    database.create_function("new_secret", 0, new_secret)
    database.create_function("unix_time", 0, time.time)
    database.create_function("hidden", 2, hide_old_keys)
    try:
        database.executescript(read_sql("sqlite", name))
    except BaseException:
        database.rollback()
        raise


def _read(database: sqlite3.Connection) -> Stored:
    with closing(database.execute("SELECT * FROM counts")) as rows:
        counts = [(Series(*row[:4]), row[4], row[5]) for row in rows]
    [(number,)] = database.execute("SELECT max(number) FROM deliveries")
    # Check for truncated keys now: they are read later, when the exporter is running.
    [(broken,)] = database.execute("SELECT count(*) FROM deliveries WHERE length(keys) % 8")
    if broken:
        raise ValueError("keys are truncated")
    return Stored(number or 0, counts, _read_keyring(database))


def _read_keyring(database: sqlite3.Connection) -> Keyring:
    [(secret,)] = database.execute("SELECT secret FROM secrets WHERE since IS NULL")
    rows = database.execute("SELECT secret, xxh3, since FROM secrets WHERE since IS NOT NULL")
    earlier = [EarlierKeys(earlier, bool(xxh3), since) for earlier, xxh3, since in rows]
    return Keyring(secret, earlier)


def _is_damage(error: BaseException) -> bool:
    """Whether an error is permanent; SQLITE_ERROR means that a table is missing."""
    damage = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return code in damage or (
        isinstance(error, ValueError) and not isinstance(error, ConfigurationError)
    )
