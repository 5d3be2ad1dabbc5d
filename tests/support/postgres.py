"""A PostgreSQL of a test's own: made by initdb, run as a plain user, ended by process id."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.support.programs import free_port, program, unavailable, wait_for

_DEBIAN = Path("/usr/lib/postgresql")
PASSWORD = "a password, which never shows: p%w"
"""Of the role `exporter`."""


def postgresql(name: str) -> str:
    """Return the path of a program of PostgreSQL's server, the newest version of it."""
    found = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    path = found[-1] if found else shutil.which(name)
    return str(path or unavailable(f"{name} is not installed (Debian package postgresql)"))


def plain_user() -> list[str]:
    """Return the prefix that runs a command as a plain user: the server refuses root."""
    if os.geteuid():
        return []
    nobody = pwd.getpwnam("nobody")
    ids = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    return [program("setpriv", "util-linux"), *ids]


def run_plain(*command: str) -> None:
    """Run a command as a plain user; its output is shown if it fails."""
    done = subprocess.run(
        [*plain_user(), *command], cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def plain_folder() -> Iterator[Path]:
    """Make a folder of the plain user, with a short path for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        if not os.geteuid():
            nobody = pwd.getpwnam("nobody")
            os.chown(name, nobody.pw_uid, nobody.pw_gid)
        yield Path(name)


class Server:
    """A server and its data."""

    def __init__(self, data: Path, port: int) -> None:
        self.data = data
        self.port = port
        self.settings: dict[str, str] = {}

    @property
    def log(self) -> Path:
        """The server's log."""
        return Path(f"{self.data}.log")

    def url(self, user: str = "exporter", database: str = "results") -> str:
        """Return an address without a password."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.data.parent),
            "max_connections": "40",
            "shared_buffers": "32MB",
        } | self.settings
        flags = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._control("start", "-w", "-t", "60", "-l", str(self.log), "-o", flags)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `fast`, or `immediate` as a crash would."""
        self._control("stop", "-w", "-t", "60", "-m", mode)

    def promote(self) -> None:
        """Make a standby the primary."""
        self._control("promote", "-w", "-t", "60")

    def execute(self, statement: str, database: str = "results") -> list[tuple[Any, ...]]:
        """Run a statement as the superuser; return its rows."""
        with psycopg.connect(self.url("postgres", database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return (self.data / "postmaster.pid").exists()

    def _control(self, *arguments: str) -> None:
        run_plain(postgresql("pg_ctl"), "-D", str(self.data), "-s", *arguments)


def make_server(folder: Path) -> Server:
    """Make a server with a database `results` and a role `exporter` that has a password."""
    server = Server(folder / "data", free_port())
    run_plain(
        postgresql("initdb"), "-D", str(server.data), "-U", "postgres", "-A", "trust", "-N",
        "--no-locale", "-E", "UTF8",
    )  # fmt: skip
    server.start()
    server.execute(f"CREATE ROLE exporter LOGIN PASSWORD '{PASSWORD}'", "postgres")
    server.execute("CREATE DATABASE results OWNER exporter", "postgres")
    (server.data / "pg_hba.conf").write_text(
        "host all postgres 127.0.0.1/32 trust\n"
        "host replication postgres 127.0.0.1/32 trust\n"
        "host all all 127.0.0.1/32 scram-sha-256\n"
    )
    server.execute("SELECT pg_reload_conf()")
    return server


@contextmanager
def running_server() -> Iterator[Server]:
    """Run a server inside the block."""
    with plain_folder() as folder:
        server = make_server(folder)
        try:
            yield server
        finally:
            if server.running:
                server.stop("immediate")


def make_standby(primary: Server, folder: Path) -> Server:
    """Copy a primary into a standby that every commit waits for, and start both so."""
    standby = Server(folder / "standby", free_port())
    source = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby"
    run_plain(
        postgresql("pg_basebackup"), "-D", str(standby.data), "-d", source, "-R", "-c", "fast"
    )
    standby.start()
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
    primary.execute("SELECT pg_reload_conf()")
    state = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
    wait_for(lambda: primary.execute(state), "the standby is synchronous")
    return standby
