"""The limits of the public listener, and the accounting of connections and bodies."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from aiohttp import StreamReader, web

from exporter.configuration.settings import Settings
from exporter.errors import Reason, RequestError

_MIN_HANDSHAKES = 32
"""Number of handshakes for which there are files, however many connections are open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits per client, and for all clients together."""

    max_body_bytes: int = 1024**2
    """MAX_BODY_BYTES: maximum size of a body, as sent and decompressed."""
    body_seconds: float = 10.0
    """BODY_TIMEOUT_SECONDS: maximum time without a byte of the body."""
    whole_body_seconds: float = 60.0
    """Maximum time from the headers to the end of the body."""
    max_connections: int = 10_000
    """MAX_CONNECTIONS: maximum number of connections, at 20 to 40 KiB each."""
    max_arriving_bytes: int = 64 * 1024**2
    """Maximum size of all arriving bodies together, so that slow clients cannot exhaust memory."""
    header_timeout_seconds: float = 10.0
    """Maximum time from connecting to the end of the first request's headers."""
    idle_seconds: float = 75.0
    """KEEPALIVE_SECONDS: maximum time from a response to the end of the next request's headers."""
    linger_seconds: float = 2.0
    """Time to discard the rest of an unread body, so that the client can read the response."""
    unread_seconds: float = 10.0
    """Time after which the kernel closes a connection whose client does not read its response."""
    handshake_seconds: float = 10.0
    """Maximum time for a TLS handshake."""
    max_header_bytes: int = 8190
    """Maximum size of the request line, and of each header: aiohttp's default."""
    max_headers: int = 100
    """Maximum number of headers of a request; senders use a dozen."""
    max_head_bytes: int = 16 * 1024
    """Maximum size of the request line and all headers together."""
    grace_seconds: float = 1.0
    """Time after SIGTERM in which new requests on open connections are served."""
    drain_seconds: float = 4.0
    """Time after SIGTERM for requests in flight. The rest of ten seconds is for the last commit,
    which may wait for the ledger's lock."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Make the limits from the settings."""
        return cls(
            max_body_bytes=settings.max_body_bytes,
            body_seconds=settings.body_timeout_seconds,
            idle_seconds=settings.keepalive_seconds,
            max_connections=settings.max_connections,
        )


