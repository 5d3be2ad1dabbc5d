"""nginx and HAProxy in front of real exporters, configured as in deploy/."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.balancers import haproxy, nginx
from tests.support.certificates import Certificate, make_certificate
from tests.support.exporter import KeyPair
from tests.support.postgres import PASSWORD, running_server
from tests.support.programs import (
    PLAIN,
    ExporterProcess,
    Settings,
    answers,
    exporter_starting,
    fetch,
    free_port,
    frozen,
    scrapes_and_serves,
    wait_for,
)
from tests.support.traffic import (
    Call,
    Gateway,
    Totals,
    add,
    exposed,
    mixed_calls,
    signed_calls,
)

pytestmark = pytest.mark.load

REPLICAS = 3
SENDERS = 6

ONE_TRY = ("proxy_next_upstream error timeout;", "proxy_next_upstream off;")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return the certificate of the load balancers."""
    return make_certificate(tmp_path_factory.mktemp("balancer-tls"), "push.example.com")


class Fleet:
    """Exporters with the same settings and ports of their own, of which any can be restarted."""

    def __init__(self, folder: Path, stack: ExitStack, settings: Settings) -> None:
        self._folder = folder
        self._stack = stack
        self._settings = settings
        self.ports = [free_port() for _ in range(REPLICAS)]
        self.exporters = [self._start(number) for number in range(REPLICAS)]
        for one in self.exporters:
            wait_until_ready(one)

    def restart(self, number: int) -> None:
        """Stop an exporter and start it again."""
        self.stop(number)
        self.exporters[number] = self._start(number)
        wait_until_ready(self.exporters[number])

    def stop(self, *numbers: int) -> None:
        """Stop exporters at the same time; each is scraped once more, which it waits for."""
        for number in numbers:
            self.exporters[number].process.send_signal(signal.SIGTERM)
        for number in numbers:
            wait_for(lambda one=self.exporters[number]: has_ended(one), "the exporter has ended")  # type: ignore[misc]

    def counted(self) -> Totals:
        """Return the sum of what the exporters have counted."""
        return sum((exposed(one.admin) for one in self.exporters), Totals())

    def _start(self, number: int) -> ExporterProcess:
        folder = self._folder / f"replica{number}"
        folder.mkdir(exist_ok=True)
        own: Settings = {"ingest_port": self.ports[number], "admin_port": free_port()}
        own |= {"instance": f"replica-{number}"} if "ledger_url" in self._settings else {}
        return self._stack.enter_context(exporter_starting(folder, **(self._settings | own)))


def has_ended(exporter: ExporterProcess) -> bool:
    """Scrape an exporter; return whether it has ended, with success."""
    answers(f"{exporter.admin}/metrics")
    return exporter.process.poll() == 0


def wait_until_ready(exporter: ExporterProcess) -> None:
    """Wait for an exporter, which is scraped meanwhile."""
    wait_for(lambda: scrapes_and_serves(exporter, PLAIN), "the exporter is ready")


@pytest.fixture
def fleet(tmp_path: Path, settings: Settings) -> Iterator[Fleet]:
    """Run exporters with a SQLite ledger each."""
    with ExitStack() as stack:
        fleet = Fleet(tmp_path, stack, settings)
        yield fleet
        fleet.stop(*range(REPLICAS))


@pytest.fixture
def postgresql_fleet(tmp_path: Path, settings: Settings) -> Iterator[Fleet]:
    """Run exporters over one PostgreSQL ledger."""
    (password := tmp_path / "password").write_text(PASSWORD)
    with running_server() as server, ExitStack() as stack:
        shared: Settings = {"ledger_url": server.url(), "ledger_password_file": password}
        fleet = Fleet(tmp_path, stack, settings | shared)
        yield fleet
        fleet.stop(*range(REPLICAS))


def respelled(call: Call) -> Iterator[Call]:
    """Change what nobody signed: the URL around the signature, its alphabet, the headers."""
    path, _, sign = call.path.partition("?sign=")
    standard = sign.replace("-", "%2B").replace("_", "%2F")
    for query in (
        f"sign={sign}&x=1",
        f"channel=&sign={sign}",
        f"sign={standard}",
        f"sign={sign}&sign=x",
    ):
        yield call._replace(path=f"{path}?{query}")
    for number in range(5):
        for name in ("webhook-id", "svix-id", "x-request-id"):
            yield call._replace(headers={name: f"another-{number}"})
    yield call._replace(path=f"//webhooks//mps/?sign={sign}")


