"""Answers of the webhooks: small JSON, written in one piece.

A `web.Response` assembles its headers in a dictionary for each answer, which costs as much as
decoding and classifying a result; ours are the same every time.
"""

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

# Without a name of our own the answer would tell the versions of Python and aiohttp.
_FIELDS = b"Content-Type: application/json\r\nServer: push-result-exporter\r\nContent-Length: "


class Answer(web.StreamResponse):
    """A whole response to one call."""

    def __init__(
        self, status: int, content: Any, *, headers: bytes = b"", hang_up: bool = False
    ) -> None:
        # Not StreamResponse.__init__, which makes the dictionary.
        self._status = status
        self._content = msgspec.json.encode(content)
        self._extra = headers
        self._keep_alive = not hang_up

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the response; ConnectionError if the client is gone."""
        self._keep_alive = self._keep_alive and request.keep_alive
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(self._bytes(request))
        await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: `prepare` has sent it all."""

    def _bytes(self, request: web.BaseRequest) -> bytes:
        connection = b""
        if not self._keep_alive:
            connection = b"\r\nConnection: close"
        elif request.version != HttpVersion11:
            connection = b"\r\nConnection: keep-alive"
        body = b"" if request.method == "HEAD" else self._content
        return b"%b%b%d\r\nDate: %b%b%b\r\n\r\n%b" % (
            _status_line(self._status),
            _FIELDS,
            len(self._content),
            _date(int(time.time())),
            connection,
            self._extra,
            body,
        )


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
