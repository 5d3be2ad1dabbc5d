"""Bodies of webhook calls, read within bounds: of size, of time, and of all of them together."""

import asyncio
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

from exporter.errors import Refusal

MAX_BYTES_HELD = 64 * 1024 * 1024
"""Bytes of all bodies that are arriving or being answered; many can hold back theirs at a time."""

Body = TypeVar("Body", bytes, bytearray)


class Bodies:
    """The memory that bodies take, over all connections."""

    def __init__(self, limit: int = MAX_BYTES_HELD) -> None:
        self.limit = limit
        self.held = 0
        self.arriving: set[asyncio.Timeout] = set()
        """The clocks of the bodies that have not arrived."""
        self._hurried = False

    def hurry(self) -> None:
        """Wait for no body any more: those that have not arrived are refused as `draining`."""
        self._hurried = True
        for clock in self.arriving:
            clock.reschedule(0)

    def late(self, seconds: float) -> Refusal:
        """Say why a body is waited for no longer."""
        if self._hurried:
            return Refusal("draining", "The exporter is stopping; send the results again.")
        return Refusal("body_timeout", f"The body did not arrive in {seconds:g} s.")

    def hold(self) -> "Held":
        """Account for one body inside a `with` block."""
        return Held(self)


class Held:
    """What one body takes, given back at the end of the block."""

    def __init__(self, bodies: Bodies) -> None:
        self.bodies = bodies
        self._size = 0

    def take(self, data: bytes) -> bytes:
        """Account for bytes that have arrived; Refusal (`overloaded`) if there are too many."""
        self._size += len(data)
        self.bodies.held += len(data)
        # A body larger than the whole bound must pass at some time: alone.
        if self.bodies.held > self.bodies.limit and self.bodies.held > self._size:
            raise Refusal("overloaded", "Too many bytes of other calls are being read; slow down.")
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.bodies.held -= self._size


async def read_body(request: web.BaseRequest, held: "Held", limit: int, seconds: float) -> bytes:
    """Read a body of at most `limit` bytes within so many seconds, or raise Refusal."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise Refusal("unsupported_encoding", "Send the body as it is, without Content-Encoding.")
    declared = request.content_length
    if declared is not None and declared > limit:
        raise _too_large(limit)
    content = request.content
    if content.is_eof():  # most bodies come with their head, and need neither a clock nor a loop
        return held.take(_within(limit, content.read_nowait()))
    body = bytearray()
    try:
        async with asyncio.timeout(seconds) as clock:
            held.bodies.arriving.add(clock)
            try:
                async for chunk in content.iter_any():
                    body += held.take(chunk)
                    _within(limit, body)
            finally:
                held.bodies.arriving.discard(clock)
    except TimeoutError:
        raise held.bodies.late(seconds) from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refusal(
            "malformed_body", "The body broke off, or its chunks are malformed."
        ) from None
    return bytes(body)


def _within(limit: int, body: Body) -> Body:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> Refusal:
    return Refusal("too_large", f"The body is larger than {limit} bytes.")
