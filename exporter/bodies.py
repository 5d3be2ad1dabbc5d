"""Bodies of webhook calls, read within bounds: of size, of time, and of all of them together."""

import asyncio
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import StreamReader, web

from exporter.errors import Refusal, draining

MAX_BYTES_HELD = 64 * 1024 * 1024
"""Bytes of all bodies that are arriving or being answered."""

Body = TypeVar("Body", bytes, bytearray)


class Bodies:
    """The memory that bodies take, over all connections."""

    def __init__(self, limit: int = MAX_BYTES_HELD) -> None:
        self.limit = limit
        self.held = 0
        self.arriving: dict[Held, asyncio.Timeout] = {}
        """The bodies that are waited for, the longest first, each with its clock."""

    def hold(self) -> "Held":
        """Account for one body inside a `with` block."""
        return Held(self)

    def make_room(self, newcomer: "Held") -> None:
        """Give up the bodies that are waited for longest; Refusal if that is not enough."""
        reason = Refusal("overloaded", "Too many bytes of other calls are being read; slow down.")
        for held in list(self.arriving):
            if self.held > self.limit and held is not newcomer:
                held.give_up(reason)
        # A body larger than the whole bound must pass at some time: alone.
        if self.held > self.limit and self.held > newcomer.size:
            raise reason

    def hurry(self) -> None:
        """Wait for no body any more, since the exporter stops."""
        for held in list(self.arriving):
            held.give_up(draining())


class Held:
    """What one body takes, given back at the end of the block."""

    def __init__(self, bodies: Bodies) -> None:
        self.bodies = bodies
        self.size = 0
        self.refusal: Refusal | None = None
        """Why the body is waited for no longer, before its time is over."""

    def take(self, data: bytes) -> bytes:
        """Account for bytes that have arrived; Refusal (`overloaded`) if there is no room."""
        self.size += len(data)
        self.bodies.held += len(data)
        if self.bodies.held > self.bodies.limit:
            self.bodies.make_room(self)
        return data

    def give_up(self, refusal: Refusal) -> None:
        """Stop waiting for the body, and forget what has arrived of it."""
        self.refusal = refusal
        self.bodies.arriving.pop(self).reschedule(0)
        self._give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._give_back()

    def _give_back(self) -> None:
        self.bodies.held -= self.size
        self.size = 0


async def read_body(request: web.BaseRequest, held: Held, limit: int, seconds: float) -> bytes:
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
    try:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async with asyncio.timeout(seconds) as clock:
            return await _arrive(content, held, limit, clock)
    except TimeoutError:
        late = Refusal("body_timeout", f"The body did not arrive in {seconds:g} s.")
        raise held.refusal or late from None
    except (web.RequestPayloadError, ConnectionError, RuntimeError):
        # RuntimeError is aiohttp's word for a client that was gone before we began to read.
        raise Refusal(
            "malformed_body", "The body broke off, or its chunks are malformed."
        ) from None


async def _arrive(content: StreamReader, held: Held, limit: int, clock: asyncio.Timeout) -> bytes:
    body = bytearray()
    held.bodies.arriving[held] = clock
    try:
        async for chunk in content.iter_any():
            body += held.take(chunk)
            _within(limit, body)
    finally:
        held.bodies.arriving.pop(held, None)
    return bytes(body)


def _within(limit: int, body: Body) -> Body:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> Refusal:
    return Refusal("too_large", f"The body is larger than {limit} bytes.")
