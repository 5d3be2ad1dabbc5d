"""Responses of the admin listener: compression, ETag, security headers."""

import gzip
import hashlib
import json
from typing import Any, NamedTuple

import msgspec
from aiohttp import ETag, hdrs, web

_HEADERS = {
    # The pages load nothing from other sites, and nothing shown in them is executed.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    hdrs.CACHE_CONTROL: "no-store",
}

SERVER = "push-result-exporter"
"""The header `Server`, without versions."""

_LEVEL = 6
_TAG_BYTES = 12


class Content(NamedTuple):
    """The body of a response, plain and compressed."""

    plain: bytes
    zipped: bytes
    tag: str
    media_type: str

    @classmethod
    def of(cls, plain: bytes, media_type: str) -> "Content":
        """Compress a body; takes a millisecond for 50 KB and releases the GIL."""
        tag = hashlib.blake2b(plain, digest_size=_TAG_BYTES).hexdigest()
        return cls(plain, gzip.compress(plain, _LEVEL, mtime=0), tag, media_type)

    def response(
        self, request: web.Request, status: int = 200, *, cacheable: bool = False
    ) -> web.Response:
        """Make the response to a request; 304 if the client has this content.

        With `cacheable` a client may store it but must revalidate it.
        """
        headers: dict[str, str] = {hdrs.VARY: hdrs.ACCEPT_ENCODING}
        if cacheable:
            headers[hdrs.CACHE_CONTROL] = "private, no-cache"
        tag = ETag(self.tag, is_weak=True)  # shared by both encodings
        if cacheable and status == web.HTTPOk.status_code and _has(request, tag):
            response = web.Response(status=web.HTTPNotModified.status_code, headers=headers)
        else:
            zipped = accepts_gzip(request)
            if zipped:
                headers[hdrs.CONTENT_ENCODING] = "gzip"
            response = web.Response(
                body=self.zipped if zipped else self.plain,
                status=status,
                headers=headers,
                content_type=self.media_type,
                charset="utf-8",
            )
        if cacheable:
            response.etag = tag
        return response


def _has(request: web.Request, tag: ETag) -> bool:
    return any(known.value in ("*", tag.value) for known in request.if_none_match or ())


def accepts_gzip(request: web.Request) -> bool:
    """Whether Accept-Encoding allows gzip (RFC 9110, 12.5.3)."""
    weights = {}
    for part in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower().split(","):
        name, _, weight = part.partition(";")
        weights[name.strip()] = weight.replace(" ", "").rstrip("0.") != "q="
    return weights.get("gzip", weights.get("*", False))


def json_content(value: Any) -> Content:
    """Encode as JSON in ASCII, since text may have unpaired surrogates."""
    return Content.of(json.dumps(msgspec.to_builtins(value)).encode(), "application/json")


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers to every response, errors included."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers[hdrs.SERVER] = SERVER  # replaces aiohttp's
