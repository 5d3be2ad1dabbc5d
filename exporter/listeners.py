"""The two listeners: sockets, TLS, and an end that leaves no call without an answer."""

import asyncio
import ctypes
import resource
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from aiohttp import web

from exporter import tls
from exporter.admin.app import make_admin_app
from exporter.errors import ConfigurationError
from exporter.runtime import Service
from exporter.webhooks.connections import HEAD_SECONDS, IDLE_SECONDS, LINGER_SECONDS
from exporter.webhooks.handler import make_ingest_server

DRAIN_SECONDS = 7.0
"""How long calls that are under way may take to end after SIGTERM."""

FAREWELL_SECONDS = 1.0
"""How long a connection between two calls is kept open after SIGTERM."""

BACKLOG = 1024

SPARE_FILES = 100
"""Open files that are no connections of the public listener."""

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
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}") from error


@asynccontextmanager
async def ingest_listener(service: Service, public: socket.socket) -> AsyncIterator[None]:
    """Take webhook calls on a socket; at the end give each connection an answer before it goes.

    Calls that are under way are finished. Connections between two calls stay for a moment, since
    a call may be on its way already: it gets a 503 and the connection's end.
    """
    connections = allow_connections(service.settings.max_connections)
    server = make_ingest_server(service, connections)
    context = _tls(service)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        server,
        sock=public,
        backlog=BACKLOG,
        ssl=context,
        ssl_handshake_timeout=HEAD_SECONDS if context else None,
        ssl_shutdown_timeout=LINGER_SECONDS if context else None,
    )
    try:
        yield
    finally:
        service.draining = True
        patience = FAREWELL_SECONDS if context else None
        adopted = (
            loop.connect_accepted_socket(
                server, connection, ssl=context, ssl_handshake_timeout=patience
            )
            for connection in await _stop_listening(public, listening)
        )
        await asyncio.gather(*adopted, return_exceptions=True)  # some may be gone by now
        start = loop.time()
        while loop.time() < start + DRAIN_SECONDS and (  # noqa: ASYNC110 - only a stop waits here
            service.in_flight or (server.connections and loop.time() < start + FAREWELL_SECONDS)
        ):
            await asyncio.sleep(0.01)
        service.bodies.hurry()
        await server.close(1)


async def _stop_listening(
    listener: socket.socket, listening: asyncio.AbstractServer
) -> list[socket.socket]:
    """Close a listening socket; return the connections that nobody has accepted yet.

    The kernel would reset them, though their calls may have been sent already.
    """
    with listener.dup() as last:
        _admit_no_more(last)
        await asyncio.sleep(0.05)
        listening.close()
        listener.close()
        last.setblocking(False)
        waiting = []
        with suppress(BlockingIOError):
            while True:
                waiting.append(last.accept()[0])
    return waiting


_SO_ATTACH_FILTER = 26  # asm-generic/socket.h; Python has no name for it


def _admit_no_more(listener: socket.socket) -> None:
    """Have the kernel take no further connection; those that it has begun come through.

    `listen(0)` still lets in one at a time. So on Linux a BPF program, which sees the TCP header,
    drops SYN without ACK: the client's kernel tries again a second later, and is refused then, or
    reaches another exporter.
    """
    listener.listen(0)
    steps = (
        (0x30, 0, 0, 13),  # load the byte of flags
        (0x54, 0, 0, 0x12),  # keep SYN and ACK
        (0x15, 0, 1, 0x02),  # SYN alone?
        (0x06, 0, 0, 0),  # drop
        (0x06, 0, 0, 0xFFFFFFFF),  # pass
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HP", len(steps), ctypes.addressof(code))
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may not allow it
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


@asynccontextmanager
async def admin_listener(service: Service, private: socket.socket) -> AsyncIterator[None]:
    """Answer scrapers and people on a socket."""
    runner = web.AppRunner(
        make_admin_app(service), access_log=None, shutdown_timeout=1, keepalive_timeout=IDLE_SECONDS
    )
    await runner.setup()
    await web.SockSite(runner, private, ssl_context=_tls(service), backlog=BACKLOG).start()
    try:
        yield
    finally:
        await runner.cleanup()


def _tls(service: Service) -> ssl.SSLContext | None:
    first = service.configuration.tls
    return tls.follow(first, lambda: service.configuration.tls) if first else None


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
