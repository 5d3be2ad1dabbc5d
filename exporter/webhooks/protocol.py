"""Connections of the public listener: counted and limited; malformed input is never echoed."""

import asyncio
import logging
from typing import cast

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD

from exporter.errors import UNROUTED
from exporter.webhooks.edge import Edge
from exporter.webhooks.malformed import malformed_request
from exporter.webhooks.responses import refuse

_PIPELINE_SECONDS = 1.0
"""Time for pipelined requests that have arrived; what then remains is unfinished."""


class Connection(web.RequestHandler):
    """A counted connection that responds to malformed requests with JSON.

    aiohttp would echo the malformed bytes as text, and log them with a traceback. It has no limit
    on all headers of a request together, which it keeps until they are complete.
    """

    __slots__ = ("_content", "_edge", "_received")

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
        self._content = EMPTY_PAYLOAD
        """The body of the last request, which may still arrive after its response."""
        self._received = 0
        """Bytes since the last request, with its body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, and enforce the limit."""
        super().connection_made(transport)
        self._edge.connections.opened(self, cast("asyncio.Transport", transport))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop counting the connection."""
        self._edge.connections.closed(self)
        super().connection_lost(exc)
        self._content = EMPTY_PAYLOAD  # break the reference cycle

    def data_received(self, data: bytes) -> None:
        """Parse data, and refuse a request whose headers are too large together."""
        super().data_received(data)
        self._received += len(data)
        if self._has_too_large_headers():
            self._received = 0
            super().data_received(_MALFORMED)  # aiohttp responds, and closes the connection

    def check(self, request: web.BaseRequest) -> None:
        """Raise RequestError if the headers of a request are too large together."""
        earlier, body = self._content.total_bytes, request.content.total_bytes
        limit = self._edge.limits.max_head_bytes
        # Pipelined requests are no headers of this one.
        if self._received - earlier - body > limit and _head_bytes(request) > limit:
            raise malformed_request()

    def responded(self, request: web.BaseRequest) -> None:
        """Forget the bytes of a request; what remains is pipelined."""
        self._received -= self._content.total_bytes
        self._content = content = request.content
        if self._received - content.total_bytes <= self._edge.limits.max_head_bytes:
            self._received = content.total_bytes
        else:
            self._received -= _head_bytes(request)
            asyncio.get_running_loop().call_later(_PIPELINE_SECONDS, self._close_if_unfinished)

    def _has_too_large_headers(self) -> bool:
        size = self._received - self._content.total_bytes
        waiter = self._waiter  # aiohttp waits on it until headers are complete
        return size > self._edge.limits.max_head_bytes and waiter is not None and not waiter.done()

    def _close_if_unfinished(self) -> None:
        if self._has_too_large_headers():
            self._edge.connections.abort(self)

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


def _head_bytes(request: web.BaseRequest) -> int:
    """Return the size of a request line and headers, without extra blanks."""
    line = len(f"{request.method} {request.raw_path} HTTP/1.1\r\n")
    return line + sum(len(name) + len(value) + 4 for name, value in request.raw_headers) + 2


def _without_contents(record: logging.LogRecord) -> bool:
    """Reduce a log record to the type of its exception; message and traceback may quote input."""
    kind = record.exc_info[0] if record.exc_info else None
    if kind and issubclass(kind, (OSError, web.RequestPayloadError)):
        return False  # caused by the client, and counted in metrics
    record.msg, record.args = "a connection failed: %s", (kind.__name__ if kind else record.msg,)
    record.exc_info = record.exc_text = None
    return True


_MALFORMED = b"\x01\r\n\r\n"
"""No valid continuation of any headers."""

_LOGGER = logging.getLogger("exporter.webhooks.connection")
_LOGGER.addFilter(_without_contents)
