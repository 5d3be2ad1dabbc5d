"""Stops under load: what is acknowledged is counted, and counted once."""

import json
import logging
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

import pytest

from tests.support.exporter import KeyPair
from tests.support.programs import Settings, answers, exporter_process, fetch, wait_for
from tests.support.traffic import (
    AUTHORIZATION,
    Call,
    Client,
    NoAnswerError,
    add,
    exposed,
    mixed_calls,
    results_call,
    signed_calls,
)

pytestmark = pytest.mark.load

ROUNDS = 6
STOP_SECONDS = 10
"""What `docker stop` and many others wait before they kill."""

log = logging.getLogger(__name__)


class Sender:
    """Makes calls until no connection is accepted; goes on when there is an exporter again."""

    def __init__(self, url: str, calls: Iterator[Call], *, keep: bool) -> None:
        self.acknowledged: list[Call] = []
        self.outcomes: Counter[str] = Counter()
        self._client = Client(url)
        self._keep = keep
        self._calls = calls
        self._next = next(calls)

    def send_until_refused(self) -> None:
        """Send one request after another; repeat those not acknowledged."""
        outcome = ""
        while outcome != "refused":
            outcome = self._send(self._next)
            self.outcomes[outcome] += 1
            if outcome == "acknowledged":
                self.acknowledged.append(self._next)
                self._next = next(self._calls)
            if not self._keep:
                self._client.close()

    def _send(self, call: Call) -> str:
        try:
            status, answer = self._client.post(call)
        except OSError:
            return "refused"
        except NoAnswerError:
            return "kept, unanswered" if self._client.reused else "new, unanswered"
        if status == 200:
            return "acknowledged"
        assert (status, answer["error"]) == (503, "draining")
        return "draining"


def make_senders(url: str, keys: KeyPair) -> list[Sender]:
    """Make senders that keep their connection, that open one a call, and that send much."""
    signed = signed_calls(keys, 100)
    return [
        *(Sender(url, mixed_calls(number, signed), keep=True) for number in range(3)),
        *(Sender(url, mixed_calls(number, signed), keep=False) for number in range(3, 6)),
        Sender(url, large_calls("kept"), keep=True),
        Sender(url, large_calls("new"), keep=False),
    ]


def large_calls(name: str) -> Iterator[Call]:
    """Make calls that are still on their way when their answer comes early."""
    rng = random.Random(name)
    return (results_call(rng, f"{name}-{number}", 5, padding=300_000) for number in count())


def acknowledged(senders: list[Sender]) -> int:
    """Add up the calls that are acknowledged so far."""
    return sum(len(sender.acknowledged) for sender in senders)


def wait_for_acknowledged(senders: list[Sender], calls: int) -> None:
    """Wait until so many calls are acknowledged."""
    wait_for(lambda: acknowledged(senders) >= calls, "more calls are acknowledged")


def test_stop_under_load(tmp_path: Path, keys: KeyPair, settings: Settings) -> None:
    """SIGTERM loses nothing and counts nothing twice, however it appears to a sender.

    A sender without a proxy may see a reset: of a connection that was not accepted yet, or of
    one that was closed as its next request came. Nothing of such a request was acknowledged.
    """
    rng = random.Random(20261126)
    senders = make_senders(f"http://127.0.0.1:{settings['ingest_port']}", keys)
    for _ in range(ROUNDS):
        before = acknowledged(senders)
        with (
            exporter_process(tmp_path, **settings) as exporter,
            ThreadPoolExecutor(len(senders)) as pool,
        ):
            sending = [pool.submit(sender.send_until_refused) for sender in senders]
            wait_for_acknowledged(senders, before + rng.randint(100, 500))
            time.sleep(rng.uniform(0, 0.02))
            exporter.process.send_signal(signal.SIGTERM)
            assert exporter.process.wait(STOP_SECONDS) == 0
            for future in sending:
                future.result()
    outcomes = sum((sender.outcomes for sender in senders), Counter[str]())
    log.info("%d stops: %s", ROUNDS, dict(outcomes))
    assert outcomes["refused"] == ROUNDS * len(senders)
    with exporter_process(tmp_path, **settings) as exporter:
        # A call that was counted, but whose answer was lost, would make this differ.
        assert exposed(exporter.admin) == add(
            [call for sender in senders for call in sender.acknowledged]
        )
    assert outcomes["acknowledged"] > outcomes["kept, unanswered"] + outcomes["new, unanswered"]


def test_stop_with_slow_bodies(tmp_path: Path, settings: Settings) -> None:
    """At SIGTERM an arriving body is completed and counted, and an endless one delays nothing."""
    with (
        exporter_process(tmp_path, body_timeout_seconds=60, **settings) as exporter,
        ExitStack() as stack,
    ):
        calls = [stack.enter_context(closing(begin_call(exporter.ingest))) for _ in range(6)]
        metrics = f"{exporter.admin}/metrics"
        wait_for(lambda: b"requests_in_flight 6.0" in fetch(metrics), "the calls are under way")
        exporter.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not answers(f"{exporter.admin}/-/ready"), "the exporter is draining")
        for call in calls[:3]:
            call.send(b'e": 2}')
            assert call.getresponse().status == 200
        assert exporter.process.wait(STOP_SECONDS) == 0
        for call in calls[3:]:
            answer = call.getresponse()
            assert (answer.status, json.load(answer)["error"]) == (503, "draining")
    with exporter_process(tmp_path, **settings) as exporter:
        assert exposed(exporter.admin) == {("mps", "2"): 3}


def begin_call(url: str) -> HTTPConnection:
    """Send a call without the end of its body."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=STOP_SECONDS)
    connection.putrequest("POST", "/webhooks/results")
    for name, value in {**AUTHORIZATION, "Content-Length": "11"}.items():
        connection.putheader(name, value)
    connection.endheaders(b'{"cod')
    return connection
