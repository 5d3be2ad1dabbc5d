"""A disk that is full, read-only or locked, and files that are no sound ledger."""

import os
import random
import re
import sqlite3
import subprocess
import sys
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.support.programs import (
    ExporterProcess,
    Settings,
    exporter_process,
    exporter_starting,
    fetch,
    fill,
    mounted,
    serves,
    wait_for,
)
from tests.support.traffic import Call, Client, Totals, add, exposed, results_call

pytestmark = pytest.mark.load

DISK_BYTES = 16 << 20

HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    database.execute(statement).fetchall()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 16 MiB."""
    with mounted("tmpfs", tmp_path / "disk", "-t", "tmpfs", "-o", f"size={DISK_BYTES}") as folder:
        yield folder


def make_calls(number: int, *, items: int = 20) -> list[Call]:
    """Make calls of distinct results."""
    rng = random.Random(number)
    return [results_call(rng, f"{items}.{n}", items) for n in range(number)]


def deliver(url: str, calls: list[Call]) -> list[Call]:
    """Make each call once; return those that were answered that the ledger cannot be had."""
    refused = []
    with closing(Client(url)) as client:
        for call in calls:
            status, answer = client.post(call)
            if status == 503:
                assert answer["error"] == "ledger_unavailable"
                refused.append(call)
            else:
                assert (status, answer["accepted"]) == (200, call.totals.total())
    return refused


def commit_errors(exporter: ExporterProcess) -> float:
    """Scrape the failed attempts to write."""
    text = fetch(f"{exporter.admin}/metrics").decode()
    found = re.search(r"^push_ledger_commit_errors_total (\S+)$", text, re.MULTILINE)
    assert found
    return float(found[1])


def count_some(folder: Path, settings: Settings, ledger: Path) -> Totals:
    """Make a ledger that holds something, by a run that ends well."""
    calls = make_calls(10)
    with exporter_process(folder, ledger_path=ledger, **settings) as exporter:
        assert deliver(exporter.ingest, calls) == []
    return add(calls)


def check_out_of_order(exporter: ExporterProcess) -> None:
    """Check that the exporter lives, is not ready, refuses, and keeps trying."""
    assert serves(exporter, "healthy")
    assert not serves(exporter, "ready")
    errors = wait_for(lambda: commit_errors(exporter), "the ledger is tried")
    call = results_call(random.Random(0), "refused", 1)
    assert deliver(exporter.ingest, [call]) == [call]
    wait_for(lambda: commit_errors(exporter) > errors, "it tries again")


def check_recovery(exporter: ExporterProcess, counted: Totals, refused: list[Call]) -> None:
    """Wait until the exporter is ready, make the refused calls again, and check the totals."""
    wait_for(lambda: serves(exporter, "ready"), "it has recovered")
    assert exposed(exporter.admin) == counted
    assert deliver(exporter.ingest, refused) == []
    with closing(Client(exporter.ingest)) as client:
        for call in refused:
            assert client.post(call)[1]["accepted"] == 0
    assert exposed(exporter.admin) == counted + add(refused)


def test_full_disk_counts_nothing_and_recovers(
    tmp_path: Path, disk: Path, settings: Settings
) -> None:
    """A request refused for a full disk is not counted, and counts once when it is repeated."""
    ledger = disk / "ledger.sqlite3"
    with exporter_process(tmp_path, ledger_path=ledger, **settings) as exporter:
        counted: Totals = add([])
        for turn in (1, 2, 3):  # each time the ledger stops at another point
            calls = make_calls(40, items=turn * 20)
            assert deliver(exporter.ingest, calls[:10]) == []
            filler = fill(disk)
            refused = deliver(exporter.ingest, calls[10:])
            assert refused
            counted += add([call for call in calls if call not in refused])
            check_out_of_order(exporter)
            assert exposed(exporter.admin) == counted
            filler.unlink()
            check_recovery(exporter, counted, refused)
            counted += add(refused)
    with exporter_process(tmp_path, ledger_path=ledger, **settings) as exporter:
        assert exposed(exporter.admin) == counted


def test_disk_that_fills_up_under_the_ledger(
    tmp_path: Path, disk: Path, settings: Settings
) -> None:
    """A disk that the ledger itself fills ends in refusals, not in a crash or a lost result."""
    ledger = disk / "ledger.sqlite3"
    filler = fill(disk)
    os.truncate(filler, filler.stat().st_size - (1 << 20))
    calls = make_calls(200, items=300)
    with exporter_process(tmp_path, ledger_path=ledger, **settings) as exporter:
        refused = deliver(exporter.ingest, calls)
        assert 0 < len(refused) < len(calls)
        check_out_of_order(exporter)
        filler.unlink()
        counted = add([call for call in calls if call not in refused])
        check_recovery(exporter, counted, refused[:20])


@pytest.mark.parametrize("new", [True, False], ids=["new-ledger", "old-ledger"])
def test_start_on_a_full_disk(tmp_path: Path, disk: Path, settings: Settings, new: bool) -> None:
    """An exporter that starts on a full disk exposes no totals until it can read the ledger."""
    ledger = disk / "ledger.sqlite3"
    counted = Counter() if new else count_some(tmp_path, settings, ledger)
    filler = fill(disk)
    with exporter_starting(tmp_path, ledger_path=ledger, **settings) as exporter:
        check_waiting(exporter)
        filler.unlink()
        check_recovery(exporter, counted, make_calls(5, items=7))


def test_restart_on_a_full_disk(tmp_path: Path, disk: Path, settings: Settings) -> None:
    """An exporter that was killed and finds the disk full is not ready until there is room."""
    ledger = disk / "ledger.sqlite3"
    calls = make_calls(10)
    with exporter_process(tmp_path, ledger_path=ledger, **settings) as exporter:
        assert deliver(exporter.ingest, calls) == []
        exporter.process.kill()
    filler = fill(disk)
    with exporter_starting(tmp_path, ledger_path=ledger, **settings) as exporter:
        wait_for(lambda: healthy(exporter), "it runs")
        check_out_of_order(exporter)
        filler.unlink()
        check_recovery(exporter, add(calls), make_calls(5, items=7))


def check_waiting(exporter: ExporterProcess) -> None:
    """Check that an exporter has started and does not pretend to know the totals."""
    wait_for(lambda: healthy(exporter), "it runs")
    check_out_of_order(exporter)
    text = fetch(f"{exporter.admin}/metrics")
    assert b"\npush_results_total{" not in text
    assert b"\npush_results_last_received_timestamp_seconds{" not in text


def healthy(exporter: ExporterProcess) -> bool:
    """Whether the process answers; it must not end."""
    return serves(exporter, "healthy")


@pytest.mark.parametrize("new", [True, False], ids=["new-ledger", "old-ledger"])
def test_start_on_a_read_only_disk(
    tmp_path: Path, disk: Path, settings: Settings, new: bool
) -> None:
    """An exporter that starts on a read-only disk waits until it can write."""
    ledger = disk / "ledger.sqlite3"
    counted = Counter() if new else count_some(tmp_path, settings, ledger)
    remount(disk, "ro")
    with exporter_starting(tmp_path, ledger_path=ledger, **settings) as exporter:
        check_waiting(exporter)
        remount(disk, "rw")
        check_recovery(exporter, counted, make_calls(5, items=7))


def remount(disk: Path, mode: str) -> None:
    """Make a mounted disk read-only or not."""
    subprocess.run(["mount", "-o", f"remount,{mode}", str(disk)], check=True)


@contextmanager
def held(ledger: Path, *statements: str) -> Iterator[None]:
    """Hold the database from another process inside the block."""
    command = [sys.executable, "-c", HOLD, str(ledger), *statements]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        yield  # leaving the block closes the holder's input, and so ends it


def test_locked_while_running(tmp_path: Path, settings: Settings) -> None:
    """While another process has the database locked nothing is counted, and then it goes on."""
    ledger = tmp_path / "ledger.sqlite3"
    calls = make_calls(10)
    with exporter_process(tmp_path, **settings) as exporter:
        assert deliver(exporter.ingest, calls[:5]) == []
        with held(ledger, "BEGIN EXCLUSIVE"):
            assert deliver(exporter.ingest, calls[5:]) == calls[5:]
            check_out_of_order(exporter)
            assert exposed(exporter.admin) == add(calls[:5])
        check_recovery(exporter, add(calls[:5]), calls[5:])


LOCKS = {
    "reading-allowed": ["BEGIN EXCLUSIVE"],
    "nothing-allowed": ["PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"],
}


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_start_on_a_locked_ledger(tmp_path: Path, settings: Settings, lock: list[str]) -> None:
    """An exporter that starts while the database is locked is not ready until it is free."""
    ledger = tmp_path / "ledger.sqlite3"
    counted = count_some(tmp_path, settings, ledger)
    with ExitStack() as stack:
        with held(ledger, *lock):
            exporter = stack.enter_context(exporter_starting(tmp_path, **settings))
            wait_for(lambda: healthy(exporter), "it runs")
            check_out_of_order(exporter)
            # Where the totals could be read they are exposed, and right.
            assert exposed(exporter.admin) in ({}, counted)
        check_recovery(exporter, counted, make_calls(5, items=7))


def _newer_version(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger, isolation_level=None)) as database:
        database.execute("PRAGMA user_version = 99")


def _other_program(ledger: Path) -> None:
    ledger.unlink()
    with closing(sqlite3.connect(ledger, isolation_level=None)) as database:
        database.execute("CREATE TABLE customers (name TEXT)")


def _corrupt(ledger: Path) -> None:
    rng = random.Random(20261127)
    page = 4096
    with ledger.open("r+b") as file:
        file.seek(page * rng.randrange(1, ledger.stat().st_size // page))
        file.write(rng.randbytes(page))


def _text(ledger: Path) -> None:
    ledger.write_text("remember the milk\n" * 500)


SPOILERS: dict[str, Callable[[Path], None]] = {
    "newer-version": _newer_version,
    "other-program": _other_program,
    "corrupt-page": _corrupt,
    "text": _text,
}


@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS)
def test_unsound_ledger_ends_the_start(
    tmp_path: Path, settings: Settings, spoil: Callable[[Path], None]
) -> None:
    """The exporter exits with status 2, names the file and the remedy, and does not change it."""
    ledger = tmp_path / "ledger.sqlite3"
    count_some(tmp_path, settings, ledger)
    spoil(ledger)
    before = ledger.read_bytes()
    with exporter_starting(tmp_path, **settings) as exporter:
        assert exporter.process.wait(20) == 2
    log = exporter.log.read_text()
    assert f"push-result-exporter: ledger {ledger}: " in log
    assert log.endswith("move this one away to start from zero.\n")
    assert "Traceback" not in log
    assert ledger.read_bytes() == before


def test_records_on_a_full_disk(disk: Path, tmp_path: Path) -> None:
    """Records that find no room cost no answer, one log line and no half file; then they go on."""
    filler = fill(disk)
    folder = disk / "records"
    settings: Settings = {"allow_unsigned": True, "record_unauthenticated": True}
    with exporter_process(tmp_path, record=folder, **settings) as exporter:

        def recorded(outcome: str, number: int) -> bool:
            line = f'push_exporter_records_total{{outcome="{outcome}"}} {number}.0'
            return line in fetch(f"{exporter.admin}/metrics").decode()

        for _ in range(5):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                fetch(f"{exporter.ingest}/webhooks/results", b"{}")
        wait_for(lambda: recorded("failed", 5), "five records have failed")
        assert [*folder.glob("*"), *folder.glob(".*")] == []
        filler.unlink()
        with pytest.raises(urllib.error.HTTPError, match="400"):
            fetch(f"{exporter.ingest}/webhooks/results", b"{}")
        wait_for(lambda: recorded("written", 1), "a record is written")
    assert len(list(folder.iterdir())) == 1
    log = exporter.log.read_text()
    assert log.count("rejected requests cannot be recorded") == 1
    assert "No space left on device" in log
