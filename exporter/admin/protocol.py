"""The connections of the private listener: bounded, neither echoing nor logging malformed input."""

import asyncio
from typing import cast

from aiohttp import hdrs, web

from exporter.admin.responses import SERVER

KEEPALIVE_SECONDS = 60

MAX_CONNECTIONS = 64
"""Maximum number of open connections; leaves file descriptors for the public listener."""

_MIN_HANDSHAKES = 8


class AdminConnections:
    """The open connections, least recently active first."""

    def __init__(self) -> None:
        self._open: dict[AdminConnection, asyncio.Transport] = {}

    def has_room(self, handshakes: int) -> bool:
        """Whether a number of TLS handshakes is within the limit, or small."""
        return handshakes <= max(_MIN_HANDSHAKES, MAX_CONNECTIONS - len(self._open))

    def opened(self, connection: "AdminConnection", transport: asyncio.Transport) -> None:
        """Add a connection; at the limit close the least recently active one."""
        if len(self._open) >= MAX_CONNECTIONS:
            silent, oldest = next(iter(self._open.items()))
            del self._open[silent]
            silent.force_close()
            oldest.abort()
        self._open[connection] = transport

    def heard(self, connection: "AdminConnection") -> None:
        """Mark a connection as active."""
        if transport := self._open.pop(connection, None):
            self._open[connection] = transport

    def closed(self, connection: "AdminConnection") -> None:
        """Remove a connection."""
        self._open.pop(connection, None)


class AdminConnection(web.RequestHandler):
    """A connection to the private listener.

    aiohttp would log and echo a malformed request with a traceback, passwords included.
    """

    __slots__ = ("_connections",)

    def __init__(self, server: web.Server, connections: AdminConnections) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # aiohttp's way to disable the log
            keepalive_timeout=KEEPALIVE_SECONDS,
        )
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection."""
        super().connection_made(transport)
        self._connections.opened(self, cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        """Mark the connection as active."""
        self._connections.heard(self)
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Deregister the connection."""
        self._connections.closed(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond to malformed input without echoing it; internal errors are logged as usual."""
        if status >= web.HTTPInternalServerError.status_code:
            response = super().handle_error(request, status, exc, message)
        else:
            response = web.Response(
                status=status, text="The request is not well-formed HTTP/1.1.\n"
            )
        response.headers[hdrs.SERVER] = SERVER
        response.force_close()
        return response
