"""Answers of the webhooks: small JSON, written in one piece."""

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

_FIELDS = b"Content-Type: application/json\r\nServer: push-result-exporter\r\nContent-Length: "


class Answer(NamedTuple):
    """What the answer to one request says."""

    status: int
    content: Any
    """What becomes its JSON."""
    fields: bytes = b""
    """Further header fields, each with a line end before it."""
    hang_up: bool = False
    """Whether the connection ends with it."""

    def encode(self, version: str, *, hang_up: bool, head_only: bool) -> bytes:
        """Return all its bytes, for a client of that version of HTTP."""
        content = msgspec.json.encode(self.content)
        connection = b""
        if hang_up:
            connection = b"\r\nConnection: close"
        elif version == "1.0":
            connection = b"\r\nConnection: keep-alive"
        return b"%b%b%d\r\nDate: %b%b%b\r\n\r\n%b" % (
            _status_line(self.status),
            _FIELDS,
            len(content),
            _date(int(time.time())),
            connection,
            self.fields,
            b"" if head_only else content,
        )


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
