"""One exporter for many examples, and the promises that each answer has to keep."""

import asyncio
import logging
import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec
from hypothesis import HealthCheck, settings
from structlog.processors import format_exc_info
from structlog.testing import capture_logs
from structlog.typing import EventDict

from exporter.configuration.settings import load_settings
from exporter.errors import ItemReason, Reason
from exporter.gateways.auth.public_keys import load_private_key
from exporter.traffic.mps import sign
from tests.support.exporter import TOKEN, Exporter, KeyPair, started
from tests.support.programs import until

settings.register_profile(
    "ci",
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long",
    max_examples=10_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
PROFILE = settings.get_profile(os.environ.get("FUZZ", "ci"))
"""How many examples; not loaded, so that other tests keep their own."""

Result = TypeVar("Result")


class Reply(NamedTuple):
    """A status and its answer, checked for the documented fields."""

    status: int
    answer: dict[str, Any]

    @property
    def rejected(self) -> set[int]:
        """The positions of the items that were refused."""
        return {item["index"] for item in self.answer.get("rejected", ())}

    def adds_up_to(self, items: int) -> bool:
        """Whether each item was accepted, a duplicate or refused."""
        answer = self.answer
        rejected = answer.get("rejected_total", len(answer["rejected"]))
        return bool(answer["accepted"] + answer["duplicates"] + rejected == items)


def check(status: int, body: bytes) -> Reply:
    """Check an answer against what README documents."""
    assert status < 500, (status, body)
    answer = msgspec.json.decode(body, type=dict[str, Any])
    batch = {"accepted", "duplicates", "rejected"} | ({"rejected_total"} & set(answer))
    if status == 200:
        assert set(answer) == batch
    else:
        assert Reason(answer["error"]).status == status
        assert isinstance(answer["detail"], str)
        more = batch if answer["error"] == "invalid_results" else set()
        assert set(answer) == {"error", "detail"} | more
    for item in answer.get("rejected", ()):
        assert set(item) == {"index", "reason", "detail"}
        assert item["reason"] in [*ItemReason]
    return Reply(status, answer)


class Fuzzed:
    """A running exporter, called from code that is not asynchronous."""

    def __init__(
        self,
        exporter: Exporter,
        runner: asyncio.Runner,
        keys: KeyPair,
        logs: list[EventDict],
    ) -> None:
        self.exporter = exporter
        self.run = runner.run
        self._key = load_private_key(keys.private)
        self._logs = logs
        self._before = 0
        self._expected = 0
        self.begin()

    def begin(self) -> None:
        """Begin a test, and take the current count as its start."""
        self._before = self._expected = self.counted()

    def counted(self) -> int:
        """Add up the ledger's counts."""
        return sum(count.total for count in self.exporter.hub.ledger.counts.values())

    def scraped(self) -> float:
        """Add up the counters that Prometheus sees."""
        return sum(self.run(self.exporter.series("push_results_total")).values())

    def signature(self, body: bytes) -> str:
        """Sign a body as MPS does, for a query."""
        return quote(sign(self._key, body))

    def mps(self, body: bytes, query: str = "") -> Reply:
        """Post a signed callback."""
        return self.post(f"/webhooks/mps?sign={self.signature(body)}{query}", body, {})

    def results(self, body: bytes, headers: dict[str, str] | None = None) -> Reply:
        """Post to the generic webhook with the token."""
        authorization = {"Authorization": f"Bearer {TOKEN}"}
        return self.post("/webhooks/results?verbose=1", body, authorization | (headers or {}))

    def expect(self, more: int) -> None:
        """Check that the last call has been counted as so many pushes."""
        assert self.counted() - self._before == more
        self._expected += more

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        """Post, check the response, and check that no internal error was logged."""
        self._before = self.counted()
        return self.run(self._post(path, body, headers))

    async def _post(self, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1")
        received = await self._exchange(head + body, 10)
        self.check_logs()
        [reply] = check_stream(received)
        return reply

    def raw(self, sent: bytes, seconds: float) -> list[Reply]:
        """Send raw bytes; read responses for some seconds, then close; check the responses."""
        self._before = self.counted()
        received = self.run(self._exchange_and_settle(sent, seconds))
        self.check_logs()
        return check_stream(received)

    async def _exchange_and_settle(self, sent: bytes, seconds: float) -> bytes:
        received = await self._exchange(sent, seconds)
        await until(lambda: not self.exporter.in_flight)  # each request ends with its connection
        return received

    async def _exchange(self, sent: bytes, seconds: float) -> bytes:
        port = int(self.exporter.ingest.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        received = b""
        try:
            writer.write(sent)
            async with asyncio.timeout(seconds):
                while piece := await reader.read(65536):
                    received += piece
        except (TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()
        return received

    def discard_logs(self) -> None:
        """Discard what was logged: the test caused these errors itself."""
        self._logs.clear()

    def check_logs(self) -> None:
        """Check that no internal error was logged."""
        faults = [line for line in self._logs if line["log_level"] in ("error", "critical")]
        self._logs.clear()
        assert not faults, "\n".join(line.get("exception", line["event"]) for line in faults)

    def check_total(self) -> None:
        """Check that the scraped total is equal to the acknowledged one."""
        assert self.counted() == self._expected
        assert self.scraped() == self._expected


def check_stream(received: bytes) -> list[Reply]:
    """Check every answer of a connection; the last one may be cut off."""
    replies = []
    while received:
        head, separator, rest = received.partition(b"\r\n\r\n")
        if not separator:
            break
        lines = head.split(b"\r\n")
        version, status, _ = lines[0].split(b" ", 2)
        assert version in (b"HTTP/1.0", b"HTTP/1.1")  # 1.0 where the request was no HTTP
        assert int(status) < 500, received
        if int(status) == 100:
            received = rest
            continue
        fields = dict(line.split(b": ", 1) for line in lines[1:])
        length = int(fields[b"Content-Length"])
        if len(rest) < length:
            break
        assert fields[b"Content-Type"] == b"application/json"
        replies.append(check(int(status), rest[:length]))
        received = rest[length:]
    return replies


class _Faults(logging.Handler):
    """Turns log lines of libraries into those of structlog's capture."""

    def __init__(self, logs: list[EventDict]) -> None:
        super().__init__(logging.WARNING)
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        level = "warning" if record.levelno < logging.ERROR else "error"
        self._logs.append({"event": self.format(record), "log_level": level})


@contextmanager
def fuzzed(folder: Path, keys: KeyPair, **more: Any) -> Iterator[Fuzzed]:
    """Run an exporter on asyncio's own loop inside the block."""
    token = folder / "token"
    token.write_text(TOKEN)
    given = load_settings(
        ingest_host="127.0.0.1",
        ingest_port=0,
        admin_port=0,
        mps_public_key_files=[keys.public],
        results_token_files=[token],
        ledger_path=folder / "ledger.sqlite3",
        ledger_sync="off",
        **more,
    )
    with capture_logs([format_exc_info]) as logs, asyncio.Runner() as runner:
        logging.getLogger().addHandler(faults := _Faults(logs))
        run: Any = runner.run
        context = started(given)
        exporter = run(_entered(context))
        try:
            yield Fuzzed(exporter, runner, keys, logs)
        finally:
            run(context.__aexit__(None, None, None))
            logging.getLogger().removeHandler(faults)


def _entered(context: Any) -> Coroutine[Any, Any, Exporter]:
    entering: Coroutine[Any, Any, Exporter] = context.__aenter__()
    return entering
