"""The ledger's file: its content, refusals, and its state after failures."""

import os
import shutil
import sqlite3
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import ConfigurationError
from exporter.ledger import sqlite as ledger_file
from exporter.ledger.sqlite import VERSION, LedgerFile, Sync, read_all_keys
from exporter.ledger.store import Commit, Stored
from exporter.results import Series

ACKED = Series("apns", "2", "mps")
BAD_TOKEN = Series("apns", "2009", "apns")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a ledger in a folder that does not exist yet."""
    return tmp_path / "data" / "ledger.sqlite3"


@contextmanager
def opened(path: Path, sync: Sync = "full") -> Iterator[tuple[LedgerFile, Stored]]:
    """Open a ledger; return it and its content."""
    with closing(LedgerFile(path, sync)) as file:
        yield file, file.open()


def stored(path: Path) -> Stored:
    """Read a ledger that is not in use."""
    with opened(path) as (_, held):
        return held


def stored_keys(path: Path) -> list[tuple[int, float, "array[int]"]]:
    """Read number, time and keys of the commits of a ledger that is not in use."""
    with opened(path) as (file, _):
        return [(stored.first, stored.at, stored.keys) for stored in read_all_keys(file)]


def totals(path: Path) -> dict[Series, int]:
    """Read the counts of a ledger that is not in use."""
    return {series: total for series, total, _ in stored(path).counts}


def commit(
    number: int = 1,
    counts: dict[Series, int] | None = None,
    keys: Iterable[int] = (),
    *,
    at: float = 1000.5,
    oldest: int = 1,
) -> Commit:
    """Make a commit; without counts, of one accepted push."""
    return Commit(number, at, counts or {ACKED: 1}, array("Q", keys), oldest, [])


def make_ledger(path: Path, commits: int = 40) -> None:
    """Make a ledger of many pages."""
    with opened(path, "off") as (file, _):
        for number in range(1, commits + 1):
            codes = {Series("other", f"{number}-{code}", ""): 1 for code in range(20)}
            file.commit(commit(number, codes, range(500)))


def test_new_ledger_is_empty_and_makes_its_folder(path: Path) -> None:
    """A path in a folder that does not exist gives an empty ledger."""
    assert stored(path)[:2] == (0, [])
    assert path.is_file()


def test_empty_file_becomes_a_ledger(path: Path) -> None:
    """A file of no bytes, as mktemp makes it, is taken for a new ledger."""
    path.parent.mkdir()
    path.touch()
    with opened(path) as (file, _):
        file.commit(commit())
    assert totals(path) == {ACKED: 1}


def test_commits_add_up_and_survive_a_reopening(path: Path) -> None:
    """Counts of one series add up over commits and reopenings, and carry the last time."""
    with opened(path) as (file, _):
        file.commit(commit(1, {ACKED: 3, BAD_TOKEN: 1}, at=10.0))
        file.commit(commit(2, {ACKED: 4}, at=20.0))
    with opened(path) as (file, _):
        file.commit(commit(3, {ACKED: 5}, at=30.0))
    assert sorted(stored(path).counts) == [(ACKED, 12, 30.0), (BAD_TOKEN, 1, 10.0)]


def test_series_differ_by_their_table(path: Path) -> None:
    """The two meanings of -1 under OPPO are two counts."""
    own, common = Series("oppo", "-1", "oppo"), Series("oppo", "-1", "mps")
    with opened(path) as (file, _):
        file.commit(commit(1, {own: 2, common: 5}))
    assert totals(path) == {own: 2, common: 5}


def test_keys_are_stored_by_commit(path: Path) -> None:
    """Each commit's keys come back in the order of the commits, 0 and the largest included."""
    with opened(path) as (file, _):
        file.commit(commit(7, keys=[0, 2**64 - 1], at=70.0))
        file.commit(commit(8, at=80.0))
        file.commit(commit(9, keys=[5], at=90.0))
    keys = [(7, 70.0, array("Q", [0, 2**64 - 1])), (9, 90.0, array("Q", [5]))]
    assert stored_keys(path) == keys


