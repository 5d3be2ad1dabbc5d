"""A rollout of three replicas over PostgreSQL, under load, with a real Prometheus."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.exporter import TOKEN
from tests.support.postgres import PASSWORD, Server, running_server
from tests.support.programs import (
    ExporterProcess,
    answers,
    exporter_starting,
    fetch,
    prometheus,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.load]

REPLICAS = 3
MISSING = 0.005
"""The share of results that `increase` may miss. Scrapes come every second here, and the window is
forty times as long, as ten minutes are of an interval of fifteen seconds."""
WINDOW = "120s"


class Fleet:
    """Replicas that come and go, and the targets that Prometheus finds."""

    def __init__(self, folder: Path, server: Server, stack: ExitStack) -> None:
        self.running: list[ExporterProcess] = []
        self.targets = folder / "targets.json"
        self._folder, self._stack = folder, stack
        self._numbers = count()
        password, token = folder / "password", folder / "token"
        password.write_text(PASSWORD)
        token.write_text(TOKEN)
        self._settings = {
            "ledger_url": server.url(),
            "ledger_password_file": password,
            "results_token_files": token,
        }

    def start(self) -> None:
        """Start a replica; it takes requests once it is ready, which a first scrape makes it."""
        folder = self._folder / f"pod-{next(self._numbers)}"
        folder.mkdir()
        replica = self._stack.enter_context(exporter_starting(folder, **self._settings))
        wait_for(lambda: answers(f"{replica.admin}/-/healthy"), "the replica listens")
        self._discover([*self.running, replica])
        wait_for(lambda: answers(f"{replica.ingest}/-/ready"), "the replica is ready")
        self.running.append(replica)

    def stop(self) -> None:
        """Stop the oldest replica, as Kubernetes does: no further requests, then SIGTERM."""
        oldest, *self.running = self.running
        oldest.process.send_signal(signal.SIGTERM)
        assert oldest.process.wait(20) == 0
        self._discover(self.running)

    def _discover(self, replicas: list[ExporterProcess]) -> None:
        addresses = [replica.admin.removeprefix("http://") for replica in replicas]
        self.targets.write_text(json.dumps([{"targets": addresses}]))


@contextmanager
def sending(fleet: Fleet) -> Iterator[list[int]]:
    """Send batches to the running replicas in turn inside the block; yield the accepted totals."""
    stop, accepted, numbers = threading.Event(), [0], count()

    def send() -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        while not stop.wait(0.01):
            number = next(numbers)
            items = [{"channel": "vivo", "code": 2, "id": f"{number}-{n}"} for n in range(10)]
            replica = fleet.running[number % len(fleet.running)]
            try:
                answer = fetch(
                    f"{replica.ingest}/webhooks/results", json.dumps(items).encode(), headers
                )
            except OSError:
                continue
            accepted[0] += json.loads(answer)["accepted"]

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield accepted
    finally:
        stop.set()
        thread.join()


def increase(url: str) -> float:
    """Add up what the counters rose by between their first and last sample in the window."""
    query = urlencode({"query": f'push_results_total{{channel="vivo",code="2"}}[{WINDOW}]'})
    answer = json.loads(fetch(f"{url}/api/v1/query?{query}"))
    risen = 0.0
    for series in answer["data"]["result"]:
        values = [float(value) for _, value in series["values"]]
        assert values == sorted(values), "a counter fell"
        risen += values[-1] - values[0]
    return risen


def test_a_rollout_loses_nothing_in_prometheus(tmp_path: Path) -> None:
    """Series go on under the names that stay, begin before they count, and end after."""
    config = f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: push-result-exporter
    params: {{label: [instance]}}
    honor_labels: true
    file_sd_configs: [{{files: [{tmp_path / "targets.json"}], refresh_interval: 1s}}]
"""
    with ExitStack() as stack:
        fleet = Fleet(tmp_path, stack.enter_context(running_server()), stack)
        url = stack.enter_context(prometheus(tmp_path, config))
        for _ in range(REPLICAS):
            fleet.start()
        with sending(fleet) as accepted:
            time.sleep(3)
            for _ in range(REPLICAS):
                fleet.start()
                fleet.stop()
                time.sleep(2)
        time.sleep(3)  # the last scrapes
        assert accepted[0] > 5000
        assert increase(url) >= (1 - MISSING) * accepted[0]
