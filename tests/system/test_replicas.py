"""Three exporters behind nginx: a retry finds the one that saw the first try; the sum is right."""

import itertools
import json
import logging
import random
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from exporter.configuration.settings import Settings as ExporterSettings
from tests.support.balancers import Balancer, nginx
from tests.support.certificates import Certificate, make_certificate
from tests.support.exporter import TOKEN, KeyPair
from tests.support.programs import (
    ExporterProcess,
    Settings,
    exporter_process,
    free_port,
    frozen,
    prometheus,
    wait_for,
)
from tests.support.promql import QUERY, ask
from tests.support.traffic import (
    Call,
    Client,
    Gateway,
    Totals,
    add,
    exposed,
    mixed_calls,
    signed_calls,
)

pytestmark = pytest.mark.load

SENDERS = 4
REPLICAS = 3
SQLITE = "push_sqlite"

log = logging.getLogger(__name__)


class Fleet:
    """Exporters with a ledger and ports each, of which any can be stopped and started again."""

    def __init__(self, folder: Path, stack: ExitStack, settings: Settings) -> None:
        self.ports = [(free_port(), free_port()) for _ in range(REPLICAS)]
        self._folder = folder
        self._stack = stack
        self._settings = settings
        self.exporters = [self._start(number) for number in range(REPLICAS)]

    @property
    def admins(self) -> list[str]:
        """Where Prometheus scrapes."""
        return [f"127.0.0.1:{admin}" for _, admin in self.ports]

    def stop(self, number: int, how: signal.Signals) -> None:
        """Stop or kill one of them."""
        process = self.exporters[number].process
        process.send_signal(how)
        assert process.wait(20) == (-how if how == signal.SIGKILL else 0)

    def restart(self, number: int) -> None:
        """Start one of them on the ledger that it left."""
        self.exporters[number] = self._start(number)

    def totals(self) -> list[Totals]:
        """Scrape what each has counted."""
        return [exposed(f"http://{admin}") for admin in self.admins]

    def _start(self, number: int) -> ExporterProcess:
        folder = self._folder / f"replica{number}"
        folder.mkdir(exist_ok=True)
        ingest, admin = self.ports[number]
        given = self._settings | {"ingest_port": ingest, "admin_port": admin}
        return self._stack.enter_context(exporter_process(folder, **given))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Give nginx's certificate."""
    return make_certificate(tmp_path_factory.mktemp("nginx-tls"), "push.example.com")