def test_keys_of_a_second_are_read_together(path: Path) -> None:
    """A day of small commits is read as its seconds: first number, latest time, keys in order.

    So it is after the clock was set back.
    """
    times = (10.0, 10.9, 11.0, 11.9, 30.0, 12.0, 12.9, 12.5, 11.9)
    with opened(path) as (file, _):
        for number, at in enumerate(times, 1):
            file.commit(commit(number, keys=[number], at=at))
    assert stored(path).number == 9
    assert stored_keys(path) == [
        (1, 10.9, array("Q", [1, 2])),
        (3, 11.9, array("Q", [3, 4])),
        (5, 30.0, array("Q", [5])),
        (6, 12.9, array("Q", [6, 7, 8])),
        (9, 11.9, array("Q", [9])),
    ]


def test_keys_are_read_in_parts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are read at once, all keys are read once and in order."""
    monkeypatch.setattr(ledger_file, "_KEYS_PER_READ", 7)
    with opened(path) as (file, _):
        for number in range(1, 40):
            keys = range(number * 10, number * 10 + number % 5)
            file.commit(commit(number, keys=keys, at=number * 0.4))
        assert sum(len(stored.keys) for stored in file.read_keys(0)) < 20
    read = [key for _, _, keys in stored_keys(path) for key in keys]
    assert read == [number * 10 + n for number in range(1, 40) for n in range(number % 5)]


@pytest.mark.parametrize("reopen", [False, True])
def test_keys_are_trimmed_by_oldest(path: Path, reopen: bool) -> None:
    """A commit drops the keys of the commits before `oldest`, of an earlier run too."""
    with opened(path) as (file, _):
        for number in (1, 2, 3):
            file.commit(commit(number, keys=[number]))
        if not reopen:
            file.commit(commit(4, oldest=3))
    if reopen:
        with opened(path) as (file, _):
            file.commit(commit(4, oldest=3))
    assert [number for number, _, _ in stored_keys(path)] == [3]
    assert totals(path) == {ACKED: 4}


def test_lock_file_follows_no_link(path: Path, tmp_path: Path) -> None:
    """A link in place of the lock file is refused, and its target is unchanged."""
    precious = tmp_path / "precious"
    precious.write_text("do not touch")
    path.parent.mkdir()
    path.with_name(path.name + ".lock").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"), opened(path):
        pass
    assert precious.read_text() == "do not touch"


@pytest.mark.parametrize(("sync", "level"), [("full", 2), ("normal", 1), ("off", 0)])
def test_sync_is_the_configured_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, sync: Sync, level: int
) -> None:
    """LEDGER_SYNC is SQLite's own `synchronous`, on a write-ahead log."""
    connect = sqlite3.connect
    connections: list[sqlite3.Connection] = []

    def remembered(*given: Any, **more: Any) -> sqlite3.Connection:
        connections.append(connect(*given, **more))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", remembered)
    with opened(path, sync):
        [connection] = connections
        assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_probe_changes_no_count(path: Path) -> None:
    """A probe for free space changes no count."""
    with opened(path) as (file, _):
        file.commit(commit(keys=[1]))
        before = stored_in_use(path)
        file.probe()
        file.probe()
        assert stored_in_use(path) == before == [(*ACKED, 1, 1000.5)]


def stored_in_use(path: Path) -> list[tuple[str, str, str, str, int, float]]:
    """Read the counts of a ledger in use, as a backup does."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT * FROM counts").fetchall()


def test_second_handle_is_refused(path: Path) -> None:
    """A ledger is held by one exporter at a time; it is free again when that closes it."""
    with opened(path) as (file, _):
        file.commit(commit())
        second = LedgerFile(path, "full")
        with pytest.raises(BlockingIOError, match=r"ledger\.sqlite3\.lock"):
            second.open()
        with pytest.raises(sqlite3.OperationalError):
            second.commit(commit())
        with pytest.raises(sqlite3.OperationalError):
            second.read_keys(0)
        file.commit(commit(2))
    assert totals(path) == {ACKED: 2}


_OTHER_PROCESS = """
import os, pathlib, signal, sys
from array import array
from exporter.ledger.sqlite import LedgerFile
from exporter.ledger.store import Commit
from exporter.results import Series