class ArrivingBytes:
    """Bounds the total size of arriving bodies: over the limit, the oldest bodies are evicted."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bodies: dict[asyncio.Timeout, int] = {}
        """The size of each body by its deadline, the oldest first."""
        self._sum = 0

    def begin(self, deadline: asyncio.Timeout) -> None:
        """Add a body; its deadline cancels it."""
        self._bodies[deadline] = 0

    def add(self, deadline: asyncio.Timeout, size: int) -> None:
        """Count bytes that have arrived; evict the oldest bodies if the total is over the limit."""
        if deadline in self._bodies:  # else it was evicted, and will be cancelled
            self._bodies[deadline] += size
            self._sum += size
        # A single body over the limit is still accepted.
        while self._sum > self._max_bytes and self.evict(deadline):
            pass

    def evict(self, spared: asyncio.Timeout | None = None) -> bool:
        """Cancel the oldest body; return False if there is none, or it is `spared`."""
        oldest = next(iter(self._bodies), None)
        if oldest is None or oldest is spared:
            return False
        self.end(oldest)
        oldest.reschedule(asyncio.get_running_loop().time())
        return True

    def end(self, deadline: asyncio.Timeout) -> bool:
        """Remove a body; return False if it was evicted."""
        size = self._bodies.pop(deadline, None)
        self._sum -= size or 0
        return size is not None


class Bodies:
    """Reads bodies within limits on their time, size and total size."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._arriving = ArrivingBytes(limits.max_arriving_bytes)
        self.evict = self._arriving.evict
        # Arguments of an exception, not an exception: each raise would add a traceback, and with it
        # a reference to a body.
        self._eviction = (
            Reason.OVERLOADED,
            "Too many request bodies are arriving; repeat the request later.",
        )

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise RequestError if the body is unacceptable by its headers."""
        if "Content-Encoding" in headers and _encodings(headers) not in ([], ["gzip"]):
            raise RequestError(
                Reason.UNSUPPORTED_ENCODING,
                "Send the body with Content-Encoding: gzip, or without an encoding.",
                {"Accept-Encoding": "gzip"},
            )
        if int(headers.get("Content-Length", 0)) > self._limits.max_body_bytes:
            raise self._too_large()

    async def read(self, request: web.BaseRequest) -> bytes:
        """Return the body as sent.

        Raises RequestError: `too_large`, `body_timeout`, `overloaded`, or `malformed_body` if the
        client disconnects or its chunks are malformed.
        """
        content = request.content
        try:
            if content.is_eof():  # it arrived with the headers
                body = content.read_nowait()
                if len(body) > self._limits.max_body_bytes:
                    raise self._too_large()
                return body
            if request.transport is None:  # closed before the handler started: no exception follows
                raise ConnectionResetError
            return await self._wait_for(request)
        except (OSError, web.RequestPayloadError):
            raise RequestError(Reason.MALFORMED_BODY, "The body is incomplete.") from None

    def close(self) -> None:
        """Refuse all arriving bodies, because the exporter is stopping."""
        self._eviction = Reason.DRAINING, "The exporter is stopping; repeat the request."
        while self.evict():
            pass

    async def _wait_for(self, request: web.BaseRequest) -> bytes:
        body = bytearray()
        deadline = asyncio.timeout(self._limits.whole_body_seconds)
        evicted = False
        try:
            async with deadline:
                self._arriving.begin(deadline)
                try:
                    while chunk := await self._chunk(request.content):
                        body += chunk
                        if len(body) > self._limits.max_body_bytes:
                            raise self._too_large()
                        self._arriving.add(deadline, len(chunk))
                finally:
                    evicted = not self._arriving.end(deadline)
        except TimeoutError:
            if evicted:
                raise RequestError(*self._eviction) from None
            raise _body_timeout(
                "The body did not arrive within", self._limits.whole_body_seconds
            ) from None
        return bytes(body)

    async def _chunk(self, content: StreamReader) -> bytes:
        """Return the next bytes as soon as they arrive; empty at the end of the body."""
        while True:
            received = content.total_bytes
            pause = asyncio.timeout(self._limits.body_seconds)
            try:
                async with pause:
                    return await content.readany()
            except TimeoutError:
                if not pause.expired():  # the whole body's deadline, or an eviction
                    raise
            # If this process was paused, there may be bytes to read from the socket.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if content.total_bytes == received:
                raise _body_timeout("No byte of the body arrived for", self._limits.body_seconds)

    def _too_large(self) -> RequestError:
        detail = f"The body is larger than {self._limits.max_body_bytes} bytes."
        return RequestError(Reason.TOO_LARGE, detail)


def _body_timeout(problem: str, seconds: float) -> RequestError:
    return RequestError(Reason.BODY_TIMEOUT, f"{problem} {seconds:g} s.")


class Connections:
    """Bounds the number of connections: at the limit, a new one replaces an idle one."""

    def __init__(self, limits: Limits, bodies: Bodies) -> None:
        self._limits = limits
        self._bodies = bodies
        self._open: dict[web.RequestHandler, asyncio.Transport] = {}
        """By connection, its transport, which aiohttp drops when it starts to close."""
        self._waiting: dict[web.RequestHandler, asyncio.TimerHandle | None] = {}
        """Connections without a request, the oldest first; new connections have a timer."""

    def has_room(self, handshakes: int) -> bool:
        """Whether a number of TLS handshakes is within the limit, or small."""
        return handshakes <= max(_MIN_HANDSHAKES, self._limits.max_connections - len(self._open))

    def opened(self, connection: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection, and start the timer for its first headers."""
        self._open[connection] = transport
        if len(self._open) > self._limits.max_connections:
            if oldest := next(iter(self._waiting), None):
                self.began(oldest)  # `closed` is called later
                self.abort(oldest)
            elif not self._bodies.evict():
                self.abort(connection)
                return
        self._waiting[connection] = asyncio.get_running_loop().call_later(
            self._limits.header_timeout_seconds, self.abort, connection
        )

    def closed(self, connection: web.RequestHandler) -> None:
        """Stop counting a connection."""
        del self._open[connection]
        self.began(connection)

    def began(self, connection: web.RequestHandler) -> None:
        """Mark a connection as busy: a request has started."""
        if timer := self._waiting.pop(connection, None):
            timer.cancel()

    def responded(self, connection: web.RequestHandler) -> None:
        """Mark a connection as idle, if it is still open."""
        if connection.transport is not None:
            self._waiting[connection] = None

    def abort(self, connection: web.RequestHandler) -> None:
        """Abort a connection: a graceful close would wait for a client that does not read."""
        connection.force_close()
        self._open[connection].abort()


def is_compressed(headers: Mapping[str, str]) -> bool:
    """Whether a body that has passed `check` is gzip."""
    return "Content-Encoding" in headers and bool(_encodings(headers))


def _encodings(headers: Mapping[str, str]) -> list[str]:
    names = headers.get("Content-Encoding", "").lower().replace("x-gzip", "gzip").split(",")
    return [name for part in names if (name := part.strip()) not in ("", "identity")]
