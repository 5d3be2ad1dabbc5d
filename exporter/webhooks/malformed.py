"""Requests that are no HTTP/1.1: other protocols are named, and nothing is repeated."""

import re

from exporter.errors import Reason, RequestError

_TLS = (
    "The client speaks TLS to a port without it. Use http://, or set INGEST_TLS_CERT_FILE and "
    "INGEST_TLS_KEY_FILE."
)
_PROXY = (
    "The proxy sends the PROXY protocol, which is not supported. Switch it off there (send-proxy "
    "of HAProxy, proxy_protocol_v2 of an AWS target group)."
)
_HTTP_2 = "The client speaks HTTP/2 without negotiating it. Use HTTP/1.1."
_OTHER = "This is not well-formed HTTP/1.1, or its headers are too large or too many."

_RECOGNIZED = (
    (re.compile("HTTPS traffic on an HTTP port"), _TLS),
    (re.compile(r"b'PROXY (TCP|UNKNOWN)|b'\\x00'\n"), _PROXY),  # version 1, version 2
    (re.compile("PRI/Upgrade"), _HTTP_2),
)
"""What aiohttp's messages show of the first bytes."""


def malformed_request(message: str | None) -> RequestError:
    """Return the error for a malformed request, by aiohttp's message, which quotes its start."""
    found = (detail for pattern, detail in _RECOGNIZED if message and pattern.search(message))
    return RequestError(Reason.MALFORMED_REQUEST, next(found, _OTHER))
