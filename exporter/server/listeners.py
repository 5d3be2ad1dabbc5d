"""The two listeners: sockets, TLS, and a graceful shutdown."""

import asyncio
import errno
import os
import resource
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import cast

import structlog
from aiohttp import web

from exporter.admin.app import make_admin_app
from exporter.admin.protocol import AdminConnection
from exporter.configuration import tls
from exporter.errors import ConfigurationError, Reason
from exporter.runtime.runtime import Runtime
from exporter.webhooks.app import ingest_server
from exporter.webhooks.limits import Limits
from exporter.webhooks.protocol import make_protocol_factory

BACKLOG = 1024

SPARE_FILES = 100
"""Open files that are not connections of the public listener."""

log = structlog.get_logger()


def bind(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Take an address; ConfigurationError names one that cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(
            address[:2],
            family=family,
            backlog=BACKLOG,
            reuse_port=reuse_port,
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        # The text of `create_server` repeats the address; a name that is not found has no errno.
        has_number = error.errno is not None and error.errno > 0
        problem = os.strerror(error.errno or 0) if has_number else str(error.strerror)
        if error.errno == errno.EADDRINUSE:
            problem += f"; find the process: ss -ltnp 'sport = :{port}'"
        raise ConfigurationError(f"cannot listen on {host}:{port}: {problem}") from error


@asynccontextmanager
async def ingest_listener(
    runtime: Runtime, public: socket.socket, limits: Limits | None = None
) -> AsyncIterator[None]:
    """Take requests on a socket; at the end finish those in flight, then close.

    A connection that the kernel has taken but this process has not is reset then; nothing of its
    request was acknowledged, so a sender sends again.
    """
    limits = limits or Limits.of(runtime.settings)
    limits = replace(limits, max_connections=allow_connections(limits.max_connections))
    context = _tls(lambda: runtime.snapshot.ingest_tls)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # accepted sockets inherit it
        milliseconds = round(limits.unread_seconds * 1000)
        public.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    async with ingest_server(runtime, limits) as (server, connections):
        listening = await asyncio.get_running_loop().create_server(
            make_protocol_factory(
                server,
                limits,
                connections,
                runtime.metrics.webhooks.unrouted[Reason.MALFORMED_REQUEST].inc,
            ),
            sock=public,
            backlog=BACKLOG,
            ssl=context,
            ssl_handshake_timeout=limits.handshake_seconds if context else None,
            ssl_shutdown_timeout=limits.linger_seconds if context else None,
        )
        try:
            yield
        finally:
            runtime.draining = True
            listening.close()
            await _drain(runtime, server, limits)


async def _drain(runtime: Runtime, server: web.Server, limits: Limits) -> None:
    """Wait for the requests in flight, and at first for those on their way on kept connections."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while loop.time() < start + limits.drain_seconds and (  # noqa: ASYNC110 - only a stop waits
        runtime.in_flight or (server.connections and loop.time() < start + limits.grace_seconds)
    ):
        await asyncio.sleep(0.01)


@asynccontextmanager
async def admin_listener(runtime: Runtime, private: socket.socket) -> AsyncIterator[None]:
    """Serve scrapers and people on a socket."""
    runner = web.AppRunner(make_admin_app(runtime), shutdown_timeout=1)
    await runner.setup()
    loop = asyncio.get_running_loop()
    connection = partial(
        AdminConnection,
        cast("web.Server", runner.server),  # it has been set up
        loop=loop,
        access_log=None,  # type: ignore[arg-type] # its own way to switch the log off
        keepalive_timeout=60,
    )
    listening = await loop.create_server(
        connection, sock=private, backlog=BACKLOG, ssl=_tls(lambda: runtime.snapshot.admin_tls)
    )
    try:
        yield
    finally:
        listening.close()
        await runner.cleanup()


def _tls(current: Callable[[], tls.Tls | None]) -> ssl.SSLContext | None:
    first = current()
    if first is None:
        return None
    return tls.reloadable_context(first.context, lambda: (current() or first).context)


def allow_connections(wanted: int) -> int:
    """Raise the soft limit on open files, often 1,024; return how many connections it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (
        limit if limit != resource.RLIM_INFINITY else sys.maxsize for limit in (soft, hard)
    )
    needed = wanted + SPARE_FILES
    if soft < needed:
        soft = min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard if hard < sys.maxsize else -1))
    if soft < needed:
        log.warning("the limit on open files allows fewer connections", open_files=soft)
    return max(1, min(wanted, soft - SPARE_FILES))
