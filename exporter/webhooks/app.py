"""The public application: one handler for every path, and one middleware for every error.

It uses aiohttp's low-level server, since there are no routes: the router and middleware chain of an
`Application` would add a tenth to the CPU time of a callback.
"""

import time
from collections.abc import Awaitable, Callable
from typing import cast

import structlog
from aiohttp import hdrs, web

from exporter.errors import Reason, RequestError
from exporter.runtime.hub import Status
from exporter.webhooks.edge import Edge
from exporter.webhooks.handler import RequestState, Webhooks
from exporter.webhooks.health import health
from exporter.webhooks.protocol import Connection
from exporter.webhooks.responses import refuse

log = structlog.get_logger()


def make_server(edge: Edge) -> web.Server:
    """Make the server of the public listener."""
    return web.Server(_middleware(edge, Webhooks(edge).handle))


def _middleware(
    edge: Edge, handle: Callable[[web.BaseRequest, RequestState], Awaitable[web.StreamResponse]]
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """Count each request by status, and convert every error to a response."""
    debug = edge.current.settings.log_level == "debug"
    connections, finished = edge.connections, edge.hub.finished

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("Connection", request.protocol)
        connections.began(connection)
        try:
            return health(request, edge.service) or await answer(request, connection)
        finally:
            connections.responded(connection)
            connection.responded(request)

    async def answer(request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        started = time.perf_counter()
        state = RequestState()
        edge.in_flight += 1
        try:
            connection.check(request)
            response: web.StreamResponse = await handle(request, state)
            status = state.status
        except Exception as error:  # noqa: BLE001 - every request gets a response
            status, response = _refuse(edge, error, state.source, request.path)
        finally:
            edge.in_flight -= 1
        if state.rejected or isinstance(status, Reason):
            _record(edge, state, status)
        if edge.service.draining or _must_close(request):
            response.force_close()
        state.received = None  # break the reference cycle with the request
        finished(state.source, status, time.perf_counter() - started, state.other_path)
        if debug:
            log.debug("request", source=state.source, status=status)
        return response

    return respond


def _must_close(request: web.BaseRequest) -> bool:
    """Whether the connection cannot be reused."""
    headers = request.headers
    if hdrs.UPGRADE in headers:  # aiohttp loses data that follows it in the same segment
        return True
    # The request was refused before its body, which may or may not follow.
    return hdrs.EXPECT in headers and not request.content.is_eof()


def _refuse(edge: Edge, error: Exception, source: str, path: str) -> tuple[Reason, web.Response]:
    """Log an error and make its response; keep no reference, since its traceback has the body."""
    refusal = _as_request_error(error, source)
    edge.refusals.add(source, refusal, path)
    return refusal.reason, refuse(refusal)


def _as_request_error(error: Exception, source: str) -> RequestError:
    """Map an exception to a RequestError; log unexpected exceptions."""
    if isinstance(error, RequestError):
        return error
    log.error("unexpected error in a request", source=source, exc_info=error)
    return RequestError(
        Reason.INTERNAL_ERROR, "The exporter failed unexpectedly; its log has the cause."
    )


def _record(edge: Edge, state: RequestState, status: Status) -> None:
    """Record a request that was refused because of its content, or has rejected items."""
    received, rejected = state.received, state.rejected
    if received is None or (isinstance(status, Reason) and status.of_exporter):
        return
    credential = state.credential
    proven = credential is not None and credential.proven
    if edge.redactor and (proven or edge.current.settings.record_unauthenticated):
        reason = rejected[0].reason if rejected else status
        places = [rejection.index for rejection in rejected]
        edge.redactor.submit(
            state.source, reason, received, places, app=credential and credential.app
        )
