"""A push gateway of our own: distinct results, sent again until they are acknowledged."""

import http.client
import json
import random
import shutil
import sqlite3
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from exporter.classification.tables import load_tables
from tests.support.exporter import TOKEN, KeyPair, url_sign
from tests.support.programs import DEADLINE, fetch, wait_for

AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}
CODES = [
    (channel, code)
    for channel, table in load_tables().items()
    for code in table.codes
    if code != "-1"  # what it means depends on the message
]

SEND_AGAIN = {(503, "ledger_unavailable"), (503, "draining"), (502, "no_answer")}
"""Answers after which a gateway sends again: two of an exporter, one of nginx before it."""

Totals = Counter[tuple[str, str]]
"""Results by channel and code."""


class Call(NamedTuple):
    """A webhook request that is repeated until it is acknowledged, and the results that it adds."""

    path: str
    body: bytes
    headers: dict[str, str]
    totals: Totals


def results_call(
    rng: random.Random, name: str, items: int, *, whole: bool = False, padding: int = 0
) -> Call:
    """Make a call of so many results, each with an id, or with one `webhook-id` for them all."""
    chosen = rng.choices(CODES, k=items)
    results: list[dict[str, Any]] = [{"channel": channel, "code": code} for channel, code in chosen]
    if not whole:
        results = [result | {"id": f"{name}-{n}"} for n, result in enumerate(results)]
    headers = AUTHORIZATION | ({"webhook-id": name} if whole else {})
    body = json.dumps(results).encode() + b" " * padding
    return Call("/webhooks/results", body, headers, Counter(chosen))


def signed_calls(keys: KeyPair, number: int) -> deque[Call]:
    """Make callbacks of MPS, each signed by openssl."""
    rng = random.Random(number)

    def sign(index: int, code: tuple[str, str]) -> Call:
        callback = {"msgId": f"m{index}", "channel": code[0], "statusCode": code[1]}
        body = json.dumps(callback).encode()
        return Call(f"/webhooks/mps?sign={url_sign(keys.sign(body))}", body, {}, Counter([code]))

    with ThreadPoolExecutor(2) as pool:
        return deque(pool.map(sign, range(number), rng.choices(CODES, k=number)))


def mixed_calls(sender: int, signed: deque[Call]) -> Iterator[Call]:
    """Make calls of every kind without end, those of each sender distinct."""
    rng = random.Random(sender)
    number = 0
    while True:
        number += 1
        if number % 4 == 0 and signed:
            yield signed.popleft()
        else:
            whole = rng.random() < 0.5
            yield results_call(rng, f"{sender}.{number}", rng.randint(1, 12), whole=whole)


class NoAnswerError(Exception):
    """The connection ended after the call was sent and before it was answered."""


class Client:
    """One connection, kept alive and opened again where it was closed."""

    def __init__(self, url: str, trust: ssl.SSLContext | None = None) -> None:
        host = urlsplit(url).netloc
        self._connection = (
            http.client.HTTPSConnection(host, timeout=30, context=trust)
            if trust
            else http.client.HTTPConnection(host, timeout=30)
        )
        self.reused = False
        """Whether the last call went over a connection that had carried another one."""

    def post(self, call: Call) -> tuple[int, dict[str, Any]]:
        """Return status and body; OSError if there is no connection, or NoAnswerError."""
        connection = self._connection
        self.reused = connection.sock is not None
        if not self.reused:
            connection.connect()
        try:
            with suppress(ConnectionError):  # the answer may come before the end of the body
                connection.request("POST", call.path, call.body, call.headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswerError(repr(error)) from error

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        self._connection.close()


class Gateway:
    """Senders that share what has been begun and what has been acknowledged."""

    def __init__(self, url: str, trust: ssl.SSLContext | None = None) -> None:
        self.url = url
        self.trust = trust
        self.begun: list[Call] = []
        self.acknowledged: list[Call] = []
        self.unanswered: list[Call] = []
        """Calls that were sent and may have been counted, though no exporter answered."""
        self.retries = 0
        self.duplicates = 0
        """Retries of what had been counted, but not acknowledged."""
        self._enough = threading.Event()
        self._abandoned = threading.Event()
        self._senders: list[Future[None]] = []

    @contextmanager
    def sending(self, *calls: Iterator[Call]) -> Iterator[None]:
        """Send inside the block, from one thread for each of these."""
        with ThreadPoolExecutor(len(calls)) as pool:
            self._senders = [pool.submit(self._send, call) for call in calls]
            try:
                yield
                self.finish()
            finally:
                self._abandoned.set()

    def wait_for_more(self, calls: int) -> None:
        """Wait until so many more calls are acknowledged."""
        goal = len(self.acknowledged) + calls
        wait_for(lambda: len(self.acknowledged) >= goal, "more calls are acknowledged")

    def finish(self) -> None:
        """Begin no other call, and wait until those that were begun are acknowledged."""
        self._enough.set()
        for sender in self._senders:
            sender.result()

    def _send(self, calls: Iterator[Call]) -> None:
        with closing(Client(self.url, self.trust)) as client:
            for call in calls:
                if self._enough.is_set() or self._abandoned.is_set():
                    break
                self.begun.append(call)
                self._deliver(client, call)
                self.acknowledged.append(call)

    def _deliver(self, client: Client, call: Call) -> None:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end and not self._abandoned.is_set():
            try:
                status, answer = client.post(call)
            except NoAnswerError:
                self.unanswered.append(call)
                time.sleep(0.01)
            except OSError:
                time.sleep(0.01)
            else:
                if status == 200:
                    self.duplicates += not answer["accepted"]
                    return
                assert (status, answer["error"]) in SEND_AGAIN, answer
                if status == 502:
                    self.unanswered.append(call)
                    time.sleep(0.01)
            self.retries += 1
        raise AssertionError(f"waited {DEADLINE} s in vain for an acknowledgement")


def add(calls: list[Call]) -> Totals:
    """Add up what calls stand for."""
    totals: Totals = Counter()
    for call in calls:
        totals.update(call.totals)
    return totals


def exposed(admin: str) -> Totals:
    """Scrape the results that are not 0."""
    return totals_of(fetch(f"{admin}/metrics").decode())


def totals_of(exposition: str) -> Totals:
    """Read the results that are not 0 from a scrape."""
    totals: Totals = Counter()
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == "push_results_total" and sample.value:
                totals[sample.labels["channel"], sample.labels["code"]] += int(sample.value)
    return totals


def copy_ledger(ledger: Path, folder: Path) -> Path:
    """Copy the files of a ledger that is not being written."""
    folder.mkdir(exist_ok=True)
    for suffix in ("", "-wal"):
        source = ledger.with_name(ledger.name + suffix)
        if source.exists():
            shutil.copyfile(source, folder / source.name)
        else:
            (folder / source.name).unlink(missing_ok=True)
    return folder / ledger.name


def stored(ledger: Path) -> Totals:
    """Read the counts of a copy of a ledger, as any SQLite program does."""
    with closing(sqlite3.connect(ledger)) as database:
        rows = database.execute("SELECT channel, code, sum(count) FROM counts GROUP BY 1, 2")
        return Counter({(channel, code): count for channel, code, count in rows})
