"""The command `ledger`, over a real PostgreSQL."""

import asyncio
import json
import os
import pty
import sqlite3
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from exporter.commands.main import main
from exporter.errors import RequestError
from exporter.ledger import maintenance
from exporter.ledger.address import Address, parse_address
from exporter.ledger.administration import Administration
from exporter.ledger.ledger import Ledger
from exporter.ledger.postgres import PostgresStore
from exporter.ledger.sqlite import LedgerFile
from exporter.ledger.store import Commit
from exporter.results import Delivery
from tests.support.deliveries import ACKED, BAD_TOKEN, delivery
from tests.support.postgres import PASSWORD, Server, running_server
from tests.support.programs import until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run a PostgreSQL for the tests of this module."""
    with running_server() as server:
        yield server


@pytest.fixture
def address(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """Give an empty database, which the settings name."""
    server.execute("CREATE DATABASE fresh OWNER exporter", "postgres")
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    monkeypatch.setenv("PUSH_EXPORTER_LEDGER_URL", server.url(database="fresh"))
    monkeypatch.setenv("PUSH_EXPORTER_LEDGER_PASSWORD_FILE", str(password))
    monkeypatch.setenv("PUSH_EXPORTER_INSTANCE", "new")
    monkeypatch.setenv("PUSH_EXPORTER_LEDGER_PATH", str(tmp_path / "old.sqlite3"))
    yield parse_address(server.url(database="fresh"), password)
    server.execute("DROP DATABASE fresh WITH (FORCE)", "postgres")


def count(address: Address, instance: str, *deliveries: Delivery) -> int:
    """Run a replica, and have it count; return how many results were new."""

    async def run() -> int:
        ledger = Ledger(PostgresStore(address, instance, dedupe_seconds=1000))
        await ledger.start()
        try:
            return await ledger.record(list(deliveries))
        finally:
            await ledger.close()

    return asyncio.run(run())


def make_file(path: Path, keys: int = 3) -> None:
    """Make a SQLite ledger of several keys, one result each, and one expired key."""
    with closing(LedgerFile(path, "off")) as file:
        made = file.open().keyring.current.of
        now = time.time()
        file.commit(Commit(1, now - 1e6, {BAD_TOKEN: 1}, array("Q", made(delivery(99))), 1, []))
        new = array("Q", made(delivery(*range(keys))) if keys else [])
        file.commit(Commit(2, now, {ACKED: keys}, new, 1, []))


def disconnect(server: Server) -> None:
    """End the connections of all replicas."""
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'exporter'", "fresh"
    )


def totals(server: Server) -> dict[tuple[str, str], int]:
    """Return the counts by instance and code."""
    rows = server.execute("SELECT instance, code, count FROM push_result_exporter.counts", "fresh")
    return {(instance, code): number for instance, code, number in rows}


def test_list(address: Address, capsys: pytest.CaptureFixture[str]) -> None:
    """Each instance is listed with its total and its last commit, for people and as JSON."""
    count(address, "a", delivery(1, 2), delivery(3, series=BAD_TOKEN))
    count(address, "b-1", delivery(4))
    assert main(["ledger", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["INSTANCE", "STATE", "RESULTS", "LAST", "COMMIT"]
    assert [line.split()[0] for line in lines[1:]] == ["a", "b-1"]
    assert " 3  20" in lines[1]
    assert "stopped for" in lines[2]
    assert main(["ledger", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["instance"], row["running"], row["results"]) for row in rows] == [
        ("a", False, 3),
        ("b-1", False, 1),
    ]
    assert abs(rows[0]["last_commit_at"] - time.time()) < 100


def test_fold(address: Address, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Departed instances are added up in one; the sum of all stays, and duplicates stay known."""
    for instance, key in (("a", 1), ("b", 2), ("c", 3)):
        count(address, instance, delivery(key), delivery(10 + key, series=BAD_TOKEN))
    assert main(["ledger", "fold", "a", "b"]) == 0
    assert capsys.readouterr().out == "Folded into departed: a, b.\n"
    assert totals(server) == {
        ("departed", "2"): 2,
        ("departed", "2009"): 2,
        ("c", "2"): 1,
        ("c", "2009"): 1,
    }
    assert main(["ledger", "fold", "--unseen-hours", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "into": "departed",
        "folded": ["c"],
        "running": [],
    }
    assert totals(server) == {("departed", "2"): 3, ("departed", "2009"): 3}
    assert main(["ledger", "fold", "--unseen-hours", "1"]) == 0
    assert "No stopped instance" in capsys.readouterr().out
    assert count(address, "a", delivery(1, 2, 3, 4)) == 1
    assert totals(server)["a", "2"] == 1


def test_running_instance_is_not_folded(
    address: Address, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """A running instance keeps its counts, and receives no others."""
    count(address, "b", delivery(2))

    async def run() -> None:
        ledger = Ledger(PostgresStore(address, "a", dedupe_seconds=1000))
        await ledger.start()
        await ledger.record([delivery(1)])
        assert await asyncio.to_thread(main, ["ledger", "fold", "a", "b"]) == 1
        assert await asyncio.to_thread(main, ["ledger", "fold", "b", "--into", "a"]) == 2
        await ledger.close()

    asyncio.run(run())
    output = capsys.readouterr()
    assert output.out == "Folded into departed: b.\n"
    assert "because they are running: a." in output.err
    assert "--into a: it is running" in output.err
    assert totals(server) == {("a", "2"): 1, ("departed", "2"): 1}


def test_copy(
    address: Address, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A SQLite ledger moves with its counts and keys; a second copy adds nothing."""
    make_file(tmp_path / "old.sqlite3", 12_345)
    assert main(["ledger", "init"]) == 0
    assert main(["ledger", "copy"]) == 0
    output = capsys.readouterr().err
    assert output == (
        "Copied 12,346 results and 12,345 deduplication keys; new continues from them.\n"
    )
    assert totals(server) == {("new", "2"): 12_345, ("new", "2009"): 1}
    assert main(["ledger", "copy"]) == 2
    error = capsys.readouterr().err
    assert "INSTANCE new has already counted in" in error
    assert "if this file was copied before, nothing is left to do" in error
    assert count(address, "new", delivery(0, 12_344, 12_345), delivery(7, content=5)) == 1
    assert totals(server) == {("new", "2"): 12_346, ("new", "2009"): 1}


def test_copy_of_old_counts_alone(
    address: Address, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A ledger whose keys are all past the window moves with its counts."""
    del address
    make_file(tmp_path / "old.sqlite3", 0)
    assert main(["ledger", "init"]) == 0
    capsys.readouterr()
    assert main(["ledger", "copy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"results": 1, "keys": 0, "instance": "new"}
    assert totals(server)["new", "2009"] == 1
    assert server.execute("SELECT count(*) FROM push_result_exporter.keys", "fresh") == [(0,)]


@pytest.mark.parametrize("is_connected", [True, False])
def test_copy_into_a_running_instance_that_has_no_counts(
    address: Address, server: Server, tmp_path: Path, is_connected: bool
) -> None:
    """A replica that was started too early continues from the copied counts without a restart."""
    make_file(tmp_path / "old.sqlite3")

    async def run() -> None:
        ledger = Ledger(PostgresStore(address, "new", dedupe_seconds=1000))
        await ledger.start()
        if not is_connected:
            disconnect(server)
        assert await asyncio.to_thread(main, ["ledger", "copy"]) == 0
        await until(lambda: ledger.counts)
        await until(lambda: not ledger.problem)
        assert await ledger.record([delivery(0, 5)]) == 1
        assert ledger.counts[ACKED].total == 4
        await ledger.close()

    asyncio.run(run())
    assert totals(server)["new", "2"] == 4


@pytest.mark.parametrize("reconnects", [False, True])
def test_copied_keys_are_recognized_by_running_replicas(
    address: Address,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reconnects: bool,
) -> None:
    """A running replica recognizes the copied keys, even if it has reconnected."""
    monkeypatch.setattr(maintenance, "_INTERVAL", 0.05)
    make_file(tmp_path / "old.sqlite3")

    async def run() -> None:
        ledger = Ledger(PostgresStore(address, "other", dedupe_seconds=1000))
        await ledger.start()
        if reconnects:
            disconnect(server)
            assert await ledger.record([delivery("meanwhile")]) == 1
        assert await asyncio.to_thread(main, ["ledger", "copy"]) == 0
        upkeep = ledger.upkeep
        assert upkeep
        for _ in range(2):  # the first round has read the secrets when the second begins
            before = upkeep.expiry_seconds
            await until(lambda before=before: upkeep.expiry_seconds > before)  # type: ignore[misc]
        assert await ledger.record([delivery(0, 1, 5)]) == 1
        await ledger.close()

    asyncio.run(run())


def test_copy_of_a_ledger_that_was_copied_before(
    address: Address, server: Server, tmp_path: Path
) -> None:
    """What it has counted since the first copy is recognized after the second."""
    file = tmp_path / "old.sqlite3"
    make_file(file)
    assert main(["ledger", "init"]) == 0
    assert main(["ledger", "copy"]) == 0
    server.execute(
        "UPDATE push_result_exporter.secrets SET since = since - interval '2 days'", "fresh"
    )
    with closing(LedgerFile(file, "off")) as ledger:
        keys = array("Q", ledger.open().keyring.current.of(delivery("later")))
        ledger.commit(Commit(3, time.time(), {ACKED: 1}, keys, 1, []))
    assert main(["ledger", "copy", "--instance", "second"]) == 0
    assert count(address, "other", delivery("later", "new")) == 1


def test_commit_of_copied_keys_renews_the_lease(
    address: Address, server: Server, tmp_path: Path
) -> None:
    """A replica that only receives repetitions keeps its name."""
    make_file(tmp_path / "old.sqlite3")
    assert main(["ledger", "init"]) == 0
    assert main(["ledger", "copy"]) == 0

    async def run() -> None:
        ledger = Ledger(PostgresStore(address, "other", dedupe_seconds=1000))
        await ledger.start()
        server.execute(
            "UPDATE push_result_exporter.instances SET seen_at = now() - interval '1 hour'", "fresh"
        )
        assert await ledger.record([delivery(0)]) == 0
        seen = "SELECT now() - seen_at < interval '1 min' FROM push_result_exporter.instances"
        assert server.execute(f"{seen} WHERE instance = 'other'", "fresh") == [(True,)]
        server.execute("DELETE FROM push_result_exporter.instances", "fresh")
        with pytest.raises(RequestError):
            await ledger.record([delivery(1)])
        await ledger.close()

    asyncio.run(run())


def test_fold_into_an_instance_that_starts_meanwhile(address: Address) -> None:
    """An instance exposes counts that are added after its start."""
    for number, instance in enumerate(("a", "b", "x")):
        count(address, instance, delivery(number))

    async def run() -> None:
        administration = Administration(address)
        await administration.connect()
        await administration.fold(["a"], "x", lambda _done, _total: None)
        ledger = Ledger(PostgresStore(address, "x", dedupe_seconds=1000))
        await ledger.start()
        await administration.fold(["b"], "x", lambda _done, _total: None)
        await administration.close()
        await until(lambda: ledger.counts[ACKED].total == 3)
        await until(lambda: not ledger.problem)
        assert await ledger.record([delivery(0, 1, 2, 3)]) == 1
        await ledger.close()

    asyncio.run(run())


def test_copy_draws_a_bar_on_a_terminal(address: Address, tmp_path: Path) -> None:
    """On a terminal one line shows the progress of the copy, and at the end its totals."""
    make_file(tmp_path / "old.sqlite3", 20_000)
    del address
    main(["ledger", "init"])
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "exporter", "ledger", "copy"]
    done = subprocess.run(command, stderr=terminal, check=False, timeout=60)
    os.close(terminal)
    shown = os.read(controller, 1 << 16).decode()
    os.close(controller)
    assert done.returncode == 0
    assert "[#######.......................] 5,000 of 20,000 keys" in shown
    assert "[##############################] 20,000 of 20,000 keys" in shown
    assert shown.rstrip().split("\r")[-1].startswith("Copied 20,001 results")


def test_copy_of_no_ledger_or_one_in_use(
    address: Address, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is absent, no ledger, or held by an exporter is named, and nothing is copied."""
    del address
    path = tmp_path / "old.sqlite3"
    main(["ledger", "init"])
    assert main(["ledger", "copy"]) == 2
    path.write_text("remember the milk\n" * 100)
    assert main(["ledger", "copy"]) == 2
    path.unlink()
    with closing(LedgerFile(path, "off")) as file:
        file.open()
        assert main(["ledger", "copy"]) == 1
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        assert main(["ledger", "copy"]) == 1
    path.unlink()
    path.mkdir()
    assert main(["ledger", "copy"]) == 2
    output = capsys.readouterr().err.splitlines()
    assert [str(path) in line for line in output] == [True] * 5
    assert "No such file" in output[0]
    assert "not a database" in output[1]
    assert "another process holds" in output[2]
    assert "locked" in output[3]
    assert "it is a folder" in output[4]
    assert totals(server) == {}


def test_init_grants_least_rights(
    address: Address,
    server: Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The owner makes the schema; another role counts with it, and may change nothing else."""
    server.execute("CREATE ROLE \"gu'est\" LOGIN PASSWORD 'guest'", "postgres")
    for _ in range(2):
        assert main(["ledger", "init", "--grant-to", "gu'est"]) == 0
    assert capsys.readouterr().out.endswith("The schema is up to date; gu'est has access.\n")
    password = tmp_path / "guest"
    password.write_text("guest")
    guest = parse_address(server.url("gu'est".replace("'", "%27"), "fresh"), password)
    assert count(guest, "a", delivery(1)) == 1
    with (
        psycopg.connect(guest.url, password="guest", autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("UPDATE push_result_exporter.schema_version SET version = 2")
    server.execute('DROP OWNED BY "gu\'est"', "fresh")
    server.execute('DROP ROLE "gu\'est"', "postgres")
    del address


def test_init_prints_its_sql(
    address: Address, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """The printed SQL creates the schema when psql runs it."""
    assert main(["ledger", "init", "--print", "--grant-to", "exporter"]) == 0
    server.execute(capsys.readouterr().out, "fresh")
    assert count(address, "a", delivery(1)) == 1


Fault = tuple[dict[str, str], list[str], int, str]
FAULTS: dict[str, Fault] = {
    "no-url": ({"ledger_url": ""}, ["list"], 2, "LEDGER_URL: required"),
    "bad-url": ({"ledger_url": "mysql://u:hush@h/d"}, ["list"], 2, "LEDGER_URL: it is not a URL"),
    "no-server": (
        {"ledger_url": "postgresql://u:hush@127.0.0.1:1/d", "ledger_password_file": ""},
        ["list"],
        1,
        "check that the server is running",
    ),
    "no-password": ({"ledger_password_file": "/nowhere"}, ["list"], 2, "/nowhere: No such file"),
    "no-schema": ({}, ["list"], 1, "ledger init"),
    "nothing-to-fold": ({}, ["fold"], 1, "ledger init"),
}


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_faults(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: Fault
) -> None:
    """The mistake is reported in a line, without a password."""
    changes, command, status, problem = fault
    for name, value in changes.items():
        monkeypatch.setenv(f"PUSH_EXPORTER_{name.upper()}", value)
    assert main(["ledger", *command]) == status
    output = capsys.readouterr().err
    assert problem in output
    assert "hush" not in output
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize("command", ["list", "init", "copy", "fold a"])
def test_newer_schema_is_refused(
    address: Address,
    server: Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    """A schema upgraded by a newer exporter is neither read nor written."""
    make_file(tmp_path / "old.sqlite3")
    count(address, "a", delivery(1))
    server.execute("UPDATE push_result_exporter.schema_version SET version = 99", "fresh")
    assert main(["ledger", *command.split()]) == 2
    assert "its schema has version 99" in capsys.readouterr().err
    assert totals(server) == {("a", "2"): 1}


@pytest.mark.parametrize(
    "flags", [["--unseen-hours", "-5"], ["--unseen-hours", "nan"], ["--into", ""]]
)
def test_fold_refuses_bad_arguments(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A number of hours is a number, and an instance has a name."""
    with pytest.raises(SystemExit) as left:
        main(["ledger", "fold", *flags])
    assert left.value.code == 2
    assert f"argument {flags[0]}: " in capsys.readouterr().err


def test_fold_asks_which(address: Address, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is folded by accident: instances are named, and must be there."""
    count(address, "a", delivery(1))
    assert main(["ledger", "fold"]) == 2
    assert main(["ledger", "fold", "a", "z"]) == 2
    output = capsys.readouterr().err.splitlines()
    assert "--unseen-hours" in output[0]
    assert "unknown instance: z" in output[1]


@pytest.mark.parametrize(
    ("url", "status"), [("postgresql://u:hush@h/d", 0), ("postgresql://u:hush@h:no/d", 2)]
)
def test_check_config_checks_the_url(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, status: int
) -> None:
    """`check-config` refuses a URL that libpq cannot read, and never shows the password."""
    monkeypatch.setenv("PUSH_EXPORTER_LEDGER_URL", url)
    assert main(["check-config", "--allow-unsigned"]) == status
    output = capsys.readouterr()
    assert "hush" not in output.out + output.err
