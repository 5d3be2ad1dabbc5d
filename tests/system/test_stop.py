"""Stops under load: what is acknowledged is counted, and nobody is left without an answer."""

import logging
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from tests.system.programs import Settings, exporter_process
from tests.system.traffic import Call, Client, NoAnswerError, add, exposed, results_call

ROUNDS = 5
STOP_SECONDS = 10

log = logging.getLogger(__name__)


class Sender:
    """Makes calls until no connection is accepted; goes on when there is an exporter again."""

    def __init__(self, url: str, number: int, *, keep: bool, padding: int = 0) -> None:
        self.acknowledged: list[Call] = []
        self.outcomes: Counter[str] = Counter()
        self._client = Client(url)
        self._keep = keep
        self._calls = endless_calls(number, padding)
        self._next = next(self._calls)

    def send_until_refused(self) -> None:
        """Make one call after another; a call without an acknowledgement is made again."""
        while True:
            try:
                status, answer = self._client.post(self._next)
            except OSError:
                self.outcomes["refused"] += 1
                return
            except NoAnswerError:
                self.outcomes["kept, no answer" if self._client.reused else "new, no answer"] += 1
                continue
            if status == 200:
                self.outcomes["acknowledged"] += 1
                self.acknowledged.append(self._next)
                self._next = next(self._calls)
            else:
                assert (status, answer["error"]) == (503, "draining")
                self.outcomes["draining"] += 1
            if not self._keep:
                self._client.close()


def endless_calls(sender: int, padding: int) -> Iterator[Call]:
    dice = random.Random(sender)
    number = 0
    while True:
        number += 1
        yield results_call(dice, f"{sender}.{number}", dice.randint(1, 12), padding=padding)


def test_stop(tmp_path: Path, settings: Settings) -> None:
    url = f"http://127.0.0.1:{settings['ingest_port']}"
    dice = random.Random(1)
    senders = (
        [Sender(url, n, keep=True) for n in range(5)]
        + [Sender(url, n, keep=False) for n in range(5, 8)]
        + [Sender(url, n, keep=True, padding=400_000) for n in range(8, 10)]
    )
    with ThreadPoolExecutor(len(senders)) as pool:
        for _ in range(ROUNDS):
            with exporter_process(tmp_path, **settings) as exporter:
                sending = [pool.submit(sender.send_until_refused) for sender in senders]
                time.sleep(dice.uniform(0.3, 0.5))
                t = time.monotonic()
                exporter.process.send_signal(signal.SIGTERM)
                assert exporter.process.wait(STOP_SECONDS) == 0
                print(time.monotonic() - t)
                for one in sending:
                    one.result()
    for s in senders:
        print(s._keep, s.outcomes)
    with exporter_process(tmp_path, **settings) as exporter:
        have = exposed(exporter.admin)
        acked = add([c for s in senders for c in s.acknowledged])
        assert have >= acked
