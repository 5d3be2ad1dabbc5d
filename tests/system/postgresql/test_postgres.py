"""Many replicas over one PostgreSQL: killed, cut off, failed over; nothing lost, nothing twice."""

import logging
import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.exporter import KeyPair
from tests.support.postgres import (
    PASSWORD,
    Server,
    make_standby,
    plain_folder,
    plain_user,
    running_server,
)
from tests.support.programs import (
    ExporterProcess,
    Settings,
    answers,
    exporter_starting,
    free_port,
    program,
    started,
    wait_for,
)
from tests.support.proxy import Proxy, proxy_to
from tests.support.traffic import Gateway, Totals, add, exposed, mixed_calls, signed_calls

pytestmark = pytest.mark.load

REPLICAS = 3
SENDERS = 6
KILLS = 5

NGINX = """
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream exporters {{
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        error_page 502 504 = @no_answer;
        location / {{ proxy_pass http://exporters; }}
        location @no_answer {{
            default_type application/json;
            return 502 '{{"error": "no_answer", "detail": "no exporter"}}';
        }}
    }}
}}
"""

PGBOUNCER = """
[databases]
results = host=127.0.0.1 port={server} dbname=results
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 2
server_login_retry = 0.2
logfile = {folder}/pgbouncer.log
pidfile = {folder}/pgbouncer.pid
"""

log = logging.getLogger(__name__)


@contextmanager
def nginx(folder: Path, ports: list[int]) -> Iterator[str]:
    """Run nginx with plain round robin, which knows nothing of who saw a first try."""
    port = free_port()
    servers = "\n        ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in ports)
    config = folder / "nginx.conf"
    user = "" if os.geteuid() else "user root;"
    config.write_text(NGINX.format(user=user, folder=folder, servers=servers, port=port))
    command = [program("nginx", "nginx-light"), "-c", str(config), "-g", "daemon off;"]
    with started(command, folder / "nginx.log"):
        wait_for(lambda: reached(port), "nginx listens")
        yield f"http://127.0.0.1:{port}"


def reached(port: int) -> bool:
    """Whether the port accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Fleet:
    """Exporters that share a database, of which any can be killed and started again."""

    def __init__(self, folder: Path, stack: ExitStack, settings: Settings, url: str) -> None:
        password = folder / "password"
        password.write_text(PASSWORD)
        self.ports = [(free_port(), free_port()) for _ in range(REPLICAS)]
        self._folder = folder
        self._stack = stack
        self._settings = settings | {"ledger_url": url, "ledger_password_file": password}
        self.exporters = [self._start(number) for number in range(REPLICAS)]
        self.wait_for_ready()

    def kill(self, number: int) -> None:
        """Kill one of them and start it again at once."""
        process = self.exporters[number].process
        process.kill()
        assert process.wait(20) == -signal.SIGKILL
        self.exporters[number] = self._start(number)

    def wait_for_ready(self) -> None:
        """Wait until all of them are ready."""
        for exporter in self.exporters:
            wait_for(
                lambda admin=exporter.admin: answers(f"{admin}/-/ready"),  # type: ignore[misc]
                "a replica is ready",
            )

    def totals(self) -> Totals:
        """Add up what each has counted, as Prometheus does."""
        totals: Totals = sum((exposed(exporter.admin) for exporter in self.exporters), Totals())
        return totals

    def _start(self, number: int) -> ExporterProcess:
        folder = self._folder / f"replica{number}"
        folder.mkdir(exist_ok=True)
        ingest, admin = self.ports[number]
        given = self._settings | {"ingest_port": ingest, "admin_port": admin}
        return self._stack.enter_context(
            exporter_starting(folder, instance=f"replica{number}", **given)
        )


class Scene:
    """A fleet behind nginx, and senders that send again until they are acknowledged."""

    def __init__(self, fleet: Fleet, gateway: Gateway, server: Server) -> None:
        self.fleet = fleet
        self.gateway = gateway
        self.server = server

    def check(self) -> None:
        """Finish all requests; each is counted once, in the database and in the metrics."""
        self.gateway.finish()
        self.fleet.wait_for_ready()
        expected = add(self.gateway.acknowledged)
        assert self.fleet.totals() == expected
        rows = self.server.execute(
            "SELECT channel, code, sum(count)::bigint "
            "FROM push_result_exporter.counts GROUP BY channel, code"
        )
        assert Totals({(channel, code): count for channel, code, count in rows}) == expected
        log.info(
            "%d requests with %d results acknowledged; %d retries, %d of them duplicates; "
            "lost 0, twice 0",
            len(self.gateway.acknowledged),
            expected.total(),
            self.gateway.retries,
            self.gateway.duplicates,
        )


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a PostgreSQL of the test's own."""
    with running_server() as server:
        yield server


