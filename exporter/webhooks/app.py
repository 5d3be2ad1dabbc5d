"""The public application: one route, one handler, and one middleware for whatever is wrong."""

import time
from collections.abc import AsyncIterator
from contextlib import suppress

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from exporter.errors import RequestError
from exporter.gateways.gateway import UNROUTED
from exporter.metrics import WebhookMetrics
from exporter.reasons import Reason
from exporter.records.recorder import Recorder
from exporter.runtime import Runtime
from exporter.webhooks.handler import EXCHANGE, Exchange, Webhooks
from exporter.webhooks.limits import Bodies, Connections, Limits
from exporter.webhooks.responses import refuse

CONNECTIONS = web.AppKey("connections", Connections)

_REASONS = {404: Reason.NOT_FOUND, 405: Reason.METHOD_NOT_ALLOWED, 413: Reason.TOO_LARGE}
"""For what aiohttp itself refuses."""

log = structlog.get_logger()


def make_ingest_app(runtime: Runtime, limits: Limits) -> web.Application:
    """Build the application; `app[CONNECTIONS]` is for the listener."""
    bodies = Bodies(limits)
    connections = Connections(limits, bodies)
    recorder = Recorder(
        runtime.settings.record,
        runtime.settings.record_max_bytes,
        unauthenticated=runtime.settings.record_unauthenticated,
        on_outcome=lambda outcome: runtime.metrics.records[outcome].inc(),
    )
    webhooks = Webhooks(runtime, limits, bodies)
    app = web.Application(middlewares=[_middleware(runtime, connections, recorder)])
    app[CONNECTIONS] = connections

    async def close_bodies(_app: web.Application) -> None:
        bodies.close()

    async def close_recorder(_app: web.Application) -> AsyncIterator[None]:
        yield
        recorder.close()

    async def expect(request: web.Request) -> web.StreamResponse | None:
        """Let the client send its body, unless the headers rule it out (RFC 9110, 10.1.1)."""
        exchange = Exchange()
        try:
            webhooks.check(request, exchange)
        except RequestError as error:
            _count(runtime.metrics.webhooks, exchange.source, error.reason, 0.0)
            response = refuse(error)
            response.force_close()  # whether the body comes all the same, nobody knows
            return response
        if request.headers[hdrs.EXPECT].lower() == "100-continue":
            with suppress(ConnectionError):  # whoever has gone sends no body, which will be said
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the response has not begun
        return None

    app.on_shutdown.append(close_bodies)
    app.cleanup_ctx.append(close_recorder)
    known = [f"/webhooks/{name}" for name in runtime.snapshot.gateways]  # found faster
    for path in [*known, "/{path:.*}"]:
        app.router.add_route("*", path, webhooks.handle, expect_handler=expect)
    return app


def _middleware(runtime: Runtime, connections: Connections, recorder: Recorder) -> Middleware:
    """Count each request by its outcome, and turn every error into the contract's response."""
    debug = runtime.settings.log_level == "debug"

    @web.middleware
    async def respond_to_all(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        exchange = request[EXCHANGE] = Exchange()
        connection = request.protocol
        connections.began(connection)
        runtime.in_flight += 1
        status: str = "accepted"
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - the sender gets a response, whatever it is
            status, response = _refuse(error, exchange.source)
        finally:
            runtime.in_flight -= 1
            connections.responded(connection)
        if status != "accepted" or exchange.rejected:
            _record(recorder, exchange, status)
        if hdrs.UPGRADE in request.headers:  # aiohttp loses what comes in one segment with it
            response.force_close()
        exchange.received = None  # it refers to the request, and the request to it
        _count(runtime.metrics.webhooks, exchange.source, status, time.perf_counter() - started)
        if debug:
            log.debug("request", source=exchange.source, status=status)
        return response

    return respond_to_all


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
    if isinstance(error, web.HTTPException) and (reason := _REASONS.get(error.status)):
        return RequestError(reason, f"{reason.meaning}.".capitalize())
    log.error("a request could not be handled", source=source, exc_info=error)
    return RequestError(Reason.INTERNAL_ERROR, "The exporter failed; its log says how.")


def _record(recorder: Recorder, exchange: Exchange, status: str) -> None:
    """Keep a request that was refused for what it holds, or that has items that are not results."""
    received, rejected = exchange.received, exchange.rejected
    if received is None or (isinstance(status, Reason) and status.of_exporter):
        return
    reason = rejected[0].reason if rejected else status
    recorder.keep(exchange.source, reason, received, authenticated=exchange.proven)