def test_captured_request_is_counted_once(
    fleet: Fleet, tmp_path: Path, certificate: Certificate, keys: KeyPair
) -> None:
    """A signed request stays with its exporter behind nginx, whatever is added to it unsigned."""
    calls = list(signed_calls(keys, 5))
    front = nginx(tmp_path, certificate, "push_sqlite", fleet.ports)
    with front as balancer, closing(balancer.client()) as client:
        for call in calls:
            assert client.post(call)[0] == 200
            for again in respelled(call):
                status, answer = client.post(again)
                assert (status, answer["accepted"]) == (200, 0), again
    assert fleet.counted() == add(calls)


def signed_by(family: str, number: int) -> dict[str, str]:
    """Make the headers of a signature; nobody verifies them here."""
    return {f"{family}-id": f"m{number}", f"{family}-timestamp": "1", f"{family}-signature": "v1,x"}


@pytest.mark.parametrize(
    ("family", "added"),
    [
        ("webhook", {"svix-id": "a"}),
        ("webhook", {"svix-id": "a", "svix-timestamp": "1", "svix-signature": "v1,a"}),
        ("svix", {"webhook-id": "a"}),
        ("svix", {"webhook-id": "a", "webhook-timestamp": "1 v1"}),
        ("svix", {"webhook-id": "a", "webhook-signature": "1 v1"}),
    ],
)
def test_nginx_chooses_by_the_signed_id(
    tmp_path: Path, certificate: Certificate, family: str, added: dict[str, str]
) -> None:
    """Headers that the signature does not cover do not choose the exporter, nor does the URL."""
    ports = [free_port() for _ in range(REPLICAS)]
    numbers = range(20)
    with nginx(tmp_path, certificate, "push_sqlite", ports, ONE_TRY) as balancer:
        for number in numbers:
            for url, more in (("", {}), ("?x=1", added)):
                headers = signed_by(family, number) | more
                call = Call(f"/webhooks/results{url}", str(more).encode(), headers, Totals())
                with closing(balancer.client()) as client:
                    assert client.post(call)[0] == 502  # nobody listens there
        log = balancer.logs / "push.access.log"  # a line may follow its response
        wait_for(lambda: len(log.read_text().splitlines()) == 2 * len(numbers), "all are logged")
        lines = log.read_text().splitlines()
    chosen = [line.split()[-2] for line in lines]
    assert len(set(chosen)) == REPLICAS
    assert chosen[::2] == chosen[1::2]


def test_hung_exporter_keeps_few_requests(
    postgresql_fleet: Fleet, tmp_path: Path, certificate: Certificate, keys: KeyPair
) -> None:
    """Over one PostgreSQL ledger others go on while one hangs; the sum is exact afterwards."""
    fleet, signed, acknowledged = postgresql_fleet, signed_calls(keys, 100), []
    for first, balancing in ((0, nginx), (SENDERS, haproxy)):
        with balancing(tmp_path, certificate, "push_postgresql", fleet.ports) as balancer:
            gateway = Gateway(balancer.url, balancer.trust)
            calls = [mixed_calls(first + number, signed) for number in range(SENDERS)]
            with gateway.sending(*calls):
                gateway.wait_for_more(100)
                with frozen(fleet.exporters[0].process):
                    gateway.wait_for_more(600)
        acknowledged += gateway.acknowledged
    assert fleet.counted() == add(acknowledged)


def test_exporters_restart_behind_haproxy(
    postgresql_fleet: Fleet, tmp_path: Path, certificate: Certificate, keys: KeyPair
) -> None:
    """Exporters over one ledger restart in turn: all is acknowledged, and counted once."""
    fleet, signed = postgresql_fleet, signed_calls(keys, 100)
    with haproxy(tmp_path, certificate, "push_postgresql", fleet.ports) as balancer:
        gateway = Gateway(balancer.url, balancer.trust)
        with gateway.sending(*(mixed_calls(number, signed) for number in range(SENDERS))):
            for number in range(REPLICAS):
                gateway.wait_for_more(100)
                fleet.restart(number)
    assert fleet.counted() == add(gateway.acknowledged)


def test_health_is_seen_through_the_balancer(
    postgresql_fleet: Fleet, tmp_path: Path, certificate: Certificate
) -> None:
    """Ready while one exporter is, not when none is left; no check is counted as a request."""
    fleet = postgresql_fleet
    with (
        nginx(tmp_path, certificate, "push_postgresql", fleet.ports) as first,
        haproxy(tmp_path, certificate, "push_postgresql", fleet.ports) as second,
    ):

        def ready() -> int:
            return sum(answers(f"{one.url}/-/ready", trust=one.trust) for one in (first, second))

        wait_for(lambda: ready() == 2, "both are ready")
        fleet.stop(1, 2)
        wait_for(lambda: ready() == 2, "both are ready with one exporter")
        metrics = fetch(f"{fleet.exporters[0].admin}/metrics").decode()
        assert 'push_webhook_requests_total{source="unknown",status="not_found"} 0.0' in metrics
        fleet.stop(0)
        wait_for(lambda: ready() == 0, "no exporter is left")
