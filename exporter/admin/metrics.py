"""`GET /metrics`: prometheus-client's handler, with a guard against a malformed `Accept`."""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler


def make_metrics_handler(registry: CollectorRegistry) -> Handler:
    """Expose a registry: text or OpenMetrics, gzip, and only the series of `name[]` if given."""
    expose = make_aiohttp_handler(registry)

    async def metrics(request: web.Request) -> web.StreamResponse:
        try:
            return await expose(request)
        except (TypeError, ValueError):
            # The library takes a version apart without a check: `version=a.b` is no number.
            headers = request.headers.copy()
            del headers[hdrs.ACCEPT]
            return await expose(request.clone(headers=headers))

    return metrics
