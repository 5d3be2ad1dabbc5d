"""Responses of the webhooks: small JSON."""

import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

import msgspec
from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from exporter.errors import Reason, RequestError
from exporter.gateways.gateway import Gateway, ReceivedRequest
from exporter.results import Rejection
from exporter.runtime.service import Service
from exporter.runtime.submission import Receipt

LISTED_REJECTIONS = 10
"""Rejected items in a response: some gateways take a long response for a failure."""

MAX_LISTED_REJECTIONS = 1000
"""The same with `?verbose=1`."""

_MAX_READY = 1000
"""Ready responses of a second: as many as there are numbers of items in requests."""

_HEADERS = CIMultiDict({"Content-Type": "application/json", "Server": "push-result-exporter"})


class Responses:
    """Makes the responses to requests that were handled."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._second = 0
        self._ready: dict[bytes | Receipt, bytes] = {}
        """Whole responses of this second, by what they report."""

    def respond(
        self,
        request: web.BaseRequest,
        gateway: Gateway,
        received: ReceivedRequest,
        receipt: Receipt,
        rejected: list[Rejection],
    ) -> web.StreamResponse:
        """Report what became of the items; raises RequestError if none of them is valid."""
        own = gateway.response
        if rejected:
            report = _with_rejections(receipt, rejected, verbose=_is_verbose(received))
            return _json(report if own is None else own)
        content = receipt if own is None else own
        if _is_usual(request) and not self._service.draining:
            return _ReadyResponse(self._whole(content))
        return _json(_body(content))

    def _whole(self, content: bytes | Receipt) -> bytes:
        """Return the bytes of a whole response."""
        now = int(time.time())
        if now != self._second or len(self._ready) >= _MAX_READY:
            self._second = now
            self._ready.clear()
        whole = self._ready.get(content)
        if whole is None:
            body = _body(content)
            headers = {
                **_HEADERS,
                "Content-Length": len(body),
                "Date": formatdate(now, usegmt=True),
            }
            lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in headers.items())]
            whole = self._ready[content] = "\r\n".join([*lines, "", ""]).encode() + body
        return whole


class _ReadyResponse(web.StreamResponse):
    """A response whose bytes were made beforehand, on a connection that is kept.

    aiohttp's own takes a twelfth of the CPU time of a callback; the bytes are the same.
    """

    def __init__(self, whole: bytes) -> None:
        super().__init__()
        self._whole = whole

    @property
    def keep_alive(self) -> bool:
        """Return True."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Send it."""
        await request.writer.write(self._whole)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: all has been sent."""


def echo(text: str) -> web.Response:
    """Respond to a handshake with the text that it expects."""
    return web.Response(text=text, headers={"Server": _HEADERS["Server"]})


def refuse(error: RequestError) -> web.Response:
    """Respond to a refused request; close where the rest of a body stays unread."""
    reason = error.reason
    headers = dict(error.headers)
    if reason.retry_after is not None:
        headers["Retry-After"] = str(reason.retry_after)
    content = {"error": reason, "detail": error.detail, **error.extra}
    response = _json(content, reason.status, headers)
    if reason.closes:
        response.force_close()
    return response


def _is_usual(request: web.BaseRequest) -> bool:
    """Whether the response is one to HTTP/1.1 on a connection that stays as it is."""
    headers = request.headers
    return (
        request.version == HttpVersion11
        and request.keep_alive
        and hdrs.UPGRADE not in headers
        and hdrs.EXPECT not in headers
    )


def _body(content: bytes | Receipt) -> bytes:
    if isinstance(content, bytes):
        return content
    return msgspec.json.encode(_report(content, []))


def _report(receipt: Receipt, rejected: list[Rejection]) -> dict[str, Any]:
    return {
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "rejected": rejected,
    }


def _with_rejections(
    receipt: Receipt, rejected: list[Rejection], *, verbose: bool
) -> dict[str, Any]:
    listed = MAX_LISTED_REJECTIONS if verbose else LISTED_REJECTIONS
    content = _report(receipt, rejected[:listed])
    if len(rejected) > listed:
        content["rejected_total"] = len(rejected)
    if not receipt.accepted + receipt.duplicates:
        first = rejected[0]
        raise RequestError(
            Reason.INVALID_RESULTS,
            f"None of the {len(rejected)} items is a valid result; at index {first.index}: "
            f"{first.detail}",
            extra=content,
        )
    return content


def _is_verbose(received: ReceivedRequest) -> bool:
    return received.query.get("verbose", "") not in ("", "0", "false")


def _json(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Make a response of JSON; bytes are JSON already."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    all_headers = _HEADERS.copy()  # aiohttp takes it as it is, and adds its own
    if headers:
        all_headers.update(headers)
    return web.Response(body=body, status=status, headers=all_headers)
