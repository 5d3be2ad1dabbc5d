"""The ledger's SQLite file. Runs on the ledger's thread; knows SQL and nothing of requests."""

import fcntl
import sqlite3
from array import array
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal, NamedTuple, TextIO

import msgspec

from exporter.errors import ConfigurationError
from exporter.results import Series

APPLICATION_ID = 0x50524558  # "PREX", in the file's header
VERSION = 1

Sync = Literal["full", "normal", "off"]

_LOCK_WAIT = 2.0  # seconds; a short backup of the file goes unnoticed

_SCHEMA = f"""
BEGIN;
CREATE TABLE counts (
    channel TEXT NOT NULL, code TEXT NOT NULL, code_table TEXT NOT NULL,
    count INTEGER NOT NULL, last_at REAL NOT NULL,
    PRIMARY KEY (channel, code, code_table)
) WITHOUT ROWID;
CREATE TABLE deliveries (number INTEGER PRIMARY KEY, at REAL NOT NULL, keys BLOB NOT NULL);
CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""
# A commit as one statement, and so one transaction: Python's lock is let go of once for all of it,
# where each further statement would have to wait for the event loop to get it back.
_COMMITS = """
PRAGMA temp_store = MEMORY;
CREATE TEMP VIEW commits AS SELECT 0 AS number, 0 AS at, '' AS counts, '' AS keys, 0 AS oldest;
CREATE TEMP TRIGGER record INSTEAD OF INSERT ON commits BEGIN
    INSERT INTO counts
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, NEW.at
    FROM json_each(NEW.counts) WHERE true
    ON CONFLICT DO UPDATE SET count = count + excluded.count, last_at = excluded.last_at;
    INSERT INTO deliveries SELECT NEW.number, NEW.at, NEW.keys WHERE length(NEW.keys);
    DELETE FROM deliveries WHERE number < NEW.oldest;
END;
"""


class Commit(NamedTuple):
    """What one transaction writes."""

    number: int
    at: float
    """Unix time in seconds."""
    counts: dict[Series, int]
    keys: "array[int]"
    oldest: int
    """The first commit whose delivery keys are kept."""


class Stored(NamedTuple):
    """What the file holds when it is opened."""

    counts: list[tuple[Series, int, float]]
    """Series, number of results, time of the last one."""
    keys: list[tuple[int, float, "array[int]"]]
    """Number and time of each commit, oldest first, with its delivery keys."""


class LedgerFile:
    """One open ledger; held by one process at a time."""

    def __init__(self, path: Path, sync: Sync) -> None:
        self._path = path
        self._sync = sync
        self._database: sqlite3.Connection | None = None
        self._lock: TextIO | None = None
        self._identity: tuple[int, int] = (0, 0)

    def open(self) -> Stored:
        """Open or create the file and read it.

        Raises ConfigurationError if it is not a ledger that we can read, sqlite3.Error or
        OSError if it cannot be opened at present.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._hold()
            database = sqlite3.connect(
                self._path, timeout=_LOCK_WAIT, isolation_level=None, check_same_thread=False
            )
            self._database = database
            self._check(database)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {self._sync}")
            database.executescript(_COMMITS)
            self._identity = self._identify()
            return _read(database)
        except BaseException as error:
            self.close()
            if _is_damage(error):
                raise self._refusal(f"it is corrupt or not a database ({error})") from error
            raise

    def commit(self, commit: Commit) -> None:
        """Write counts and keys together; on sqlite3.Error or OSError nothing was written."""
        counts = msgspec.json.encode([(*series, n) for series, n in commit.counts.items()])
        row = (commit.number, commit.at, counts.decode(), commit.keys.tobytes(), commit.oldest)
        self._write("INSERT INTO commits VALUES (?, ?, ?, ?, ?)", row)

    def probe(self) -> None:
        """Write a page, to learn whether a commit would succeed."""
        self._write("INSERT OR REPLACE INTO probe VALUES (1, zeroblob(8192))")

    def close(self) -> None:
        """Close the file and let another process have it."""
        if self._database:
            # If the file was replaced, SQLite would leave a log that spoils the new one.
            with suppress(sqlite3.Error):
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._database.close()
            self._database = None
        if self._lock:
            self._lock.close()
            self._lock = None

    def _write(self, statement: str, values: tuple[object, ...] = ()) -> None:
        """Run a statement as a transaction of its own."""
        if not self._database:
            raise sqlite3.OperationalError("the ledger is not open")
        if self._identify() != self._identity:
            # SQLite would go on writing into a file that nobody will find again.
            raise OSError("the file was removed or replaced; put it back or restart")
        self._database.execute(statement, values)

    def _hold(self) -> None:
        """Keep a second exporter from counting into the same file.

        A file beside it is locked, because closing any handle of a SQLite file drops the
        locks that SQLite itself has on it.
        """
        path = self._path.with_name(self._path.name + ".lock")
        self._lock = path.open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(f"another process holds {path}") from None

    def _check(self, database: sqlite3.Connection) -> None:
        """Refuse a file that is not a sound ledger of our version; make one of an empty file."""
        application, version, tables = (
            database.execute(query).fetchone()[0]
            for query in (
                "PRAGMA application_id",
                "PRAGMA user_version",
                "SELECT count(*) FROM sqlite_schema",
            )
        )
        if not application and not tables:
            database.executescript(_SCHEMA)
        elif application != APPLICATION_ID:
            raise self._refusal("it is a database of another program")
        elif version > VERSION:
            raise self._refusal(f"it has version {version}, and this exporter knows {VERSION}")
        elif (finding := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise self._refusal(f"it is corrupt ({' '.join(finding.split())})")

    def _refusal(self, problem: str) -> ConfigurationError:
        return ConfigurationError(
            f"ledger {self._path}: {problem}. Point LEDGER_PATH at another file, or move this "
            "one away to start again from zero."
        )

    def _identify(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino


def _read(database: sqlite3.Connection) -> Stored:
    with closing(database.execute("SELECT * FROM counts")) as rows:
        counts = [(Series(*row[:3]), row[3], row[4]) for row in rows]
    keys = []
    with closing(database.execute("SELECT * FROM deliveries ORDER BY number")) as rows:
        for number, at, blob in rows:
            keys.append((number, at, array("Q", blob)))
    return Stored(counts, keys)


def _is_damage(error: BaseException) -> bool:
    """Whether reading failed for good: SQLITE_ERROR is a table that is not there."""
    damage = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return code in damage or (
        isinstance(error, ValueError) and not isinstance(error, ConfigurationError)
    )