file = LedgerFile(pathlib.Path(sys.argv[1]), "full")
try:
    file.open()
except BlockingIOError:
    sys.exit(17)
file.commit(Commit(1, 5.0, {Series("apns", "2", "mps"): 3}, array("Q", [9]), 1, []))
os.kill(os.getpid(), signal.SIGKILL)
"""


def run_other_process(path: Path) -> int:
    """Open and commit in another process, which then kills itself; return its exit status."""
    return subprocess.run([sys.executable, "-c", _OTHER_PROCESS, path], check=False).returncode


def test_second_process_is_refused(path: Path) -> None:
    """Another process does not get the ledger while this one has it."""
    with opened(path):
        assert run_other_process(path) == 17
    assert totals(path) == {}


def test_commit_survives_a_kill(path: Path) -> None:
    """Counts and keys committed before a `kill -9` are kept, and the lock is released."""
    assert run_other_process(path) == -9
    assert stored(path)[:2] == (1, [(ACKED, 3, 5.0)])
    assert stored_keys(path) == [(1, 5.0, array("Q", [9]))]


def _foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE customers (name TEXT)")
        database.execute("INSERT INTO customers VALUES ('Ada')")
        database.commit()


def _change(sql: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        make_ledger(path, 2)
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute(sql)

    return change


def _overwrite(start: int, end: int | None) -> Callable[[Path], None]:
    def overwrite(path: Path) -> None:
        make_ledger(path)
        data = bytearray(path.read_bytes())
        assert len(data) > 20 * 4096
        garbage = bytes(range(1, 256)) * (len(data) // 255 + 1)
        data[start:end] = garbage[: len(data[start:end])]
        path.write_bytes(data)

    return overwrite


def _truncate(size: int) -> Callable[[Path], None]:
    def truncate(path: Path) -> None:
        make_ledger(path)
        os.truncate(path, size)

    return truncate


def _write(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


NOT_LEDGERS = {
    "database-of-another-program": _foreign_database,
    "database-of-another-application-id": _change("PRAGMA application_id = 1"),
    "newer-version": _change(f"PRAGMA user_version = {VERSION + 1}"),
    "word": _write(b"hello"),
    "text": _write(b"remember the milk\n" * 500),
    "zeros": _write(bytes(8192)),
    "no-header": _overwrite(0, 100),
    "garbage-pages": _overwrite(4096, None),
    "garbage-in-the-middle": _overwrite(8 * 4096, 12 * 4096),
    "cut-in-the-header": _truncate(50),
    "cut-after-the-first-page": _truncate(4096),
    "cut-in-the-middle": _truncate(10 * 4096),
    "lost-table": _change("DROP TABLE counts"),
    "broken-keys": _change("UPDATE deliveries SET keys = x'010203'"),
}


@pytest.mark.parametrize("make", NOT_LEDGERS.values(), ids=NOT_LEDGERS)
def test_unsound_ledger_is_refused(path: Path, make: Callable[[Path], None]) -> None:
    """The refusal names the file and the remedy; the file is unchanged and not locked."""
    path.parent.mkdir()
    make(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(ConfigurationError) as refused, opened(path):
            pass
        assert str(path) in str(refused.value)
        assert "LEDGER_PATH" in str(refused.value)
        assert "move this one away" in str(refused.value)
        assert path.read_bytes() == before
    path.unlink()
    assert stored(path)[:2] == (0, [])


def test_newer_version_is_named(path: Path) -> None:
    """After a downgrade the refusal names the file's version and the supported one."""
    _change(f"PRAGMA user_version = {VERSION + 6}")(path)
    with (
        pytest.raises(ConfigurationError, match=rf"version {VERSION + 6}.* reads .*{VERSION}\b"),
        opened(path),
    ):
        pass


