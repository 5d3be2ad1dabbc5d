"""Start both listeners, be ready, stop."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import structlog

from exporter.configuration.settings import Settings
from exporter.errors import ConfigurationError
from exporter.runtime.runtime import Runtime
from exporter.runtime.watch import watching
from exporter.server import systemd
from exporter.server.announcement import log_start
from exporter.server.listeners import admin_listener, bind, ingest_listener
from exporter.server.preflight import preflight
from exporter.webhooks.limits import Limits

log = structlog.get_logger()


class Ports(NamedTuple):
    """Where the listeners really are, if a setting was 0."""

    ingest: int
    admin: int
    ingest_scheme: str
    admin_scheme: str

    @property
    def ingest_url(self) -> str:
        """The public listener, from this host."""
        return f"{self.ingest_scheme}://127.0.0.1:{self.ingest}"

    @property
    def admin_url(self) -> str:
        """The private listener, from this host."""
        return f"{self.admin_scheme}://127.0.0.1:{self.admin}"


async def serve(settings: Settings) -> None:
    """Run an exporter until SIGTERM or SIGINT; SIGHUP reloads.

    Raises ConfigurationError before anything listens, or if an address is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as (runtime, _ports):
        _look_around(settings)
        loop.add_signal_handler(signal.SIGHUP, _reload, runtime)
        async with systemd.serving(), watching(runtime):
            await stop.wait()
        log.info("stopping")


@contextlib.asynccontextmanager
async def running(
    settings: Settings, limits: Limits | None = None
) -> AsyncIterator[tuple[Runtime, Ports]]:
    """Run an exporter inside the block; at its end finish what was begun, commit, close."""
    runtime = Runtime.load(settings)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(log.info, "stopped")
        public = stack.enter_context(
            bind(settings.ingest_host, settings.ingest_port, reuse_port=settings.reuse_port)
        )
        private = stack.enter_context(bind(settings.admin_host, settings.admin_port))
        stack.push_async_callback(runtime.ledger.close)
        await runtime.ledger.start()
        runtime.ingest_port, runtime.admin_port = (
            listener.getsockname()[1] for listener in (public, private)
        )
        await stack.enter_async_context(admin_listener(runtime, private))
        await stack.enter_async_context(ingest_listener(runtime, public, limits))
        ports = Ports(
            runtime.ingest_port,
            runtime.admin_port,
            "https" if settings.ingest_tls else "http",
            "https" if settings.admin_tls else "http",
        )
        log_start(
            settings, runtime.snapshot.gateways, ingest_port=ports.ingest, admin_port=ports.admin
        )
        yield runtime, ports


def _look_around(settings: Settings) -> None:
    """Warn of what is wrong with this machine, or will be."""
    ledger = None if settings.ledger_url else settings.ledger_path
    for finding in preflight(ledger=ledger, record=settings.record, now=time.time()):
        log.warning(finding.problem, action=finding.action)


def _reload(runtime: Runtime) -> None:
    # A refusal has been logged and counted.
    with systemd.reloading(), contextlib.suppress(ConfigurationError):
        runtime.reload()
