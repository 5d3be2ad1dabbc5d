"""Real programs for the tests: found, started on free ports, awaited, ended by process id."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeVar

import pytest

DEADLINE = 60
"""Seconds to wait for a condition before a test fails; the machine may be slow."""

Settings = dict[str, object]
"""Settings by name, for the environment of a process."""

Found = TypeVar("Found")


def program(name: str, package: str) -> str:
    """Return the path of a program; where it is missing skip the test, but fail it in CI."""
    return shutil.which(name) or unavailable(f"{name} is not installed (Debian package {package})")


def checked(*command: object) -> str:
    """Run a checker; fail with its output; return that of success."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tool(name: str) -> Path:
    """Return the path of a program that is installed with the tests."""
    return Path(sys.executable).with_name(name)


def unavailable(message: str) -> NoReturn:
    """Skip a test for lack of something, but fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


_given_ports: deque[int] = deque(maxlen=100)


def free_port() -> int:
    """Find a free port, other than those found last: these may not be in use yet."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _given_ports:
            _given_ports.append(port)
            return port


def reachable(port: int) -> bool:
    """Whether a connection to a port is accepted."""
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", port))


def wait_for(condition: Callable[[], Found | None], what: str) -> Found:
    """Wait until a condition holds; return its value."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    pytest.fail(f"timeout after {DEADLINE} s: {what}")


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, without blocking the event loop."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - polls what signals no event
            await asyncio.sleep(0.01)


def fetch(
    url: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    trust: ssl.SSLContext | None = None,
) -> bytes:
    """Send a GET or POST request; OSError if there is no response, or an error."""
    request = urllib.request.Request(url, body, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10, context=trust) as answer:
            data: bytes = answer.read()
            return data
    except urllib.error.HTTPError as error:
        error.close()  # Python 3.14 warns of one that is left open
        raise


def answers(
    url: str, headers: dict[str, str] | None = None, trust: ssl.SSLContext | None = None
) -> bool:
    """Whether a URL is answered with success."""
    try:
        fetch(url, headers=headers, trust=trust)
    except OSError:
        return False
    return True


@contextmanager
def in_background(
    work: Callable[[], object], end: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Run `work` in a background thread during the block; its exception is raised after the block.

    `end` is called at the end of the block, to end the work.
    """
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        try:
            yield
        finally:
            end()
    done.result()


@contextmanager
def started(
    command: list[str], log: Path, folder: Path | None = None, /, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program inside the block; end it by its process id, at the worst by force."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=folder, env={**os.environ, **environment}
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


class Launch(NamedTuple):
    """The command of an exporter, and the headers and trust for its admin listener."""

    command: Sequence[str] = (sys.executable, "-m", "exporter", "serve")
    headers: dict[str, str] | None = None
    trust: ssl.SSLContext | None = None


PLAIN = Launch()


@contextmanager
def exporter_starting(
    folder: Path, launch: Launch = PLAIN, /, **settings: object
) -> Iterator[ExporterProcess]:
    """Run `push-result-exporter serve` with settings from the environment, ready or not."""
    values = {
        "ingest_host": "127.0.0.1",
        "ingest_port": free_port(),
        "admin_port": free_port(),
        "ledger_path": folder / "ledger.sqlite3",
        **settings,
    }
    environment = {f"PUSH_EXPORTER_{name.upper()}": str(value) for name, value in values.items()}
    scheme = "https" if "tls_cert_file" in values else "http"
    ingest, admin = (
        f"{scheme}://127.0.0.1:{values[f'{name}_port']}" for name in ("ingest", "admin")
    )
    log = folder / "exporter.log"
    with started([*launch.command], log, **environment) as process:
        yield ExporterProcess(process, ingest, admin, log)


@contextmanager
def exporter_process(
    folder: Path, launch: Launch = PLAIN, /, **settings: object
) -> Iterator[ExporterProcess]:
    """Run `push-result-exporter serve` with settings from the environment, until ready."""
    with exporter_starting(folder, launch, **settings) as exporter:
        wait_for(lambda: scrapes_and_serves(exporter, launch), "the exporter is ready")
        yield exporter


def scrapes_and_serves(exporter: ExporterProcess, launch: Launch) -> bool:
    """Scrape, which a replica over PostgreSQL waits for, and ask whether it is ready."""
    answers(f"{exporter.admin}/metrics", launch.headers, launch.trust)
    return serves(exporter, "ready", launch)


def serves(exporter: ExporterProcess, what: str, launch: Launch = PLAIN) -> bool:
    """Whether the process answers `/-/ready` or `/-/healthy` with success; it must not end."""
    if exporter.process.poll() is not None:
        pytest.fail(f"the exporter ended:\n{exporter.log.read_text()}")
    return answers(f"{exporter.admin}/-/{what}", launch.headers, launch.trust)


@contextmanager
def frozen(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a process inside the block, between two system calls of each of its threads."""
    tasks = Path(f"/proc/{process.pid}/task")

    def stopped() -> bool:
        states = [
            (task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks.iterdir()
        ]
        return set(states) == {"T"}

    process.send_signal(signal.SIGSTOP)
    try:
        wait_for(stopped, "the process has stopped")
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextmanager
def mounted(source: str | Path, folder: Path, *flags: str) -> Iterator[Path]:
    """Mount inside the block; where that is not permitted skip the test, but fail it in CI."""
    folder.mkdir(exist_ok=True)
    command = [program("mount", "mount"), *flags, str(source), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        unavailable(f"mounting is not permitted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Leave no room on a disk; return the file that takes it."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return filler
    raise AssertionError("the disk has no bottom")


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


def cpu_seconds(process: int) -> float:
    """Return the CPU time of a process, in user mode and in the kernel (proc_pid_stat(5))."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
