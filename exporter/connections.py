"""Connections of the public listener: how many, how long they may idle, what bad HTTP gets."""

import asyncio
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from aiohttp import web

IDLE_SECONDS = 60.0
"""How long a connection may wait between two calls."""

HEAD_SECONDS = 10.0
"""How long a new connection may take to send the head of a call."""

LINGER_SECONDS = 2.0
"""How long the rest of a refused body is read, so that the answer gets through."""

UNREAD_MILLISECONDS = 10_000
"""How long an answer may stay unread."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Error = Callable[[int], web.StreamResponse]


class IngestServer(web.Server):
    """Sends each call to the handler of its path, and keeps connections within bounds."""

    def __init__(
        self,
        routes: Mapping[str, Handler],
        *,
        not_found: Handler,
        malformed: Error,
        max_connections: int,
    ) -> None:
        super().__init__(self._dispatch)
        self.malformed = malformed
        self._routes = routes
        self._not_found = not_found
        self._max_connections = max_connections
        # Both in the order of waiting, so that the one that waits longest is found at once.
        self.uncalled: dict[Connection, None] = {}
        """Connections on which no call has arrived yet."""
        self.waiting: dict[Connection, None] = {}
        """Connections between two calls."""

    def __call__(self) -> asyncio.Protocol:  # type: ignore[override]
        """Make the protocol of a new connection; at the bound an idle one has to go for it."""
        if len(self._connections) >= self._max_connections:
            victim = next(iter(self.uncalled or self.waiting), None)
            if victim is None:
                return _Refused()
            victim.end()
        return Connection(self)

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("Connection", request.protocol)
        self.forget(connection)
        try:
            return await self._routes.get(request.path, self._not_found)(request)
        finally:
            if connection.transport:  # else the client has gone meanwhile
                self.waiting[connection] = None

    def forget(self, connection: "Connection") -> None:
        """Note that a connection is idle no more, or gone."""
        self.uncalled.pop(connection, None)
        self.waiting.pop(connection, None)


class Connection(web.RequestHandler):
    """One client's connection."""

    __slots__ = ("_head_timer", "_server")

    def __init__(self, server: IngestServer) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,  # a small gzip can hold gigabytes
            logger=logging.getLogger("exporter.http"),
        )
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock for the head of the first call."""
        super().connection_made(transport)
        _hang_up_on_those_who_do_not_read(transport)
        self._server.uncalled[self] = None
        loop = asyncio.get_running_loop()
        self._head_timer = loop.call_later(HEAD_SECONDS, self._end_uncalled)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the clock."""
        self._head_timer.cancel()
        self._server.forget(self)
        super().connection_lost(exc)

    def end(self) -> None:
        """Hang up at once."""
        self._server.forget(self)
        if self.transport is not None:
            self.transport.abort()  # `close` would wait until the client has read its answers
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP; no log line and no echo, for it may hold a credential."""
        del request, exc, message
        return self._server.malformed(status)

    def _end_uncalled(self) -> None:
        if self in self._server.uncalled:
            self.end()


def _hang_up_on_those_who_do_not_read(transport: asyncio.BaseTransport) -> None:
    """Let the kernel end a connection whose answers stay unread; neither aiohttp nor asyncio do."""
    if sys.platform == "linux":
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)


class _Refused(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
