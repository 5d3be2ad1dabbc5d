"""aiohttp's connection, as the public internet needs it: counted, and discreet about bad input."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import cast

from aiohttp import web

from exporter.errors import Reason, RequestError
from exporter.webhooks.limits import Connections, Limits
from exporter.webhooks.responses import refuse


class Connection(web.RequestHandler):
    """A connection that is counted, and whose malformed requests get the contract's response.

    aiohttp would send the offending bytes back as text, and log them with a traceback.
    """

    __slots__ = ("_connections", "_on_malformed")

    def __init__(
        self,
        server: web.Server,
        limits: Limits,
        connections: Connections,
        on_malformed: Callable[[], None],
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # its own way to switch the log off
            auto_decompress=False,  # signatures are made over what was sent
            keepalive_timeout=limits.idle_seconds,
            lingering_time=limits.linger_seconds,
            logger=_LOGGER,
            max_field_size=limits.max_header_bytes,
            max_headers=limits.max_headers,
            max_line_size=limits.max_header_bytes,
        )
        self._connections = connections
        self._on_malformed = on_malformed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection; it may be one too many."""
        super().connection_made(transport)
        self._connections.opened(self, cast("asyncio.Transport", transport))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._connections.closed(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond to what is not HTTP; nothing of it gets into the response or the log."""
        del request, status, exc, message
        self._on_malformed()
        detail = "This is not well-formed HTTP/1.1, or its headers are too large or too many."
        return refuse(RequestError(Reason.MALFORMED_REQUEST, detail))


def make_protocol_factory(
    server: web.Server,
    limits: Limits,
    connections: Connections,
    on_malformed: Callable[[], None],
) -> Callable[[], asyncio.Protocol]:
    """Return what makes a connection of each client, for `loop.create_server`."""
    return partial(Connection, server, limits, connections, on_malformed)


def _without_contents(record: logging.LogRecord) -> bool:
    """Name what went wrong in a connection, but not by a message or a traceback that quotes it."""
    kind = record.exc_info[0] if record.exc_info else None
    if kind and issubclass(kind, (OSError, web.RequestPayloadError)):
        return False  # the client's doing, and counted
    record.msg, record.args = "a connection failed: %s", (kind.__name__ if kind else record.msg,)
    record.exc_info = record.exc_text = None
    return True


_LOGGER = logging.getLogger("exporter.webhooks.connection")
_LOGGER.addFilter(_without_contents)
