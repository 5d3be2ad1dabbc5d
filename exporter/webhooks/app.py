"""The public application: one handler for every path, and one middleware for whatever is wrong.

There is nothing to route, so it is aiohttp's low-level server: the router and the chain of an
`Application` would make a callback a tenth more expensive.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import hdrs, web

from exporter.errors import RequestError
from exporter.gateways.gateway import UNROUTED
from exporter.metrics import WebhookMetrics
from exporter.reasons import Reason
from exporter.records.recorder import Recorder
from exporter.runtime import Runtime
from exporter.webhooks.handler import Exchange, Webhooks
from exporter.webhooks.limits import Bodies, Connections, Limits
from exporter.webhooks.responses import refuse

log = structlog.get_logger()


@asynccontextmanager
async def ingest_server(
    runtime: Runtime, limits: Limits
) -> AsyncIterator[tuple[web.Server, Connections]]:
    """Make the server and what its connections are counted by; at the end close them."""
    bodies = Bodies(limits)
    connections = Connections(limits, bodies)
    recorder = Recorder(
        runtime.settings.record,
        runtime.settings.record_max_bytes,
        unauthenticated=runtime.settings.record_unauthenticated,
        on_outcome=lambda outcome: runtime.metrics.records[outcome].inc(),
    )
    webhooks = Webhooks(runtime, limits, bodies)
    server = web.Server(_middleware(runtime, connections, recorder, webhooks.handle))
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    try:
        yield server, connections
    finally:
        bodies.close()
        await runner.cleanup()
        recorder.close()


def _middleware(
    runtime: Runtime,
    connections: Connections,
    recorder: Recorder,
    handler: Callable[[web.BaseRequest, Exchange], Awaitable[web.Response]],
) -> Callable[[web.BaseRequest], Awaitable[web.Response]]:
    """Count each request by its outcome, and turn every error into the contract's response."""
    debug = runtime.settings.log_level == "debug"

    async def respond(request: web.BaseRequest) -> web.Response:
        started = time.perf_counter()
        exchange = Exchange()
        connection = request.protocol
        connections.began(connection)
        runtime.in_flight += 1
        status: str = "accepted"
        try:
            response = await handler(request, exchange)
        except Exception as error:  # noqa: BLE001 - the sender gets a response, whatever it is
            status, response = _refuse(error, exchange.source)
        finally:
            runtime.in_flight -= 1
            connections.responded(connection)
        if status != "accepted" or exchange.rejected:
            _record(recorder, exchange, status)
        if runtime.draining or _ends_connection(request):
            response.force_close()
        exchange.received = None  # it refers to the request, and the request to it
        _count(runtime.metrics.webhooks, exchange.source, status, time.perf_counter() - started)
        if debug:
            log.debug("request", source=exchange.source, status=status)
        return response

    return respond


def _ends_connection(request: web.BaseRequest) -> bool:
    """Whether nobody knows what will come next on the connection."""
    headers = request.headers
    if hdrs.UPGRADE in headers:  # aiohttp loses what comes in one segment with it
        return True
    # It was refused before its body, which comes all the same or does not.
    return hdrs.EXPECT in headers and not request.content.is_eof()


def _count(metrics: WebhookMetrics, source: str, status: str, seconds: float) -> None:
    if source == UNROUTED:
        metrics.unrouted[Reason(status)].inc()
    else:
        children = metrics.source(source)
        children.requests[status].inc()
        children.seconds.observe(seconds)


def _refuse(error: Exception, source: str) -> tuple[Reason, web.Response]:
    """Make the response of an error, and keep no hold of it: its traceback holds the body."""
    refusal = _as_request_error(error, source)
    return refusal.reason, refuse(refusal)


def _as_request_error(error: Exception, source: str) -> RequestError:
    """Tell what the sender did wrong from a fault of the exporter, which alone is a 500."""
    if isinstance(error, RequestError):
        return error
    log.error("a request could not be handled", source=source, exc_info=error)
    return RequestError(Reason.INTERNAL_ERROR, "The exporter failed; its log says how.")


def _record(recorder: Recorder, exchange: Exchange, status: str) -> None:
    """Keep a request that was refused for what it holds, or that has items that are not results."""
    received, rejected = exchange.received, exchange.rejected
    if received is None or (isinstance(status, Reason) and status.of_exporter):
        return
    reason = rejected[0].reason if rejected else status
    recorder.keep(exchange.source, reason, received, authenticated=exchange.proven)
