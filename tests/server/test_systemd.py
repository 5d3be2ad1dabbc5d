"""What systemd is told, on a real datagram socket."""

import signal
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from exporter.server.systemd import notify, reloading
from tests.support.exporter import KeyPair
from tests.support.programs import exporter_process, frozen


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


def test_no_watchdog_was_asked_for(tmp_path: Path, keys: KeyPair) -> None:
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
