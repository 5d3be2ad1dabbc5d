"""More than the disk can take: refused at once, within bounds, and over as soon as the load is."""

import http.client
import json
import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.hostile import resident
from tests.support.programs import Settings, exporter_process, fetch, in_background
from tests.support.traffic import AUTHORIZATION, exposed

pytestmark = pytest.mark.load

SENDERS = 24
BATCH = 200
BOUND = 2000
"""MAX_PENDING_RESULTS: ten batches."""
STALLS = 5


class Outcome(NamedTuple):
    """The responses to the senders, and the latency of the accepted requests."""

    answers: Counter[tuple[int, str, str | None]]
    """Calls by status, error and Retry-After."""
    seconds: list[float]


@contextmanager
def stalling(ledger: Path, done: threading.Event) -> Iterator[None]:
    """Hold the ledger for half a second at a time, as a slow disk does; set `done` after that."""

    def stall() -> None:
        try:
            with closing(sqlite3.connect(ledger, timeout=10, isolation_level=None)) as database:
                for _ in range(STALLS):
                    database.execute("BEGIN IMMEDIATE")
                    time.sleep(0.5)
                    database.execute("ROLLBACK")
                    time.sleep(0.1)
        finally:  # else the senders would never end
            done.set()

    with in_background(stall):
        yield


def send(address: str, sender: int, done: threading.Event) -> Outcome:
    """Post distinct batches without a pause over one connection."""
    outcome = Outcome(Counter(), [])
    with closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        number = 0
        while not done.is_set():
            items = [
                {"channel": "fcm", "code": 2, "id": f"{sender}.{number}.{n}"} for n in range(BATCH)
            ]
            number += 1
            began = time.perf_counter()
            connection.request("POST", "/webhooks/results", json.dumps(items), AUTHORIZATION)
            answer = connection.getresponse()
            body = json.loads(answer.read())
            response = (answer.status, body.get("error", ""), answer.getheader("Retry-After"))
            outcome.answers[response] += 1
            if answer.status == 200:
                outcome.seconds.append(time.perf_counter() - began)
            else:
                time.sleep(0.005)
    return outcome


def pending(admin: str, done: threading.Event) -> list[int]:
    """Ask again and again how many results wait."""
    seen = []
    while not done.is_set():
        text = fetch(f"{admin}/metrics").decode()
        found = re.search(r"^push_ledger_pending_results (\S+)$", text, re.MULTILINE)
        assert found
        seen.append(int(float(found[1])))
        time.sleep(0.02)
    return seen


def test_overload_is_refused_within_bounds(tmp_path: Path, settings: Settings) -> None:
    """Where the disk stalls, calls past the bound get a 503 at once and the others count once."""
    done = threading.Event()
    with exporter_process(tmp_path, **settings, max_pending_results=BOUND) as exporter:
        address = exporter.ingest.removeprefix("http://")
        before = resident(exporter)
        with ThreadPoolExecutor(SENDERS + 1) as pool, stalling(tmp_path / "ledger.sqlite3", done):
            watched = pool.submit(pending, exporter.admin, done)
            outcomes = list(pool.map(lambda number: send(address, number, done), range(SENDERS)))
        answers = sum(
            (outcome.answers for outcome in outcomes), Counter[tuple[int, str, str | None]]()
        )
        accepted, refused = (200, "", None), (503, "overloaded", "2")
        assert set(answers) == {accepted, refused}
        assert BOUND / 2 < max(watched.result()) <= BOUND
        assert exposed(exporter.admin) == {("fcm", "2"): BATCH * answers[accepted]}
        grown = resident(exporter) - before
        assert grown < 60, f"{grown:.0f} MiB more"
        assert len(exporter.log.read_text().splitlines()) < 10

        # The load is over: nobody is refused any more.
        again = threading.Event()
        threading.Timer(0.3, again.set).start()
        after = send(address, SENDERS, again).answers
        assert set(after) == {accepted}
    seconds = sorted(second for outcome in outcomes for second in outcome.seconds)
    print(  # noqa: T201 - figures, shown by `pytest -s`
        f"{answers[accepted]} accepted, {answers[refused]} refused; accepted within "
        f"{seconds[len(seconds) // 2]:.2f} s, at most {seconds[-1]:.2f} s; {grown:.0f} MiB more"
    )
