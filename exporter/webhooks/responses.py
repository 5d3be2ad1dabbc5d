"""Makes the JSON responses of the webhooks."""

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
"""Maximum number of rejected items in a response; some gateways treat long ones as failures."""

MAX_LISTED_REJECTIONS = 1000
"""The same with `?verbose=1`."""

_MAX_CACHED = 1000
"""Maximum number of responses in the cache, which differ by their numbers of results."""

_HEADERS = CIMultiDict({"Content-Type": "application/json", "Server": "push-result-exporter"})


class Responses:
    """Makes the responses to accepted requests."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._second = 0
        self._cache: dict[bytes | Receipt, bytes] = {}
        """The bytes of this second's responses, by content."""

    def respond(
        self,
        request: web.BaseRequest,
        gateway: Gateway,
        received: ReceivedRequest,
        receipt: Receipt,
        rejected: list[Rejection],
    ) -> web.StreamResponse:
        """Report the outcome of a request's items; raises RequestError if no item is valid."""
        own = gateway.response
        if rejected:
            report = _with_rejections(receipt, rejected, verbose=_is_verbose(received))
            return _json(report if own is None else own)
        content = receipt if own is None else own
        if _keeps_connection(request) and not self._service.draining:
            return _CachedResponse(self._whole(content))
        return _json(_body(content))

    def _whole(self, content: bytes | Receipt) -> bytes:
        """Return the bytes of a response, including its headers."""
        now = int(time.time())
        if now != self._second or len(self._cache) >= _MAX_CACHED:
            self._second = now
            self._cache.clear()
        whole = self._cache.get(content)
        if whole is None:
            body = _body(content)
            headers = {
                **_HEADERS,
                "Content-Length": len(body),
                "Date": formatdate(now, usegmt=True),
            }
            lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in headers.items())]
            whole = self._cache[content] = "\r\n".join([*lines, "", ""]).encode() + body
        return whole


class _CachedResponse(web.StreamResponse):
    """A response from the cache, on a keep-alive connection.

    aiohttp's response has the same bytes, but takes a twelfth of the CPU time of a callback.
    """

    def __init__(self, whole: bytes) -> None:
        super().__init__()
        self._whole = whole

    @property
    def keep_alive(self) -> bool:
        """Return True."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Send the response."""
        await request.writer.write(self._whole)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the response has been sent."""


def echo(text: str) -> web.Response:
    """Respond to a handshake with the expected text."""
    return web.Response(text=text, headers={"Server": _HEADERS["Server"]})


def refuse(error: RequestError) -> web.Response:
    """Respond to a refused request; close the connection if its body remains unread."""
    reason = error.reason
    headers = dict(error.headers)
    if reason.retry_after is not None:
        headers["Retry-After"] = str(reason.retry_after)
    content = {"error": reason, "detail": error.detail, **error.extra}
    response = _json(content, reason.status, headers)
    if reason.closes:
        response.force_close()
    return response


def _keeps_connection(request: web.BaseRequest) -> bool:
    """Whether the connection uses HTTP/1.1 and stays open after the response."""
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
    """Make a JSON response; `content` may be encoded already."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    all_headers = _HEADERS.copy()  # aiohttp adds headers to it
    if headers:
        all_headers.update(headers)
    return web.Response(body=body, status=status, headers=all_headers)
