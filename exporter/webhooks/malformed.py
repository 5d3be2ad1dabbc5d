"""Describes requests that are not HTTP/1.1: names the protocol, and quotes nothing."""

import re

from exporter.errors import Reason, RequestError

_TLS = (
    "The client uses TLS, but this port does not. Use http://, or set INGEST_TLS_CERT_FILE and "
    "INGEST_TLS_KEY_FILE."
)
_PROXY = (
    "The proxy sends the PROXY protocol, which is not supported. Disable it there (send-proxy in "
    "HAProxy, proxy_protocol_v2 in an AWS target group)."
)
_HTTP_2 = "The client uses HTTP/2, which is not supported. Use HTTP/1.1."
_MALFORMED = "The request is not well-formed HTTP/1.1, or its headers are too large or too many."

_RECOGNIZED = (
    (re.compile("HTTPS traffic on an HTTP port"), _TLS),
    (re.compile(r"b'PROXY (TCP|UNKNOWN)|b'\\x00'\n"), _PROXY),  # version 1, version 2
    (re.compile("PRI/Upgrade"), _HTTP_2),
)
"""Patterns of aiohttp's messages, which quote the first bytes."""


def malformed_request(message: str | None = None) -> RequestError:
    """Return the error for a malformed request, depending on aiohttp's message."""
    found = (detail for pattern, detail in _RECOGNIZED if message and pattern.search(message))
    return RequestError(Reason.MALFORMED_REQUEST, next(found, _MALFORMED))