@contextmanager
def running_scene(
    folder: Path, settings: Settings, keys: KeyPair, server: Server, url: str
) -> Iterator[Scene]:
    """Run all of it, senders sending, inside the block; then check."""
    with ExitStack() as stack:
        fleet = Fleet(folder, stack, settings, url)
        address = stack.enter_context(nginx(folder, [ingest for ingest, _ in fleet.ports]))
        gateway = Gateway(address)
        signed = signed_calls(keys, 200)
        scene = Scene(fleet, gateway, server)
        with gateway.sending(*(mixed_calls(number, signed) for number in range(SENDERS))):
            gateway.wait_for_more(50)
            yield scene
            scene.check()


def test_killed_exporters(
    tmp_path: Path, settings: Settings, keys: KeyPair, server: Server
) -> None:
    """After five kills, whichever replica a retry reaches, each result is counted once."""
    rng = random.Random(20261126)
    with running_scene(tmp_path, settings, keys, server, server.url()) as scene:
        for _ in range(KILLS):
            scene.gateway.wait_for_more(rng.randint(1, 30))
            time.sleep(rng.uniform(0, 0.2))
            scene.fleet.kill(rng.randrange(REPLICAS))


def test_crashed_server(tmp_path: Path, settings: Settings, keys: KeyPair, server: Server) -> None:
    """After immediate shutdowns of the server under load service is back, and nothing is lost."""
    rng = random.Random(20261127)
    with running_scene(tmp_path, settings, keys, server, server.url()) as scene:
        for _ in range(3):
            scene.gateway.wait_for_more(rng.randint(20, 100))
            server.stop("immediate")
            time.sleep(rng.uniform(0, 2))
            server.start()


def test_failover(tmp_path: Path, settings: Settings, keys: KeyPair, server: Server) -> None:
    """The primary is killed under load, its synchronous standby promoted: nothing is lost."""
    standby = make_standby(server, server.data.parent)
    url = server.url().replace(
        f"127.0.0.1:{server.port}", f"127.0.0.1:{server.port},127.0.0.1:{standby.port}"
    )
    try:
        with running_scene(
            tmp_path, settings, keys, standby, f"{url}?target_session_attrs=read-write"
        ) as scene:
            scene.gateway.wait_for_more(200)
            server.stop("immediate")
            time.sleep(1)
            standby.promote()
            scene.gateway.wait_for_more(200)
    finally:
        standby.stop("immediate")


def test_connections_cut_in_commits(
    tmp_path: Path, settings: Settings, keys: KeyPair, server: Server
) -> None:
    """Connections that are cut before, during and after commits lose nothing."""
    rng = random.Random(20261128)
    with proxy_to(server.port) as proxy:
        url = server.url().replace(str(server.port), str(proxy.port)) + "?sslmode=disable"
        with running_scene(tmp_path, settings, keys, server, url):
            cut_at_random(proxy, rng)
            wait_for(lambda: proxy.cuts >= 40, "enough connections were cut")
            proxy.cut = lambda _data, _from_server: False


def cut_at_random(proxy: Proxy, rng: random.Random) -> None:
    """Cut one in ten commits, or the response to it."""
    committing: set[int] = set()

    def cut(data: bytes, from_server: bool) -> bool:
        proxy.forward_last = rng.random() < 0.5
        if from_server:
            return bool(committing) and not committing.pop() and rng.random() < 0.1
        if b"push_result_exporter.commit(" in data:
            committing.add(0)
            return rng.random() < 0.1
        return False

    proxy.cut = cut


def test_pgbouncer_in_transaction_mode(
    tmp_path: Path, settings: Settings, keys: KeyPair, server: Server
) -> None:
    """Behind PgBouncer, with two server connections for three replicas, nothing is lost either."""
    rng = random.Random(20261129)
    port = free_port()
    with plain_folder() as folder:
        (folder / "users.txt").write_text(f'"exporter" "{PASSWORD}"\n')
        config = folder / "pgbouncer.ini"
        config.write_text(PGBOUNCER.format(server=server.port, port=port, folder=folder))
        for file in (folder / "users.txt", config):
            file.chmod(0o644)
        command = [*plain_user(), program("pgbouncer", "pgbouncer"), str(config)]
        with started(command, tmp_path / "pgbouncer.log"):
            wait_for(lambda: reached(port), "PgBouncer listens")
            url = server.url().replace(str(server.port), str(port))
            with running_scene(tmp_path, settings, keys, server, url) as scene:
                for _ in range(2):
                    scene.gateway.wait_for_more(rng.randint(1, 30))
                    scene.fleet.kill(rng.randrange(REPLICAS))
                server.stop("immediate")
                server.start()
                scene.gateway.wait_for_more(100)