Write = Callable[[LedgerFile], None]
WRITES: dict[str, Write] = {
    "commit": lambda file: file.commit(commit(2)),
    "probe": lambda file: file.probe(),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_removed_file_is_noticed(path: Path, write: Write) -> None:
    """Nothing is written into a file that was removed, nor is another made in its place."""
    with opened(path) as (file, _):
        file.commit(commit())
        path.unlink()
        with pytest.raises(OSError, match="No such file"):
            write(file)
        assert not path.exists()


def test_restored_file_continues(path: Path) -> None:
    """A ledger that was moved away and put back counts on, without what failed meanwhile."""
    away = path.with_name("away")
    with opened(path) as (file, _):
        file.commit(commit())
        path.rename(away)
        with pytest.raises(FileNotFoundError):
            file.commit(commit(2, {ACKED: 10}))
        away.rename(path)
        file.commit(commit(2, {ACKED: 100}))
    assert totals(path) == {ACKED: 101}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_replaced_file_is_noticed(path: Path, tmp_path: Path, write: Write) -> None:
    """Nothing is written after the file was replaced by another ledger."""
    backup = tmp_path / "backup.sqlite3"
    with opened(backup) as (other, _):
        other.commit(commit(1, {BAD_TOKEN: 7}))
    before = backup.read_bytes()
    with opened(path) as (file, _):
        file.commit(commit())
        backup.rename(path)
        with pytest.raises(OSError, match="removed or replaced"):
            write(file)
        assert path.read_bytes() == before


def test_replacement_is_read_after_a_restart(path: Path, tmp_path: Path) -> None:
    """A backup that was put in place of an open ledger is what the next start continues from."""
    backup = tmp_path / "backup.sqlite3"
    with opened(backup) as (other, _):
        other.commit(commit(1, {BAD_TOKEN: 7}))
    with opened(path) as (file, _):
        file.commit(commit())
        shutil.copy(backup, tmp_path / "copy")
        (tmp_path / "copy").rename(path)
        with pytest.raises(OSError, match="removed or replaced"):
            file.commit(commit(2))
    assert totals(path) == {BAD_TOKEN: 7}


def test_locked_database_takes_nothing_until_it_is_free(path: Path) -> None:
    """A commit that meets another writer fails whole, and the next one succeeds."""
    with opened(path) as (file, _):
        file.commit(commit(1, {ACKED: 1}, [1]))
        with closing(sqlite3.connect(path, isolation_level=None)) as intruder:
            intruder.execute("BEGIN IMMEDIATE")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                file.commit(commit(2, {ACKED: 10}, [2]))
            intruder.execute("ROLLBACK")
            assert stored_in_use(path) == [(*ACKED, 1, 1000.5)]
        file.commit(commit(2, {ACKED: 100}, [3], at=2000.5))
    held = stored(path)
    assert held.counts == [(ACKED, 101, 2000.5)]
    assert stored_keys(path) == [(1, 1000.5, array("Q", [1])), (2, 2000.5, array("Q", [3]))]


def test_failed_commit_is_rolled_back(path: Path) -> None:
    """Counts are rolled back if their keys cannot be stored."""
    with opened(path) as (file, _):
        file.commit(commit(1, {ACKED: 1}, [1]))
        with pytest.raises(sqlite3.IntegrityError):
            file.commit(commit(1, {ACKED: 10, BAD_TOKEN: 1}, [2]))
        file.commit(commit(2, {ACKED: 100}, [3]))
    assert totals(path) == {ACKED: 101}


def test_closed_file_refuses_commits(path: Path) -> None:
    """A closed ledger fails like an unavailable one, and may be closed again."""
    with opened(path) as (file, _):
        file.close()
        for write in WRITES.values():
            with pytest.raises(sqlite3.OperationalError, match="not open"):
                write(file)
    assert totals(path) == {}


def test_folder_in_place_of_the_file(path: Path) -> None:
    """A folder where the file should be is named, and left alone."""
    path.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="it is a folder"), opened(path):
        pass
    path.rmdir()
    assert stored(path)[:2] == (0, [])