@pytest.fixture
def fleet(tmp_path: Path, keys: KeyPair) -> Iterator[Fleet]:
    """Run three exporters with the same credentials."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    settings: Settings = {"mps_public_key_files": keys.public, "results_token_files": token}
    with ExitStack() as stack:
        yield Fleet(tmp_path, stack, settings)


@pytest.fixture
def scraping(fleet: Fleet, tmp_path: Path) -> Iterator[str]:
    """Run Prometheus on all of them; give its URL."""
    targets = json.dumps(fleet.admins)
    scrape = f"[{{job_name: push-result-exporter, static_configs: [{{targets: {targets}}}]}}]"
    config = f"global: {{scrape_interval: 1s}}\nscrape_configs: {scrape}\n"
    with prometheus(tmp_path, config) as url:
        yield url


def summed(url: str) -> Totals:
    """Ask Prometheus for the sum over the exporters."""
    totals: Totals = Totals()
    for (channel, code, _), value in ask(url, QUERY).items():
        totals[channel, code] += int(value)
    return totals


def send_again(calls: list[Call], nginx: Balancer) -> None:
    """Send requests again, over several connections: none of their results is new."""
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(nginx.client())) for _ in range(3)]
        for call, client in zip(calls, itertools.cycle(clients), strict=False):
            status, answer = client.post(call)
            assert (status, answer["accepted"]) == (200, 0)


def test_sum_is_equal_to_the_acknowledged_results(
    fleet: Fleet, scraping: str, certificate: Certificate, keys: KeyPair, tmp_path: Path
) -> None:
    """Retries count once, stops and kills lose nothing, and Prometheus has the acknowledged sum.

    A request under way when its exporter was killed may be counted by another one again:
    nobody but the dead one knows. These are few, and no other is.
    """
    signed = signed_calls(keys, 200)
    rng = random.Random(20261124)
    with nginx(tmp_path, certificate, SQLITE, [ingest for ingest, _ in fleet.ports]) as front:
        gateway = Gateway(front.url, front.trust)
        with gateway.sending(*(mixed_calls(number, signed) for number in range(SENDERS))):
            gateway.wait_for_more(600)
            for number, how in ((0, signal.SIGTERM), (1, signal.SIGTERM)):
                fleet.stop(number, how)
                gateway.wait_for_more(200)
                fleet.restart(number)
                gateway.wait_for_more(200)
            gateway.finish()
        expected = add(gateway.acknowledged)
        assert not gateway.unanswered
        wait_for(lambda: summed(scraping) == expected, "Prometheus has the sum")
        shares = [series.total() / expected.total() for series in fleet.totals()]
        assert min(shares) > 0.1, shares

        rested = Gateway(front.url, front.trust)
        with rested.sending(*(mixed_calls(number + 10, signed) for number in range(SENDERS))):
            rested.wait_for_more(200)
            fleet.stop(2, signal.SIGKILL)
            rested.wait_for_more(200)
            fleet.restart(2)
            rested.finish()
        expected += add(rested.acknowledged)
        surplus = sum(fleet.totals(), Totals()) - expected
        assert surplus <= add(rested.unanswered)
        assert len(rested.unanswered) <= SENDERS
        wait_for(lambda: summed(scraping) == expected + surplus, "Prometheus has the sum")
        # None of these has been to another exporter than its own.
        send_again(rng.sample(gateway.acknowledged[:600], 200), front)
        log.info(
            "shares %s; %d results acknowledged; at the kill %d requests open, %d counted twice",
            [f"{share:.2f}" for share in shares],
            expected.total(),
            len(rested.unanswered),
            surplus.total(),
        )


def test_without_failover_a_kill_counts_nothing_twice(
    fleet: Fleet, certificate: Certificate, keys: KeyPair, tmp_path: Path
) -> None:
    """With `proxy_next_upstream off` requests wait for their exporter, and the sum is exact."""
    signed = signed_calls(keys, 100)
    off = ("proxy_next_upstream error timeout;", "proxy_next_upstream off;")
    with nginx(tmp_path, certificate, SQLITE, [ingest for ingest, _ in fleet.ports], off) as front:
        gateway = Gateway(front.url, front.trust)
        with gateway.sending(*(mixed_calls(number, signed) for number in range(SENDERS))):
            for number in range(REPLICAS):
                gateway.wait_for_more(100)
                fleet.stop(number, signal.SIGKILL)
                fleet.restart(number)
            gateway.finish()
        assert gateway.unanswered
        assert sum(fleet.totals(), Totals()) == add(gateway.acknowledged)
        send_again(gateway.acknowledged[-200:], front)


def test_a_request_that_was_sent_is_not_sent_elsewhere(
    fleet: Fleet, certificate: Certificate, keys: KeyPair, tmp_path: Path
) -> None:
    """A request without a response in time stays with its exporter; repeated, it counts once."""
    calls = list(signed_calls(keys, 12))
    short_timeout = ("proxy_read_timeout 15s;", "proxy_read_timeout 1s;")
    ports = [ingest for ingest, _ in fleet.ports]
    with ExitStack() as stack:
        front = stack.enter_context(nginx(tmp_path, certificate, SQLITE, ports, short_timeout))
        with ThreadPoolExecutor(len(calls)) as pool, frozen(fleet.exporters[0].process):
            clients = [stack.enter_context(closing(front.client())) for _ in calls]
            answers = list(pool.map(Client.post, clients, calls))
        late = [call for call, (status, _) in zip(calls, answers, strict=True) if status == 502]
        assert 0 < len(late) < len(calls)
        wait_for(lambda: fleet.totals()[0] == add(late), "the first exporter goes on")
        send_again(late, front)
        assert sum(fleet.totals(), Totals()) == add(calls)


def test_nginx_refuses_what_the_exporter_would(
    fleet: Fleet, certificate: Certificate, keys: KeyPair, tmp_path: Path
) -> None:
    """Sizes, paths and numbers of requests are bounded, responses JSON; no log has a signature."""
    largest = ExporterSettings.model_fields["max_body_bytes"].default
    (call,) = signed_calls(keys, 1)
    few = ("limit_conn push_senders 200;", "limit_conn push_senders 5;")
    with (
        nginx(tmp_path, certificate, SQLITE, [ingest for ingest, _ in fleet.ports], few) as front,
        closing(front.client()) as client,
    ):
        full = call._replace(path="/webhooks/results", body=b" " * largest)
        over = full._replace(body=b" " * (largest + 1))
        assert refused(client, over) == (413, "too_large")
        assert refused(client, full) == (401, "missing_credentials")
        for path in (
            "/metrics",
            "/webhooks",
            "/webhooks/none",
            "/webhooks/../metrics",
            "/-/reload",
        ):
            assert refused(client, call._replace(path=path)) == (404, "not_found"), path
        assert client.post(call)[0] == 200
        with slow_requests(front, 6):  # of which one may be refused for the one before it
            wait_for(lambda: client.post(call)[0] == 503, "one request more is refused")
            assert refused(client, call) == (503, "overloaded")
        for number in range(REPLICAS):
            fleet.stop(number, signal.SIGTERM)
        assert refused(client, call) == (502, "no_answer")
    logs = {path.name: path.read_text() for path in front.logs.glob("*.log")}
    assert '"POST /webhooks/mps" 200' in logs["push.access.log"]
    sign = call.path.partition("sign=")[2]
    assert not [name for name, text in logs.items() if sign[:40] in text]


def refused(client: Client, call: Call) -> tuple[int, str]:
    """Send a request that is refused; return its status and reason."""
    status, answer = client.post(call)
    return status, answer["error"]


@contextmanager
def slow_requests(front: Balancer, number: int) -> Iterator[None]:
    """Hold requests open without sending their bodies."""
    request = b"POST /webhooks/mps HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    port = int(front.url.rpartition(":")[2])
    with ExitStack() as stack:
        for _ in range(number):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            slow = stack.enter_context(front.trust.wrap_socket(plain, server_hostname="localhost"))
            slow.sendall(request)
        yield
