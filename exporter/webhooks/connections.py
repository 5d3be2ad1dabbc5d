"""Connections of the public listener: HTTP/1.1 in, requests to their handlers, answers out."""

import asyncio
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import cast

import structlog
from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from exporter.errors import RequestError
from exporter.reasons import Reason
from exporter.webhooks.bodies import Bodies
from exporter.webhooks.request import Fields, Handler, Request, write_head
from exporter.webhooks.responses import Answer
from exporter.webhooks.waiting import WaitingLine

IDLE_SECONDS = 60.0
"""How long a connection may take from an answer to the end of the next head."""

HEAD_SECONDS = 10.0
"""How long a new connection may take to send the head of a request."""

LINGER_SECONDS = 2.0
"""How long a connection lasts after its last answer, so that the answer gets through."""

UNREAD_MILLISECONDS = 10_000
"""How long an answer may stay unread."""

MAX_HEAD_BYTES = 16 * 1024
"""Bytes of a head, or of anything else that is not a body."""

MAX_FIELDS = 100
"""Fields of a head."""

MAX_UNANSWERED = 16
"""With more requests under way than this, no more is read from a connection."""

log = structlog.get_logger()


class IngestServer:
    """Makes a connection of each client, and keeps all of them within bounds.

    With TLS a client counts from the end of its handshake, which may take HEAD_SECONDS.
    """

    def __init__(
        self,
        routes: Mapping[str, Handler],
        *,
        not_found: Callable[[Request], None],
        malformed: Callable[[], Answer],
        bodies: Bodies,
        max_connections: int,
    ) -> None:
        self.routes = routes
        self.not_found = not_found
        self.malformed = malformed
        self.bodies = bodies
        self.connections: set[Connection] = set()
        self.uncalled = WaitingLine(HEAD_SECONDS, Connection.end)
        """Connections on which no request has arrived yet."""
        self.idle = WaitingLine(IDLE_SECONDS, Connection.end)
        """Connections between two requests."""
        self.lingering = WaitingLine(LINGER_SECONDS, Connection.end)
        """Connections that have had their last answer, or whose next body is of no interest."""
        self._max_connections = max_connections

    def __call__(self) -> asyncio.Protocol:
        """Make the protocol of a new connection."""
        return Connection(self)

    def make_room(self) -> bool:
        """Whether one more connection may stay; at the bound an idle one has to go for it."""
        if len(self.connections) < self._max_connections:
            return True
        victim = self.uncalled.first() or self.lingering.first() or self.idle.first()
        if victim:
            victim.end()
        return victim is not None

    async def close(self, seconds: float) -> None:
        """Hang up on everyone: in good order, or after so many seconds at once."""
        for connection in list(self.connections):
            connection.close()
        loop = asyncio.get_running_loop()
        patience = loop.time() + seconds
        while self.connections and loop.time() < patience:  # noqa: ASYNC110 - only a stop waits here
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.end()


