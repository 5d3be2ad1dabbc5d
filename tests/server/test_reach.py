"""What `check-config --connect` tries: folders, ledgers, databases, ports."""

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from exporter.configuration.settings import Settings
from exporter.ledger.sqlite import LedgerFile
from exporter.server.reach import reach
from tests.support.exporter import MakeSettings
from tests.support.postgres import PASSWORD, Server, running_server
from tests.support.programs import free_port, mounted


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run a PostgreSQL for the tests of this module."""
    with running_server() as server:
        yield server


def problems(settings: Settings) -> dict[str, str]:
    """Return what cannot be reached, by the setting."""
    return {line.target.split()[0]: line.problem for line in reach(settings) if line.problem}


def test_nothing_is_left_behind(make_settings: MakeSettings, tmp_path: Path) -> None:
    """Where all is well, no file has been made, not even the folder of the ledger."""
    before = sorted(tmp_path.rglob("*"))
    settings = make_settings(
        ledger_path=tmp_path / "data" / "ledger.sqlite3",
        record=tmp_path / "records",
        ingest_port=free_port(),
        admin_port=free_port(),
    )
    before = sorted(tmp_path.rglob("*"))
    assert problems(settings) == {}
    assert sorted(tmp_path.rglob("*")) == before


def test_ledger_of_a_running_exporter_is_left_alone(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """A ledger in use is not a problem, and no file is created next to it."""
    file = LedgerFile(tmp_path / "ledger.sqlite3", "full")
    with closing(file):
        file.open()
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        assert "LEDGER_PATH" not in problems(make_settings())
        assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"not a database at all", "not a ledger"),
        ("PRAGMA user_version = 1", "not a ledger"),
        ("PRAGMA application_id = 0x50524558; PRAGMA user_version = 99", "of a later exporter"),
    ],
)
def test_file_is_not_a_ledger(
    make_settings: MakeSettings, tmp_path: Path, content: str | bytes, problem: str
) -> None:
    """Another file, another database and a newer ledger have different errors."""
    path = tmp_path / "ledger.sqlite3"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with closing(sqlite3.connect(path)) as database:
            database.executescript(f"CREATE TABLE t (x); {content}")
    assert problem in problems(make_settings())["LEDGER_PATH"]


def test_folder_in_the_place_of_the_ledger(make_settings: MakeSettings, tmp_path: Path) -> None:
    """A folder in place of the ledger is a problem."""
    (tmp_path / "ledger.sqlite3").mkdir()
    assert "it is a folder" in problems(make_settings())["LEDGER_PATH"]


def test_full_disk(make_settings: MakeSettings, tmp_path: Path) -> None:
    """A disk without space is found by writing to it."""
    with mounted("tmpfs", tmp_path / "disk", "-t", "tmpfs", "-o", "size=64k") as disk:
        with (disk / "fill").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 60 * 1024)
        settings = make_settings(ledger_path=disk / "l.sqlite3", record=disk / "records")
        found = problems(settings)
    assert found["LEDGER_PATH"] == found["RECORD"] == "No space left on device"


def test_port_in_use_is_named(make_settings: MakeSettings) -> None:
    """The setting is named, and how to find the process that has the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = problems(make_settings(admin_port=port))
    assert found == {
        "ADMIN_PORT": f"cannot listen on 127.0.0.1:{port}: Address already in use; find the "
        f"process: ss -ltnp 'sport = :{port}'"
    }


def test_bad_host_is_named(make_settings: MakeSettings) -> None:
    """A name that is not found, or an address of another machine, is named."""
    found = problems(make_settings(ingest_host="no.such.host.invalid", admin_host="192.0.2.1"))
    assert found.keys() == {"INGEST_PORT", "ADMIN_PORT"}
    assert "no.such.host.invalid" in found["INGEST_PORT"]
    assert found["ADMIN_PORT"].endswith("192.0.2.1:0: Cannot assign requested address")


def test_database(make_settings: MakeSettings, server: Server, tmp_path: Path) -> None:
    """The check connects to the database, and reports the server's own error."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    url = server.url(database="postgres")
    settings = make_settings(ledger_url=url, ledger_password_file=password)
    assert problems(settings) == {}
    [attempt] = [line for line in reach(settings) if line.target.startswith("LEDGER_URL")]
    assert "no schema yet" in attempt.target
    password.write_text("wrong")
    assert "LEDGER_PASSWORD_FILE" in problems(settings)["LEDGER_URL"]
    gone = make_settings(ledger_url="postgresql://exporter@127.0.0.1:1/push")
    assert "check that the server is running" in problems(gone)["LEDGER_URL"]
