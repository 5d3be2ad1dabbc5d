"""Clients that mean harm, an honest gateway beside them, and what they do to the process."""

import asyncio
import json
import re
import resource
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from tests.support.exporter import KeyPair, url_sign
from tests.support.programs import ExporterProcess, fetch, in_background

HEAD = b"POST /webhooks/mps?sign=Zm9yZ2Vk HTTP/1.1\r\nHost: x\r\n"
FORGED = HEAD + b"Content-Length: 2\r\n\r\n{}"
NOWHERE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

Attack = tuple[bytes, bytes]
"""What is sent at once, and what follows once a second."""

HEADS: dict[str, Attack] = {
    "silent": (b"", b""),
    "half a head": (HEAD + b"X-", b""),
    "dribbled head": (HEAD + b"X-", b"a"),
}
BODIES: dict[str, Attack] = {
    "body not sent": (HEAD + b"Content-Length: 9999\r\n\r\n", b""),
}
STEADY: dict[str, Attack] = {
    "dribbled body": (HEAD + b"Content-Length: 9999\r\n\r\n", b"a"),
    "dribbled chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
}
IDLE: dict[str, Attack] = {"idle after a forged call": (FORGED, b"")}


def allow_descriptors(number: int) -> None:
    """Let this process, and those that it starts, open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))


def address(exporter: ExporterProcess) -> tuple[str, int]:
    """Return host and port of the public listener."""
    url = urlsplit(exporter.ingest)
    assert url.hostname
    assert url.port
    return url.hostname, url.port


async def hold(exporter: ExporterProcess, attack: Attack) -> float:
    """Open a connection and attack until the exporter closes it; return after how many seconds."""
    first, next_bytes = attack
    reader, writer = await asyncio.open_connection(*address(exporter))
    begun = time.monotonic()
    writer.write(first)
    ended = asyncio.create_task(_end(reader))
    try:
        while not (await asyncio.wait({ended}, timeout=1 if next_bytes else None))[0]:
            writer.write(next_bytes)
        return time.monotonic() - begun
    finally:
        ended.cancel()
        writer.transport.abort()


async def _end(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(4096):
            pass


class Gateway:
    """An honest gateway: signed callbacks one after the other, each over a new connection."""

    def __init__(self, exporter: ExporterProcess, keys: KeyPair) -> None:
        self._exporter = exporter
        self._keys = keys
        self.seconds: list[float] = []
        """How long each answer took."""

    def call(self) -> None:
        """Make a call that has to be accepted; OSError if it is not."""
        callback = {
            "extInfo": {"adToken": "a" * 64, "osType": "android"},
            "msgId": f"m{len(self.seconds)}",
            "pushSuccess": True,
            "statusCode": "2",
            "statusDesc": "Acked",
            "targetId": "b" * 64,
        }
        body = json.dumps(callback).encode()
        url = f"{self._exporter.ingest}/webhooks/mps?sign={url_sign(self._keys.sign(body))}"
        begun = time.monotonic()
        answer = json.loads(fetch(url, body))
        self.seconds.append(time.monotonic() - begun)
        assert answer["accepted"] == 1, answer

    def call_until(self, enough: threading.Event) -> None:
        """Call until it is enough."""
        while not enough.wait(0.02):
            self.call()

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call inside the block, from a thread of its own; what fails there fails at its end."""
        enough = threading.Event()
        with in_background(lambda: self.call_until(enough), enough.set):
            yield

    def report(self, what: str) -> str:
        """Print and return the latencies."""
        middle, worst = median(self.seconds) * 1000, max(self.seconds) * 1000
        line = f"{what}: {len(self.seconds)} calls, median {middle:.1f} ms, worst {worst:.0f} ms"
        print(line)  # noqa: T201 - shown by `pytest -s` or where the test fails
        return line


@contextmanager
def unread(exporter: ExporterProcess, connections: int) -> Iterator[None]:
    """Hold connections that call on and on and read no answer, until the exporter reads no more."""
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(connections):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(address(exporter))
            client.sendall(NOWHERE)
            client.recv(1)
            selector.register(client, selectors.EVENT_WRITE)
            client.setblocking(False)
        while ready := selector.select(timeout=0.5):
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                try:
                    key.fileobj.send(NOWHERE * 500)
                except BlockingIOError:
                    continue
                except OSError:  # closed
                    selector.unregister(key.fileobj)
        yield


def resident(exporter: ExporterProcess) -> float:
    """Return the resident memory of the process in MiB."""
    status = Path(f"/proc/{exporter.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found.group(1)) / 1024


def descriptors(exporter: ExporterProcess) -> int:
    """Return how many files and sockets the process has open."""
    return len(list(Path(f"/proc/{exporter.process.pid}/fd").iterdir()))


def logged_errors(exporter: ExporterProcess) -> str:
    """Return the log from the first internal error on."""
    found = re.search(
        r".*(Traceback|\[error|\[critical|Exception)(.|\n)*", exporter.log.read_text()
    )
    return found.group() if found else ""


def retried_until_it_works(call: Callable[[], None], seconds: float) -> float:
    """Try again as a gateway does, for so long; return after how many seconds it worked."""
    begun = time.monotonic()
    while True:
        try:
            call()
        except OSError:
            if time.monotonic() - begun > seconds:
                raise
            time.sleep(0.1)
        else:
            return time.monotonic() - begun
