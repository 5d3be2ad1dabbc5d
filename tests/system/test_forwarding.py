"""Requests and health checks that nginx and HAProxy forward to one exporter."""

import hashlib
import hmac
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.balancers import Balancer, haproxy, nginx
from tests.support.certificates import Certificate, make_certificate
from tests.support.programs import Settings, answers, exporter_process, wait_for
from tests.support.traffic import Call, Totals

pytestmark = pytest.mark.load

DESCRIPTION = """
channel = "vivo"
[auth]
scheme = "hmac"
signature = "{header:x-signature}"
signed = "{url}{body}"
secrets = ["{secret}"]
[fields]
code = "code"
"""

Balancing = Callable[..., AbstractContextManager[Balancer]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return the certificate of the load balancers."""
    return make_certificate(tmp_path_factory.mktemp("balancer-tls"), "push.example.com")


@pytest.mark.parametrize("balancing", [nginx, haproxy])
def test_url_signature_verifies(
    tmp_path: Path, settings: Settings, certificate: Certificate, balancing: Balancing
) -> None:
    """A signature over the URL verifies behind TLS, on any port."""
    (secret := tmp_path / "secret").write_text("correct-horse-battery-staple")
    description = tmp_path / "urlsigner.toml"
    description.write_text(DESCRIPTION.replace("{secret}", secret.name))
    port = int(str(settings["ingest_port"]))
    with exporter_process(tmp_path, **(settings | {"gateway_files": description})):
        group = "push_one" if balancing is nginx else "push_sqlite"
        front = balancing(tmp_path, certificate, group, [port] * (1 if group == "push_one" else 3))
        with front as balancer, closing(balancer.client()) as client:
            body = b'{"code": 10072}'
            for host in ("push.example.com", "push.example.com:8443"):
                signed = f"https://{host}/webhooks/urlsigner".encode() + body
                signature = hmac.new(secret.read_bytes(), signed, hashlib.sha256).hexdigest()
                headers = {"x-signature": signature, "Host": host}
                call = Call("/webhooks/urlsigner", body, headers, Totals())
                assert client.post(call)[0] == 200


def test_nginx_forwards_checks_without_a_host(
    tmp_path: Path, settings: Settings, certificate: Certificate
) -> None:
    """A health check in HTTP/1.0, which may have no header Host, gets the exporter's response."""
    port = int(str(settings["ingest_port"]))
    with (
        exporter_process(tmp_path, **settings),
        nginx(tmp_path, certificate, "push_one", [port]) as balancer,
        socket.create_connection(("127.0.0.1", urlsplit(balancer.url).port or 443)) as plain,
        balancer.trust.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(b"GET /-/ready HTTP/1.0\r\n\r\n")
        assert client.recv(1024).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("group", ["push_postgresql", "push_sqlite"])
def test_haproxy_reports_the_health_of_the_chosen_backend(
    tmp_path: Path, settings: Settings, certificate: Certificate, group: str
) -> None:
    """With either `default_backend` HAProxy is ready exactly while an exporter is."""
    ports = [int(str(settings["ingest_port"]))] * 3
    with haproxy(tmp_path, certificate, group, ports) as balancer:

        def is_ready() -> bool:
            return answers(f"{balancer.url}/-/ready", trust=balancer.trust)

        wait_for(lambda: not is_ready(), "the backend has no exporter")
        with exporter_process(tmp_path, **settings):
            wait_for(is_ready, "the exporter is ready")
        wait_for(lambda: not is_ready(), "the exporter has stopped")
