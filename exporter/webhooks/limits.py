"""The bounds of the public listener: one table, and what keeps connections and bodies within it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from aiohttp import web

from exporter.configuration.settings import Settings
from exporter.errors import Reason, RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may take, and what all of them may take together."""

    max_body_bytes: int = 1024**2
    """MAX_BODY_BYTES: a batch of ten thousand results; the body as sent, and unpacked."""
    body_seconds: float = 10.0
    """BODY_TIMEOUT_SECONDS: from the headers to the end of the body; a mebibyte in 10 s is slow."""
    max_connections: int = 10_000
    """MAX_CONNECTIONS: at 20 to 40 KiB each they stay below half a gigabyte."""
    max_arriving_bytes: int = 64 * 1024**2
    """Bytes of all bodies that are arriving, so that slow clients cannot fill the memory."""
    head_seconds: float = 10.0
    """From the connection to the end of the first request's headers, dribbled or not."""
    idle_seconds: float = 75.0
    """KEEPALIVE_SECONDS: from a response to the end of the next headers."""
    linger_seconds: float = 2.0
    """For the rest of a body that nobody reads, so that the client gets to read its response."""
    unread_seconds: float = 10.0
    """How long a client may leave its response unread before the kernel ends the connection."""
    handshake_seconds: float = 10.0
    """For a TLS handshake."""
    max_header_bytes: int = 8190
    """Bytes of the request line, and of each header: aiohttp's own figure."""
    max_headers: int = 100
    """Headers of a request; senders use a dozen."""
    grace_seconds: float = 1.0
    """After SIGTERM: for a request that is already on its way on a kept connection."""
    drain_seconds: float = 4.0
    """After SIGTERM: for requests in flight; the rest of ten seconds is for the last commit, which
    may have to wait for the ledger's lock."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take the bounds that are settings."""
        return cls(
            max_body_bytes=settings.max_body_bytes,
            body_seconds=settings.body_timeout_seconds,
            idle_seconds=settings.keepalive_seconds,
            max_connections=settings.max_connections,
        )


class Bodies:
    """The bodies that have not arrived yet, within their time, their size and their sum."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._arriving: dict[asyncio.Timeout, int] = {}
        """The bytes so far of each body by its deadline, the one that has waited longest first."""
        self._bytes = 0
        # What an error is made of, not the error: each time it is raised it would keep one
        # traceback more, and with it a body.
        self._eviction = (
            Reason.OVERLOADED,
            "Too many bodies are arriving at once; send again, slower.",
        )

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise RequestError if the headers announce a body that will not be read."""
        if "Content-Encoding" in headers and _encodings(headers) not in ([], ["gzip"]):
            raise RequestError(
                Reason.UNSUPPORTED_ENCODING,
                "Send the body as it is, or with Content-Encoding: gzip.",
                {"Accept-Encoding": "gzip"},
            )
        if int(headers.get("Content-Length", 0)) > self._limits.max_body_bytes:
            raise self._too_large()

    async def read(self, request: web.BaseRequest) -> bytes:
        """Return the body as it was sent.

        Raises RequestError: `too_large`, `body_timeout`, `overloaded`, or `malformed_body` if the
        client goes away or its chunks are broken.
        """
        content = request.content
        try:
            if content.is_eof():  # it came with the headers: there is nothing to wait for
                body = content.read_nowait()
                if len(body) > self._limits.max_body_bytes:
                    raise self._too_large()
                return body
            if request.transport is None:  # closed before the handler began: no error will come
                raise ConnectionResetError
            return await self._wait_for(request)
        except (OSError, web.RequestPayloadError):
            raise RequestError(Reason.MALFORMED_BODY, "The body broke off.") from None

    def evict(self, spared: asyncio.Timeout | None = None) -> bool:
        """Cancel the body that has been arriving longest; False if there is no other."""
        oldest = next(iter(self._arriving), None)
        if oldest is None or oldest is spared:
            return False
        self._bytes -= self._arriving.pop(oldest)
        oldest.reschedule(asyncio.get_running_loop().time())
        return True

    def close(self) -> None:
        """Refuse all that are still arriving, since the exporter stops."""
        self._eviction = Reason.DRAINING, "The exporter is stopping; send again."
        while self.evict():
            pass

    async def _wait_for(self, request: web.BaseRequest) -> bytes:
        body = bytearray()
        deadline = asyncio.timeout(self._limits.body_seconds)
        try:
            async with deadline:
                self._arriving[deadline] = 0
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > self._limits.max_body_bytes:
                        raise self._too_large()
                    self._hold(deadline, len(chunk))
        except TimeoutError:
            if deadline not in self._arriving:
                raise RequestError(*self._eviction) from None
            seconds = self._limits.body_seconds
            detail = f"The body did not arrive within {seconds:g} s."
            raise RequestError(Reason.BODY_TIMEOUT, detail) from None
        finally:
            self._bytes -= self._arriving.pop(deadline, 0)
        return bytes(body)

    def _hold(self, deadline: asyncio.Timeout, size: int) -> None:
        """Count bytes that have arrived; evict those that have waited longest for them."""
        if deadline in self._arriving:  # else it was evicted, and is about to know
            self._arriving[deadline] += size
            self._bytes += size
        # One body that is larger than the whole bound has to be taken at some time: alone.
        while self._bytes > self._limits.max_arriving_bytes and self.evict(deadline):
            pass

    def _too_large(self) -> RequestError:
        detail = f"The body is larger than {self._limits.max_body_bytes} bytes."
        return RequestError(Reason.TOO_LARGE, detail)


class Connections:
    """The open connections: at the bound, one that sends no request is closed for a new one."""

    def __init__(self, limits: Limits, bodies: Bodies) -> None:
        self._limits = limits
        self._bodies = bodies
        self._open: dict[web.RequestHandler, asyncio.Transport] = {}
        """aiohttp forgets the transport of a connection that it closes, though it may linger."""
        self._waiting: dict[web.RequestHandler, asyncio.TimerHandle | None] = {}
        """Those without a request, longest first; a new one with the timer of its first headers."""

    def opened(self, connection: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection, and give its first request its time to arrive."""
        self._open[connection] = transport
        if len(self._open) > self._limits.max_connections:
            if oldest := next(iter(self._waiting), None):
                self.began(oldest)  # it is known to be closed only later
                self._abort(oldest)
            elif not self._bodies.evict():
                self._abort(connection)
                return
        self._waiting[connection] = asyncio.get_running_loop().call_later(
            self._limits.head_seconds, self._abort, connection
        )

    def closed(self, connection: web.RequestHandler) -> None:
        """Forget a connection."""
        del self._open[connection]
        self.began(connection)

    def began(self, connection: web.RequestHandler) -> None:
        """Note that a request has begun."""
        if timer := self._waiting.pop(connection, None):
            timer.cancel()

    def responded(self, connection: web.RequestHandler) -> None:
        """Note that a connection waits for its next request, if it is still there."""
        if connection.transport is not None:
            self._waiting[connection] = None

    def _abort(self, connection: web.RequestHandler) -> None:
        """Close a connection now: a graceful close would wait for a client that never reads."""
        connection.force_close()
        self._open[connection].abort()


def is_compressed(headers: Mapping[str, str]) -> bool:
    """Whether a body that was let in is gzip."""
    return "Content-Encoding" in headers and bool(_encodings(headers))


def _encodings(headers: Mapping[str, str]) -> list[str]:
    names = headers.get("Content-Encoding", "").lower().replace("x-gzip", "gzip").split(",")
    return [name for part in names if (name := part.strip()) not in ("", "identity")]
