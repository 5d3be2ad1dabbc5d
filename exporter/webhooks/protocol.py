"""Connections of the public listener: counted and limited; malformed input is never echoed."""

import asyncio
import logging
from typing import cast

from aiohttp import web

from exporter.errors import UNROUTED
from exporter.webhooks.edge import Edge
from exporter.webhooks.malformed import malformed_request
from exporter.webhooks.responses import refuse


class Connection(web.RequestHandler):
    """A counted connection that responds to malformed requests with JSON.

    aiohttp would echo the malformed bytes as text, and log them with a traceback.
    """

    __slots__ = ("_edge",)

    def __init__(self, server: web.Server, edge: Edge) -> None:
        limits = edge.limits
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # disables the access log
            auto_decompress=False,  # signatures cover the bytes as sent
            keepalive_timeout=limits.idle_seconds,
            lingering_time=limits.linger_seconds,
            logger=_LOGGER,
            max_field_size=limits.max_header_bytes,
            max_headers=limits.max_headers,
            max_line_size=limits.max_header_bytes,
        )
        self._edge = edge

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, and enforce the limit."""
        super().connection_made(transport)
        self._edge.connections.opened(self, cast("asyncio.Transport", transport))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop counting the connection."""
        self._edge.connections.closed(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond to a malformed request, without quoting it in the response or the log."""
        del request, status, exc
        error = malformed_request(message)
        self._edge.hub.finished(UNROUTED, error.reason, 0)
        self._edge.refusals.add(UNROUTED, error)
        return refuse(error)


def _without_contents(record: logging.LogRecord) -> bool:
    """Reduce a log record to the type of its exception; message and traceback may quote input."""
    kind = record.exc_info[0] if record.exc_info else None
    if kind and issubclass(kind, (OSError, web.RequestPayloadError)):
        return False  # caused by the client, and counted in metrics
    record.msg, record.args = "a connection failed: %s", (kind.__name__ if kind else record.msg,)
    record.exc_info = record.exc_text = None
    return True


_LOGGER = logging.getLogger("exporter.webhooks.connection")
_LOGGER.addFilter(_without_contents)
