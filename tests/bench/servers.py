"""The servers under test: how each is run, loaded by wrk, and measured."""

import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.support.programs import answers, cpu_seconds, fetch, free_port, started, wait_for

HERE = Path(__file__).parent
PEERS = HERE / "peers"
CONNECTIONS = 64
PEER_PACKAGES = [
    *("aiohttp", "cryptography", "fastapi", "httptools", "prometheus-client", "uvicorn", "uvloop")
]
PAGE = os.sysconf("SC_PAGE_SIZE")


class Run(NamedTuple):
    """The figures of one run of wrk against one server."""

    rate: float
    """Answered requests a second."""
    cpu: float
    """Microseconds of user and system time of the server, a request."""
    p50: float
    """Milliseconds."""
    p99: float
    errors: int
    resident: float
    """Megabytes at the end."""


@dataclass
class Server:
    """A server under test: its process, where it listens, where it is scraped."""

    process: subprocess.Popen[bytes]
    port: int
    admin: str
    sent: int = 0
    """Requests that it has had, so that the next run sends others."""


class Bench:
    """Servers and traffic in one temporary folder."""

    def __init__(self, folder: Path, peers: Path, before: Path | None = None) -> None:
        """`before` is another checkout of the exporter, with its `.venv`, to compare with."""
        self.folder = folder
        self.before = before
        self.python = peers / "venv/bin/python"
        self.node_folder = peers / "node"
        self.log = folder / "servers.log"

    @contextmanager
    def ours(
        self, *, checkout: Path | None = None, scrapes: bool = True, **settings: object
    ) -> Iterator[Server]:
        """Run the exporter as in production, on an empty ledger, scraped every second."""
        shutil.rmtree(self.folder / "ledger", ignore_errors=True)
        port, admin = free_port(), free_port()
        values = {
            "ingest_host": "127.0.0.1",
            "ingest_port": port,
            "admin_port": admin,
            "ledger_path": self.folder / "ledger/ledger.sqlite3",
            "mps_public_key_files": self.folder / "public.pem",
            "results_token_files": self.folder / "token",
            **settings,
        }
        environment = {f"PUSH_EXPORTER_{name.upper()}": str(v) for name, v in values.items()}
        python = str(checkout / ".venv/bin/python") if checkout else sys.executable
        command = [python, "-m", "exporter", "serve"]
        url = f"http://127.0.0.1:{values['admin_port']}"
        with started(command, self.log, checkout, **environment) as process:
            wait_for(lambda: answers(f"{url}/-/ready"), "the exporter is ready")
            with scraped(url) if scrapes else nullcontext():
                yield Server(process, int(str(values["ingest_port"])), url)

    @contextmanager
    def peer(self, name: str) -> Iterator[Server]:
        """Run one of the peers, scraped like the exporter if it has metrics."""
        port = free_port()
        command = {
            "bare aiohttp": [str(self.python), str(PEERS / "bare_aiohttp.py"), str(port)],
            "bare aiohttp, uvloop": [
                *(str(self.python), str(PEERS / "bare_aiohttp.py"), str(port), "uvloop")
            ],
            "aiohttp, durable": [
                *(str(self.python), str(PEERS / "aiohttp_durable.py"), str(port)),
                *(str(self.folder / "public.pem"), str(self.folder / f"aiohttp-{port}.sqlite3")),
            ],
            "FastAPI": [str(self.python), str(PEERS / "fastapi_peer.py"), str(port)],
            "FastAPI, durable": [
                *(str(self.python), str(PEERS / "fastapi_durable.py"), str(port)),
                *(str(self.folder / "public.pem"), str(self.folder / f"durable-{port}.sqlite3")),
            ],
            "fastify": ["node", str(self.node_folder / "fastify_peer.mjs"), str(port)],
        }[name]
        with started(command, self.log) as process:
            wait_for(lambda: listens(port), f"{name} listens")
            url = f"http://127.0.0.1:{port}"
            with scraped(url) if answers(f"{url}/metrics") else nullcontext():
                yield Server(process, port, "")

    def server(self, name: str) -> AbstractContextManager[Server]:
        """Run a server by name."""
        if name in ("ours", "before"):
            return self.ours(checkout=self.before if name == "before" else None)
        return self.peer(name)

    def versions(self) -> list[str]:
        """Return the names of the exporter, and of the previous build if there is one."""
        return ["ours", "before"] if self.before else ["ours"]

    def load(self, server: Server, requests: str, seconds: float, rate: float | None = None) -> Run:
        """Run wrk over a file of requests, at full speed or at about a rate per second."""
        before = cpu_seconds(server.process.pid)
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--timeout", "10s"]
        command += ["-s", str(HERE / "replay.lua"), f"http://127.0.0.1:{server.port}"]
        pause = CONNECTIONS / rate * 1000 if rate else 0
        environment = {
            **os.environ,
            "REQUESTS": str(self.folder / requests),
            "PAUSE_MS": f"{pause:.3f}",
            "SENT": str(server.sent),
        }
        output = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout
        used = cpu_seconds(server.process.pid) - before
        [line] = [line for line in output.splitlines() if line.startswith("RESULT")]
        sent, micros, status, network, p50, p99 = map(int, line.split()[1:])
        server.sent += sent + CONNECTIONS  # as many were under way at its end
        return Run(
            rate=sent / micros * 1e6,
            cpu=used / sent * 1e6,
            p50=p50 / 1000,
            p99=p99 / 1000,
            errors=status + network,
            resident=resident(server.process.pid),
        )


def resident(process: int) -> float:
    """Read the resident memory of a process, in MB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE / 1e6


def listens(port: int) -> bool:
    """Whether a port accepts connections."""
    try:
        fetch(f"http://127.0.0.1:{port}/")
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@contextmanager
def scraped(url: str) -> Iterator[list[float]]:
    """Scrape as Prometheus does, once a second; give the seconds that each scrape took."""
    stop = threading.Event()
    took: list[float] = []

    def scrape() -> None:
        while not stop.wait(1 - (took[-1] if took else 0)):
            began = time.perf_counter()
            fetch(
                f"{url}/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"}
            )
            took.append(time.perf_counter() - began)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()


def install_peers(peers: Path) -> None:
    """Install the peers' libraries once."""
    if not (peers / "venv/bin/uvicorn").exists():
        venv.create(peers / "venv", with_pip=True)
        pip = [str(peers / "venv/bin/pip"), "install", "--quiet"]
        subprocess.run([*pip, *PEER_PACKAGES], check=True)
    node = peers / "node"
    if not (node / "node_modules").exists():
        node.mkdir(parents=True, exist_ok=True)
        shutil.copy(PEERS / "package.json", node)
        subprocess.run(["npm", "install", "--silent", "--no-audit"], cwd=node, check=True)
    shutil.copy(PEERS / "fastify_peer.mjs", node)
