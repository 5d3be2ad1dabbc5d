"""Sockets passed by systemd, and notifications to it."""

import os
import signal
import socket
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from exporter.server.systemd import notify, reloading
from tests.support.exporter import KeyPair
from tests.support.programs import (
    Launch,
    answers,
    exporter_process,
    fetch,
    free_port,
    frozen,
    program,
    reachable,
    started,
    wait_for,
)


class Manager:
    """Systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(20)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def next(self) -> str:
        """Wait for the next message; return its first line."""
        return self._socket.recv(4096).decode().split("\n")[0]

    def next_but(self, ignored: str) -> str:
        """Wait for the next message that is another."""
        while (message := self.next()) == ignored:
            pass
        return message

    def silent(self, seconds: float) -> bool:
        """Whether nothing comes for so long, after what has come by now."""
        self._socket.settimeout(seconds)
        for _ in range(10):
            try:
                self.next()
            except TimeoutError:
                return True
        return False


def test_systemd_is_notified_of_each_state(tmp_path: Path, keys: KeyPair) -> None:
    """Ready once it listens, reloading, ready again, stopping; alive only while it is not hung."""
    address = tmp_path / "notify"
    settings = {"mps_public_key_files": keys.public}
    with closing(Manager(str(address))) as manager, pytest.MonkeyPatch.context() as environment:
        environment.setenv("NOTIFY_SOCKET", str(address))
        environment.setenv("WATCHDOG_USEC", "400000")
        with exporter_process(tmp_path, **settings) as exporter:
            assert manager.next() == "READY=1"
            assert [manager.next() for _ in range(3)] == ["WATCHDOG=1"] * 3
            exporter.process.send_signal(signal.SIGHUP)
            assert manager.next_but("WATCHDOG=1") == "RELOADING=1"
            assert manager.next_but("WATCHDOG=1") == "READY=1"
            with frozen(exporter.process):
                assert manager.silent(0.8)
            assert manager.next() == "WATCHDOG=1"
            exporter.process.terminate()
            assert manager.next_but("WATCHDOG=1") == "STOPPING=1"
            assert exporter.process.wait(20) == 0


def test_without_a_watchdog_no_pings_are_sent(tmp_path: Path, keys: KeyPair) -> None:
    """Without WatchdogSec, or with another process's, nothing is sent after READY."""
    address = tmp_path / "notify"
    with closing(Manager(str(address))) as manager, pytest.MonkeyPatch.context() as environment:
        environment.setenv("NOTIFY_SOCKET", str(address))
        environment.setenv("WATCHDOG_USEC", "100000")
        environment.setenv("WATCHDOG_PID", "1")
        with exporter_process(tmp_path, mps_public_key_files=keys.public):
            assert manager.next() == "READY=1"
            assert manager.silent(0.5)


def test_abstract_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address with @ is in the abstract namespace; a reload reports its time."""
    name = f"push-result-exporter-{time.monotonic_ns()}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with closing(Manager(f"\0{name}")) as manager:
        with reloading():
            assert manager.next() == "RELOADING=1"
        assert manager.next() == "READY=1"


def test_missing_socket_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without systemd, or when it does not listen, nothing happens."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "absent"))
    notify("READY=1")


def activated(port: int, *flags: str) -> Launch:
    """Start the exporter as a socket unit does, at the first connection to a port."""
    path = program("systemd-socket-activate", "systemd")
    listen = [path, f"--listen=127.0.0.1:{port}", *flags]
    passed = [f"--setenv={name}" for name in os.environ if name.startswith("PUSH_EXPORTER_")]
    return Launch((*listen, *passed, sys.executable, "-m", "exporter", "serve"))


def test_inherited_socket_takes_the_place_of_the_port(
    tmp_path: Path, keys: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that systemd accepted into its queue before the start is served."""
    port, admin = free_port(), free_port()
    settings = {"mps_public_key_files": keys.public, "admin_port": admin, "ingest_port": 1}
    for name, value in {**settings, "ledger_path": tmp_path / "ledger"}.items():
        monkeypatch.setenv(f"PUSH_EXPORTER_{name.upper()}", str(value))
    with started([*activated(port, "--fdname=ingest").command], tmp_path / "log"):
        wait_for(lambda: reachable(port), "systemd-socket-activate listens")
        fetch(f"http://127.0.0.1:{port}/-/healthy")
        assert answers(f"http://127.0.0.1:{admin}/-/ready")


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--fdname=webhooks"], "'webhooks': set FileDescriptorName=ingest or admin"),
        (["--listen=127.0.0.1:{}", "--fdname=ingest:ingest"], "2 sockets named ingest"),
        (["--listen={}", "--fdname=ingest:admin"], "systemd's socket admin is not a listening TCP"),
    ],
)
def test_unusable_sockets_are_refused(
    tmp_path: Path,
    keys: KeyPair,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    problem: str,
) -> None:
    """A socket without a known name, a second one, or one of another kind ends the start."""
    port = free_port()
    monkeypatch.setenv("PUSH_EXPORTER_MPS_PUBLIC_KEY_FILES", str(keys.public))
    second = tmp_path / "socket" if "admin" in problem else free_port()
    launch = activated(port, *(flag.format(second) for flag in flags))
    with started([*launch.command], log := tmp_path / "log") as process:
        wait_for(lambda: reachable(port), "systemd-socket-activate listens")
        assert process.wait(20) == 2
    assert problem in log.read_text()
