"""Debian's nginx and HAProxy with the configurations of deploy/, in front of exporters."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.certificates import Certificate
from tests.support.programs import free_port, program, reachable, started, wait_for
from tests.support.traffic import Client

DEPLOY = Path(__file__).parents[2] / "deploy"
NGINX = DEPLOY / "nginx" / "push-result-exporter.conf"
HAPROXY = DEPLOY / "haproxy" / "haproxy.cfg"

MAIN = """
{user}
pid {folder}/nginx.pid;
worker_processes 2;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    include {folder}/push-result-exporter.conf;
}}
"""

PLACES = {
    "push_one": "127.0.0.1:10987",
    "push_postgresql": "192.0.2.1{}:10987",
    "push_sqlite": "127.0.0.1:1{}987",
}
"""The address of exporter 1, 2 and 3 in each group of the configurations."""

Change = tuple[str, object]
"""A text of a configuration, and what a test has in its place."""


class Balancer(NamedTuple):
    """A running load balancer."""

    url: str
    trust: ssl.SSLContext
    logs: Path

    def client(self) -> Client:
        """Return a connection to it."""
        return Client(self.url, self.trust)


def replaced(text: str, *changes: Change) -> str:
    """Replace parts of a configuration, each of which must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, str(new))
    return text


def _addresses(group: str, ports: Sequence[int]) -> list[Change]:
    place = PLACES[group]
    return [(place.format(n), f"127.0.0.1:{port}") for n, port in enumerate(ports, 1)]


@contextmanager
def nginx(
    folder: Path, certificate: Certificate, group: str, ports: Sequence[int], *changes: Change
) -> Iterator[Balancer]:
    """Run nginx before exporters, as one of the groups of its configuration."""
    port = free_port()
    text = replaced(
        NGINX.read_text("utf-8"),
        ("set $push_upstream push_one;", f"set $push_upstream {group};"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("listen [::]:443 ssl", f"listen [::1]:{port} ssl"),
        ("/etc/nginx/tls/push.example.com.crt", certificate.chain),
        ("/etc/nginx/tls/push.example.com.key", certificate.key),
        ("/var/log/nginx", folder),
        *_addresses(group, ports),
        *changes,
    )
    (folder / NGINX.name).write_text(text)
    main = folder / "nginx.conf"
    main.write_text(MAIN.format(user="" if os.geteuid() else "user root;", folder=folder))
    path = program("nginx", "nginx-light")
    command = [path, "-e", str(folder / "main.error.log"), "-c", str(main)]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    with _listening([*command, "-g", "daemon off;"], folder, port, certificate) as balancer:
        yield balancer


@contextmanager
def haproxy(
    folder: Path, certificate: Certificate, group: str, ports: Sequence[int], *changes: Change
) -> Iterator[Balancer]:
    """Run HAProxy before exporters, with one of the backends of its configuration."""
    port = free_port()
    chain = folder / "haproxy.pem"
    with chain.open("wb") as file:
        for part in (certificate.chain, certificate.key):
            with part.open("rb") as source:
                shutil.copyfileobj(source, file)
    text = replaced(
        HAPROXY.read_text("utf-8"),
        ("default_backend push_postgresql", f"default_backend {group}"),
        ("bind :443", f"bind 127.0.0.1:{port}"),
        ("/etc/haproxy/push.example.com.pem", chain),
        ("log /dev/log local0", "log stdout format raw local0"),
        *_addresses(group, ports),
        *changes,
    )
    config = folder / HAPROXY.name
    config.write_text(text)
    path = program("haproxy", "haproxy")
    subprocess.run([path, "-c", "-f", str(config)], check=True, capture_output=True)
    with _listening([path, "-db", "-f", str(config)], folder, port, certificate) as balancer:
        yield balancer


@contextmanager
def _listening(
    command: list[str], folder: Path, port: int, certificate: Certificate
) -> Iterator[Balancer]:
    trust = ssl.create_default_context(cafile=certificate.chain)
    with started(command, folder / f"{Path(command[0]).name}.log"):
        wait_for(lambda: reachable(port), "the load balancer listens")
        yield Balancer(f"https://127.0.0.1:{port}", trust, folder)
