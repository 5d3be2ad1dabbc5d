"""Runs an exporter: bind, load, listen, report readiness, stop."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import NamedTuple

import structlog

from exporter.configuration.settings import Settings
from exporter.errors import ConfigurationError
from exporter.runtime.current import Current
from exporter.runtime.hub import Hub
from exporter.runtime.service import Service
from exporter.runtime.watch import watching
from exporter.server import systemd
from exporter.server.announcement import log_start
from exporter.server.listeners import admin_listener, allow_connections, bind, ingest_listener
from exporter.server.preflight import preflight
from exporter.webhooks.limits import Limits

log = structlog.get_logger()


class Running(NamedTuple):
    """A running exporter."""

    current: Current
    hub: Hub
    service: Service

    @property
    def ingest_url(self) -> str:
        """The URL of the public listener on this host."""
        scheme = "https" if self.current.settings.ingest_tls else "http"
        return f"{scheme}://127.0.0.1:{self.service.ingest_port}"

    @property
    def admin_url(self) -> str:
        """The URL of the private listener on this host."""
        scheme = "https" if self.current.settings.admin_tls else "http"
        return f"{scheme}://127.0.0.1:{self.service.admin_port}"


async def serve(settings: Settings) -> None:
    """Run an exporter until SIGTERM or SIGINT; SIGHUP reloads.

    Raises ConfigurationError for unusable settings or files, ListenError if an address cannot be
    bound.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as exporter:
        _log_preflight(settings)
        loop.add_signal_handler(signal.SIGHUP, _reload, exporter.current)
        async with systemd.serving(), watching(exporter.current):
            await stop.wait()
        log.info("stopping")


@contextlib.asynccontextmanager
async def running(settings: Settings, limits: Limits | None = None) -> AsyncIterator[Running]:
    """Run an exporter within the context; on exit finish requests in flight, commit and close."""
    current = Current(settings)
    hub = Hub(settings, current)
    limits = limits or Limits.of(settings)
    limits = replace(limits, max_connections=allow_connections(limits.max_connections))
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(log.info, "stopped")
        public = stack.enter_context(
            systemd.inherited("ingest")
            or bind(settings.ingest_host, settings.ingest_port, reuse_port=settings.reuse_port)
        )
        private = stack.enter_context(
            systemd.inherited("admin") or bind(settings.admin_host, settings.admin_port)
        )
        ingest_port, admin_port = (bound.getsockname()[1] for bound in (public, private))
        service = Service(hub, ingest_port=ingest_port, admin_port=admin_port)
        stack.push_async_callback(hub.close)
        await hub.start()
        await stack.enter_async_context(admin_listener(current, hub, service, private, limits))
        if hub.ledger.shared:
            stack.push_async_callback(service.scrapes.one_more)
        await stack.enter_async_context(ingest_listener(current, hub, service, public, limits))
        gateways = current.snapshot.gateways
        log_start(settings, gateways, ingest_port=ingest_port, admin_port=admin_port)
        yield Running(current, hub, service)


def _log_preflight(settings: Settings) -> None:
    """Log the problems found by the preflight checks."""
    ledger = None if settings.ledger_url else settings.ledger_path
    for failed in preflight(ledger=ledger, record=settings.record, now=time.time()):
        log.warning(failed.problem, action=failed.action)


def _reload(current: Current) -> None:
    # `reload` logs a failure, and a metric reports it.
    with systemd.reloading(), contextlib.suppress(ConfigurationError):
        current.reload()
