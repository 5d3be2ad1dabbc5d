"""The two listeners: sockets, TLS, and a graceful shutdown."""

import asyncio
import errno
import os
import resource
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import structlog
from aiohttp import web

from exporter.admin.app import make_admin_app
from exporter.admin.protocol import AdminConnection, AdminConnections
from exporter.configuration import tls
from exporter.errors import ListenError
from exporter.runtime.current import Current
from exporter.runtime.hub import Hub
from exporter.runtime.service import Service
from exporter.server.handshakes import TlsListener
from exporter.webhooks.app import make_server
from exporter.webhooks.edge import Edge
from exporter.webhooks.limits import Limits
from exporter.webhooks.protocol import Connection

BACKLOG = 1024

SPARE_FILES = 100
"""Number of open files that are not connections of the public listener."""

log = structlog.get_logger()


def bind(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Bind an address; ListenError if it cannot be bound."""
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
        # `create_server` repeats the address in its message; an unknown host has no errno.
        has_number = error.errno is not None and error.errno > 0
        problem = os.strerror(error.errno or 0) if has_number else str(error.strerror)
        if error.errno == errno.EADDRINUSE:
            problem += f"; find the process: ss -ltnp 'sport = :{port}'"
        raise ListenError(f"cannot listen on {host}:{port}: {problem}") from error


@asynccontextmanager
async def ingest_listener(
    current: Current, hub: Hub, service: Service, public: socket.socket, limits: Limits
) -> AsyncIterator[None]:
    """Accept requests on a socket; on exit finish the requests in flight, then close.

    Connections in the kernel's queue are then reset, unless systemd holds the socket for the next
    process. Their requests were not acknowledged, so senders retry them.
    """
    edge = Edge(current, hub, service, limits)
    hub.metrics.webhooks.in_flight.set_function(lambda: edge.in_flight)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # accepted sockets inherit it
        milliseconds = round(limits.unread_seconds * 1000)
        public.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    server = make_server(edge)
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    try:
        listening = await _listen(
            public,
            partial(Connection, server, edge),
            lambda: current.snapshot.ingest_tls,
            limits,
            edge.connections.has_room,
        )
        try:
            yield
        finally:
            service.draining = True
            listening.close()
            await _drain(edge, server)
    finally:
        edge.close()
        await runner.cleanup()


async def _drain(edge: Edge, server: web.Server) -> None:
    """Serve new requests on open connections for the grace period, then wait for those in flight.

    So requests that were sent on an accepted connection are not lost, even if the sender does not
    retry.
    """
    limits = edge.limits
    grace = min(limits.grace_seconds, limits.drain_seconds)
    await _wait_until(lambda: not (edge.in_flight or server.connections), grace)
    edge.service.refusing = True
    await _wait_until(lambda: not edge.in_flight, limits.drain_seconds - grace)


async def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end and not condition():  # noqa: ASYNC110 - used only while stopping
        await asyncio.sleep(0.01)


@asynccontextmanager
async def admin_listener(
    current: Current, hub: Hub, service: Service, private: socket.socket, limits: Limits
) -> AsyncIterator[None]:
    """Serve scrapers and people on a socket."""
    runner = web.AppRunner(make_admin_app(current, hub, service), shutdown_timeout=1)
    await runner.setup()
    server = cast("web.Server", runner.server)  # it has been set up
    connections = AdminConnections()
    connection = partial(AdminConnection, server, connections)
    listening = await _listen(
        private, connection, lambda: current.snapshot.admin_tls, limits, connections.has_room
    )
    try:
        yield
    finally:
        listening.close()
        await runner.cleanup()


async def _listen(
    bound: socket.socket,
    connection: Callable[[], asyncio.Protocol],
    get_tls: Callable[[], tls.Tls | None],
    limits: Limits,
    has_room: Callable[[int], bool],
) -> asyncio.Server | TlsListener:
    """Accept connections on a bound socket, over TLS if there is a certificate."""
    first = get_tls()
    if not first:
        loop = asyncio.get_running_loop()
        return await loop.create_server(connection, sock=bound, backlog=BACKLOG)
    return TlsListener(
        bound,
        connection,
        tls.reloadable_context(first.context, lambda: (get_tls() or first).context),
        handshake_seconds=limits.handshake_seconds,
        shutdown_seconds=limits.linger_seconds,
        has_room=has_room,
    )


def allow_connections(wanted: int) -> int:
    """Raise the soft limit on open files, often 1,024; return the allowed number of connections."""
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
