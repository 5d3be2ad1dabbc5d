"""CSRF protection, as Go's http.CrossOriginProtection."""

from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

_SAFE = {hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS}
_OWN = {"same-origin", "none"}  # "none": typed, or from a bookmark


@web.middleware
async def cross_origin_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Respond with 403 to a cross-origin request with an unsafe method."""
    if request.method not in _SAFE and _is_cross_origin(request):
        return web.json_response(
            {
                "error": "cross_origin",
                "detail": "The request was sent by a page of another site. Send it from this site, "
                "or without a browser.",
            },
            status=403,
        )
    return await handler(request)


def _is_cross_origin(request: web.Request) -> bool:
    """Whether a browser sent the request from a page of another origin.

    Browsers send Sec-Fetch-Site over HTTPS and to localhost only; over plain HTTP they send Origin.
    Other clients send neither.
    """
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in _OWN
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != request.host.lower()
    except ValueError:  # not a URL
        return True
