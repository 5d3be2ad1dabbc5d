"""Real programs for the tests: found, started on free ports, ended by process id."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

DEADLINE = 60
"""Seconds to wait for a condition before a test fails; the machine may be slow."""

Found = TypeVar("Found")


def program(name: str, package: str) -> str:
    """Return the path of a program; where it is missing skip the test, but fail it in CI."""
    path = shutil.which(name)
    if path:
        return path
    message = f"{name} is not installed (Debian package {package})"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Found | None], what: str) -> Found:
    """Ask again until there is an answer that is not empty."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    pytest.fail(f"waited {DEADLINE} s in vain: {what}")


def fetch(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
    """Get or post; OSError if there is no answer or an error."""
    request = urllib.request.Request(url, body, headers or {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        data: bytes = answer.read()
        return data


def answers(url: str) -> bool:
    """Whether a URL is answered with success."""
    try:
        fetch(url)
    except OSError:
        return False
    return True


@contextmanager
def started(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program inside the block; end it by its process id, at the worst by force."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class ExporterProcess(NamedTuple):
    """A real exporter process."""

    process: subprocess.Popen[bytes]
    ingest: str
    admin: str
    log: Path


@contextmanager
def exporter_process(folder: Path, **settings: object) -> Iterator[ExporterProcess]:
    """Run `push-result-exporter serve` with settings from the environment, until ready."""
    values = {
        "ingest_host": "127.0.0.1",
        "ingest_port": free_port(),
        "admin_port": free_port(),
        "ledger_path": folder / "ledger.sqlite3",
        **settings,
    }
    environment = {f"PUSH_EXPORTER_{name.upper()}": str(value) for name, value in values.items()}
    ingest, admin = (f"http://127.0.0.1:{values[f'{one}_port']}" for one in ("ingest", "admin"))
    log = folder / "exporter.log"
    command = [sys.executable, "-m", "exporter", "serve"]
    with started(command, log, **environment) as process:

        def ready() -> bool:
            if process.poll() is not None:
                pytest.fail(f"the exporter ended:\n{log.read_text()}")
            return answers(f"{admin}/-/ready")

        wait_for(ready, "the exporter is ready")
        yield ExporterProcess(process, ingest, admin, log)


@contextmanager
def prometheus(folder: Path, config: str, *flags: str) -> Iterator[str]:
    """Run Debian's Prometheus with a configuration; give its URL."""
    path = program("prometheus", "prometheus")
    file = folder / "prometheus.yml"
    file.write_text(config)
    url = f"127.0.0.1:{free_port()}"
    command = [
        path,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={url}",
        *flags,
    ]
    with started(command, folder / "prometheus.log"):
        wait_for(lambda: answers(f"http://{url}/-/ready"), "Prometheus is ready")
        yield f"http://{url}"
