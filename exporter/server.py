"""Start both listeners, be ready, drain, stop."""

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import AsyncIterator
from typing import NamedTuple

import structlog
from aiohttp import web

from exporter import tls
from exporter.admin import make_admin_app
from exporter.connections import IDLE_SECONDS, IngestServer
from exporter.errors import ConfigurationError
from exporter.ingest import make_ingest_server
from exporter.service import VERSION, Service
from exporter.settings import Settings

DRAIN_SECONDS = 8.0
"""How long calls that are under way may take to end after SIGTERM."""

FAREWELL_SECONDS = 1.0
"""How long a connection between two calls is kept open after SIGTERM."""

BACKLOG = 1024

log = structlog.get_logger()


class Ports(NamedTuple):
    """Where the listeners really are, if a setting was 0."""

    ingest: int
    admin: int
    scheme: str

    @property
    def ingest_url(self) -> str:
        """The public listener, from this host."""
        return f"{self.scheme}://127.0.0.1:{self.ingest}"

    @property
    def admin_url(self) -> str:
        """The private listener, from this host."""
        return f"{self.scheme}://127.0.0.1:{self.admin}"


async def serve(settings: Settings) -> None:
    """Run an exporter until SIGTERM or SIGINT; SIGHUP reloads.

    Raises ConfigurationError before anything listens, or if an address is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as (service, _ports):
        loop.add_signal_handler(signal.SIGHUP, _reload, service)
        await stop.wait()
        log.info("stopping")


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[Service, Ports]]:
    """Run an exporter inside the block; at its end finish what was begun, commit, close."""
    _allow_open_files(settings.max_connections)
    service = Service.load(settings)
    await service.ledger.start()
    server = make_ingest_server(service)
    ingest = web.ServerRunner(server, shutdown_timeout=DRAIN_SECONDS)
    admin = web.AppRunner(
        make_admin_app(service), access_log=None, shutdown_timeout=1, keepalive_timeout=IDLE_SECONDS
    )
    public, private = None, None
    try:
        public = _bind(settings.ingest_host, settings.ingest_port, settings.reuse_port)
        private = _bind(settings.admin_host, settings.admin_port)
        await _listen(ingest, public, service)
        await _listen(admin, private, service)
        ports = Ports(
            public.getsockname()[1],
            private.getsockname()[1],
            "https" if settings.tls_cert_file else "http",
        )
        log.info("listening", version=VERSION, ingest=ports.ingest, admin=ports.admin)
        yield service, ports
    finally:
        service.draining = True
        if public:
            await _drain(service, server, ingest, public)
        await service.ledger.close()
        await admin.cleanup()
        if private:
            private.close()
        log.info("stopped")


def _bind(host: str, port: int, reuse_port: bool = False) -> socket.socket:
    """Take an address; ConfigurationError names one that cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        dual = family is socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(
            address[:2],
            family=family,
            backlog=BACKLOG,
            reuse_port=reuse_port,
            dualstack_ipv6=dual,
        )
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}") from error


async def _listen(runner: web.BaseRunner, listener: socket.socket, service: Service) -> None:
    context = service.configuration.tls
    if context:
        context = tls.follow(context, lambda: service.configuration.tls)
    await runner.setup()
    await web.SockSite(runner, listener, ssl_context=context, backlog=BACKLOG).start()


async def _drain(
    service: Service, server: IngestServer, runner: web.BaseRunner, listener: socket.socket
) -> None:
    """Stop listening, and give each connection an answer before it is closed.

    Calls that are under way are finished. Connections between two calls stay for a moment, since
    a call may be on its way already: it gets a 503 and the connection's end. aiohttp's own
    clean-up would drop what still arrives, and so the rest of a body: it comes last.
    """
    listener.listen(0)  # the kernel takes no further connection; those it has are accepted
    await asyncio.sleep(0.05)
    for site in list(runner.sites):
        await site.stop()
    listener.close()
    clock = asyncio.get_running_loop().time
    start = clock()
    while clock() < start + DRAIN_SECONDS and (  # noqa: ASYNC110 - a stop costs this, not each call
        service.in_flight or (server.connections and clock() < start + FAREWELL_SECONDS)
    ):
        await asyncio.sleep(0.01)
    await runner.cleanup()


def _allow_open_files(connections: int) -> None:
    """Raise the soft limit on open files, often 1,024, to what the connections need."""
    wanted = connections + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            log.warning("fewer open files than MAX_CONNECTIONS needs", allowed=allowed)


def _reload(service: Service) -> None:
    with contextlib.suppress(ConfigurationError):  # it has been logged and counted
        service.reload()
