"""Health checks on the public port, for load balancers; not counted in metrics."""

from aiohttp import web

from exporter.runtime.service import Service

_METHODS = ("GET", "HEAD")


def health(request: web.BaseRequest, service: Service) -> web.Response | None:
    """Respond to a health check; return None for any other request.

    `/-/healthy` is 200 while the process runs; `/-/ready`, and `/` without a query, are 200 while
    results are accepted, else 503.
    """
    if request.method not in _METHODS:
        return None
    path = "/".join(filter(None, request.path.split("/")))
    if path == "-/healthy":
        return web.Response()
    if path == "-/ready" or not (path or request.query_string):
        return web.Response(status=503 if service.not_ready() else 200)
    return None
