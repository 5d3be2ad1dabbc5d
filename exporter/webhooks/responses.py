"""Responses of the webhooks: small JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from exporter.errors import Reason, RequestError
from exporter.gateways.gateway import Gateway, ReceivedRequest
from exporter.results import Rejection
from exporter.runtime.submission import Receipt

LISTED_REJECTIONS = 10
"""Rejected items in a response: some gateways take a long response for a failure."""

MAX_LISTED_REJECTIONS = 1000
"""The same with `?verbose=1`."""

_HEADERS = CIMultiDict({"Content-Type": "application/json", "Server": "push-result-exporter"})


def respond(
    gateway: Gateway, received: ReceivedRequest, receipt: Receipt, rejected: list[Rejection]
) -> web.Response:
    """Report what became of the items; raises RequestError if none of them is a valid result."""
    content: dict[str, Any] = {
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "rejected": rejected,
    }
    if rejected:
        verbose = received.query.get("verbose", "") not in ("", "0", "false")
        listed = MAX_LISTED_REJECTIONS if verbose else LISTED_REJECTIONS
        content["rejected"] = rejected[:listed]
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
    return _json(content if gateway.response is None else gateway.response)


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


def _json(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Make a response of JSON; bytes are JSON already."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    all_headers = _HEADERS.copy()  # aiohttp takes it as it is, and adds its own
    if headers:
        all_headers.update(headers)
    return web.Response(body=body, status=status, headers=all_headers)