class Connection(asyncio.Protocol):
    """One client's connection; a parser in C calls its `on_` methods."""

    def __init__(self, server: IngestServer) -> None:
        self._server = server
        self._parser = HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._line: WaitingLine[Connection] | None = None
        self._target = b""
        self._fields: Fields = []
        """Of the head that is arriving."""
        self._request: Request | None = None
        """The request whose body is arriving."""
        self._unanswered: deque[Request] = deque()
        """The requests that have begun, in the order in which they get their answers."""
        self._unfinished = 0
        """Bytes that have arrived since the last head or piece of a body was complete."""
        self._deaf = False
        """Whether what arrives is of no interest any more."""
        self._blocked = False
        """Whether the client has more to read than it does."""
        self._reading = True
        self._eof = False
        """Whether the client has said that it sends no more."""
        self._lost = False

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock for the head of the first request."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.make_room():
            self.end()
            return
        _hang_up_on_those_who_do_not_read(self._transport)
        self._server.connections.add(self)
        self._wait_in(self._server.uncalled)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, and answer the requests in it."""
        # In pieces, so that a head is looked at before it has grown large.
        for start in range(0, len(data), MAX_HEAD_BYTES):
            if self._deaf:
                return
            self._parse(data[start : start + MAX_HEAD_BYTES])
        request = self._request
        if request and request.reply is None:
            self._server.bodies.wait_for(request)
        self._regulate()

    def eof_received(self) -> bool:
        """Note that the client sends no more; return whether it still has answers to get."""
        self._deaf = self._eof = True
        self._give_up()
        encrypted = self._transport.get_extra_info("sslcontext")  # TLS has no half-open state
        return bool(self._unanswered) and not encrypted

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks; what has arrived whole is counted all the same."""
        del exc
        self._deaf = self._lost = True
        self._wait_in(None)
        self._server.connections.discard(self)
        self._give_up()
        del self._parser  # it refers to us, and such a ring is only freed by the collector

    def pause_writing(self) -> None:
        """Take no more requests from a client that does not read the answers."""
        self._blocked = True
        self._regulate()

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked = False
        self._regulate()

    # What the parser tells.

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._target, self._fields = b"", []

    def on_url(self, piece: bytes) -> None:
        """Add to the target."""
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a field of the head; trailers come behind a body, and nobody reads them."""
        if self._request is None:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Show the request to its handler."""
        parser, server = self._parser, self._server
        method = parser.get_method()
        self._unfinished = 0
        self._bound_fields()
        if self._deaf or (parser.should_upgrade() and method != b"CONNECT"):
            return
        request = self._request = Request(
            self._on_answer,
            method,
            self._target,
            self._fields,
            version=parser.get_http_version(),
            # What follows CONNECT would be of another protocol.
            keep_alive=parser.should_keep_alive() and method != b"CONNECT",
        )
        self._wait_in(None)
        self._unanswered.append(request)
        if handler := server.routes.get(request.path):
            request.handler = handler
            handler.begin(request)
        else:
            server.not_found(request)
        self._invite()

    def on_body(self, piece: bytes) -> None:
        """Add to the body, if anybody wants it."""
        self._unfinished = 0
        if not self._deaf and (request := self._request) and request.reply is None:
            self._server.bodies.take(request, piece)

    def on_message_complete(self) -> None:
        """Hand the request over to its handler."""
        request = self._request
        if self._deaf or request is None:  # an offer to upgrade
            return
        self._request = None
        if request.reply is None:
            request.end()
            self._server.bodies.leave(request)
            request.handler.receive(request)
            request.body = b""  # it may have to wait, and only for its answer
        elif not self._unanswered:
            self._wait_in(self._server.idle)

    # What we do.

    def close(self) -> None:
        """Hang up once the answers that have been given are sent."""
        self._deaf = True
        self._transport.close()

    def end(self) -> None:
        """Hang up at once."""
        self._deaf = True
        self._wait_in(None)
        self._transport.abort()  # `close` would wait until the client has read its answers

    def _parse(self, data: bytes) -> None:
        self._unfinished += len(data)
        try:
            while data and not self._deaf:
                try:
                    self._parser.feed_data(data)
                    break
                except HttpParserUpgrade as offer:
                    data = self._decline() + data[offer.args[0] :]
        except HttpParserCallbackError:
            log.exception("a connection had to be given up")
            self.end()
        except HttpParserError:
            self._misunderstand()
        if self._unfinished >= MAX_HEAD_BYTES:
            self._misunderstand()
        self._bound_fields()

    def _decline(self) -> bytes:
        """Have a head read again without its offer to speak another protocol.

        Java's client makes one with each request. The parser takes what follows for that
        protocol, but who declines gets a request like any other.
        """
        method, version = self._parser.get_method(), self._parser.get_http_version()
        self._parser = HttpRequestParser(self)
        return write_head(method, self._target, self._fields, version=version, without=b"upgrade")

    def _bound_fields(self) -> None:
        if len(self._fields) > MAX_FIELDS:
            self._misunderstand()

    def _misunderstand(self) -> None:
        """Hang up on what is not HTTP, with an answer after those to what was."""
        if self._deaf:
            return
        self._deaf = True
        if self._request:
            self._give_up()
        else:
            self._request = Request(self._on_answer)
            self._unanswered.append(self._request)
            self._request.answer(self._server.malformed())

    def _give_up(self) -> None:
        """Let go of the request whose body is arriving, since the rest will not come."""
        request = self._request
        if request and request.reply is None:
            request.keep_alive = False
            request.refuse(
                RequestError(
                    Reason.MALFORMED_BODY, "The body broke off, or its chunks are malformed."
                )
            )
        elif self._unanswered:
            self._unanswered[-1].hang_up = True
        else:
            self._hang_up()

    def _invite(self) -> None:
        """Have a client that waits for leave send its body, if it is its turn."""
        request = self._request
        if request is None or not request.expecting or request.reply is not None:
            return
        if request is self._unanswered[0]:
            request.expecting = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _on_answer(self, request: Request) -> None:
        if request is self._request:
            self._server.bodies.leave(request)  # whatever is still to come of it
        if request.hang_up:
            self._deaf = True
        self._send()

    def _send(self) -> None:
        """Send the answers that are due."""
        while self._unanswered and (reply := self._unanswered[0].reply) is not None:
            request = self._unanswered.popleft()
            if not self._ends():
                self._transport.write(reply)
            if request.hang_up:
                self._hang_up()
                return
        self._regulate()
        if self._deaf:
            return
        if self._unanswered:
            self._invite()
        else:
            # If a body is arriving, its request has its answer already.
            idle = self._request is None
            self._wait_in(self._server.idle if idle else self._server.lingering)

    def _hang_up(self) -> None:
        """End the connection, so that the last answer gets through."""
        self._deaf = True
        self._unanswered.clear()
        if self._ends():
            return
        self._wait_in(self._server.lingering)
        if self._request is None or self._eof:
            self._transport.close()
            return
        # While the client still sends, the kernel would void the answer with the connection.
        if self._transport.can_write_eof():
            with suppress(OSError):  # the client may have gone this moment
                self._transport.write_eof()
        self._regulate()

    def _ends(self) -> bool:
        return (
            self._lost or self._transport.is_closing()
        )  # TLS transports do not know they are lost

    def _wait_in(self, line: "WaitingLine[Connection] | None") -> None:
        if self._line is not None:
            self._line.leave(self)
        self._line = line
        if line is not None:
            line.join(self)

    def _regulate(self) -> None:
        """Read from the client, unless it has to read, or to wait for, what it has asked for."""
        busy = self._blocked or len(self._unanswered) > MAX_UNANSWERED
        reading = self._deaf or not busy
        if reading is self._reading or self._eof or self._ends():
            return
        self._reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()


def _hang_up_on_those_who_do_not_read(transport: asyncio.BaseTransport) -> None:
    """Let the kernel end a connection whose answers stay unread; asyncio does not."""
    if sys.platform == "linux":  # pragma: no branch
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)
