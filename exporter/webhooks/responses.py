"""Responses of the webhooks: small JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from exporter.errors import RequestError

_HEADERS = CIMultiDict({"Content-Type": "application/json", "Server": "push-result-exporter"})


def respond(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Make a response of what becomes JSON; bytes are JSON already."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    all_headers = _HEADERS.copy()  # aiohttp takes it as it is, and adds its own
    if headers:
        all_headers.update(headers)
    return web.Response(body=body, status=status, headers=all_headers)


def echo(text: str) -> web.Response:
    """Make a response of the text that a handshake wants back."""
    return web.Response(text=text, headers={"Server": _HEADERS["Server"]})


def refuse(error: RequestError) -> web.Response:
    """Make the response of a refused request; close where the rest of a body stays unread."""
    reason = error.reason
    headers = dict(error.headers)
    if reason.retry_after is not None:
        headers["Retry-After"] = str(reason.retry_after)
    content = {"error": reason, "detail": error.detail, **error.extra}
    response = respond(content, reason.status, headers)
    if reason.closes:
        response.force_close()
    return response
