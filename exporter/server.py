"""Start both listeners, be ready, drain, stop."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import structlog
from aiohttp import web

from exporter import tls
from exporter.admin import make_admin_app
from exporter.connections import IDLE_SECONDS
from exporter.errors import ConfigurationError
from exporter.ingest import make_ingest_server
from exporter.service import VERSION, Service
from exporter.settings import Settings

DRAIN_SECONDS = 8.0
"""How long calls that are under way may take to end after SIGTERM."""

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
    service = Service.load(settings)
    await service.ledger.start()
    ingest = web.ServerRunner(make_ingest_server(service), shutdown_timeout=DRAIN_SECONDS)
    admin = web.AppRunner(
        make_admin_app(service), access_log=None, shutdown_timeout=1, keepalive_timeout=IDLE_SECONDS
    )
    try:
        ports = Ports(
            await _listen(ingest, service, settings.ingest_host, settings.ingest_port,
                          reuse_port=settings.reuse_port),
            await _listen(admin, service, settings.admin_host, settings.admin_port),
            "https" if settings.tls_cert_file else "http",
        )  # fmt: skip
        log.info("listening", version=VERSION, ingest=ports.ingest, admin=ports.admin)
        yield service, ports
    finally:
        service.draining = True
        await _finish(ingest, lambda: service.in_flight == 0)
        await service.ledger.close()
        await admin.cleanup()
        log.info("stopped")


async def _listen(
    runner: web.BaseRunner, service: Service, host: str, port: int, *, reuse_port: bool = False
) -> int:
    context = service.configuration.tls
    if context:
        context = tls.follow(context, lambda: service.configuration.tls)
    await runner.setup()
    site = web.TCPSite(
        runner, host, port, ssl_context=context, backlog=1024, reuse_port=reuse_port or None
    )
    try:
        await site.start()
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    address = runner.addresses[0]
    return int(address[1])


async def _finish(runner: web.BaseRunner, idle: Callable[[], bool]) -> None:
    """Stop listening, and let the calls that are under way end.

    aiohttp's own clean-up drops what still arrives, and so the rest of a body: it comes last.
    """
    for site in list(runner.sites):
        await site.stop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while not idle():  # noqa: ASYNC110 - an event would cost each call, this costs a stop
                await asyncio.sleep(0.01)
    await runner.cleanup()


def _reload(service: Service) -> None:
    with contextlib.suppress(ConfigurationError):  # it has been logged and counted
        service.reload()
