"""Handles requests: authenticate → decode → classify → submit → respond."""

import asyncio
from contextlib import suppress
from functools import partial

import msgspec
from aiohttp import HttpVersion11, hdrs, web

from exporter.errors import UNROUTED, Reason, RequestError
from exporter.gateways.apps import app_of
from exporter.gateways.compression import unpack_gzip
from exporter.gateways.gateway import Credential, Gateway, ReceivedRequest
from exporter.results import Rejection
from exporter.runtime.hub import Status
from exporter.runtime.submission import Receipt, Submission
from exporter.webhooks.deliveries import SubmissionBuilder
from exporter.webhooks.edge import Edge
from exporter.webhooks.limits import is_compressed
from exporter.webhooks.responses import Responses, echo

_PREFIX = "/webhooks/"


class RequestState(msgspec.Struct):
    """The state of a request so far, for its error response, metrics and record."""

    source: str = UNROUTED
    """The gateway's name, once the path has been checked."""
    received: ReceivedRequest | None = None
    """The request with its body, once it has arrived."""
    credential: Credential | None = None
    """The credential that authenticated it."""
    rejected: list[Rejection] = []
    """The invalid items."""
    status: Status = "accepted"
    """The status, unless an error is raised."""
    other_path: str | None = None
    """The path of a request without a webhook."""


class Webhooks:
    """The request handler for all gateways."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._responses = Responses(edge.service)

    async def handle(self, request: web.BaseRequest, state: RequestState) -> web.StreamResponse:
        """Handle a request; raises RequestError to refuse it."""
        gateway = self._check(request, state)
        if hdrs.EXPECT in request.headers and request.version >= HttpVersion11:
            await _send_continue(request)
        body = await self._edge.bodies.read(request)
        received = state.received = self._received(request, body)
        verification = gateway.verification(received)
        if verification is not None:
            state.status = "verified"
            if verification.echo is not None:
                return echo(verification.echo)
            return self._responses.respond(request, gateway, received, Receipt(0, 0), [])
        if request.method != "POST":
            raise _method_not_allowed()
        credential = gateway.authenticate(received)
        state.credential = credential
        submission = await self._read(gateway, received, credential)
        state.rejected = submission.rejected
        receipt = await self._edge.hub.commit(submission)
        return self._responses.respond(request, gateway, received, receipt, state.rejected)

    def _check(self, request: web.BaseRequest, state: RequestState) -> Gateway:
        """Return the gateway of the path; raises RequestError for unacceptable headers."""
        gateway = self._gateway(request)
        if gateway is None:
            state.other_path = request.path
            raise RequestError(
                Reason.NOT_FOUND, "No webhook has this path. Use POST /webhooks/<gateway>."
            )
        state.source = gateway.name
        if request.method not in ("POST", "GET"):  # GET may be a handshake
            raise _method_not_allowed()
        if self._edge.service.refusing:
            raise RequestError(Reason.DRAINING, "The exporter is stopping; repeat the request.")
        self._edge.bodies.check(request.headers)
        return gateway

    def _gateway(self, request: web.BaseRequest) -> Gateway | None:
        gateways = self._edge.current.snapshot.gateways
        path = request.raw_path.partition("?")[0]
        gateway = gateways.get(path.removeprefix(_PREFIX)) if path.startswith(_PREFIX) else None
        if gateway is None:  # the path may have redundant slashes, or escapes
            root, _, name = "/".join(filter(None, request.path.split("/"))).partition("/")
            gateway = gateways.get(name) if root == "webhooks" else None
        return gateway

    def _received(self, request: web.BaseRequest, body: bytes) -> ReceivedRequest:
        headers = request.headers
        content = body
        if is_compressed(headers):
            content = unpack_gzip(body, self._edge.limits.max_body_bytes)
        return ReceivedRequest(
            body,
            headers,
            request.query,
            content=content,
            address=partial(_address, request),
            method=request.method,
        )

    async def _read(
        self, gateway: Gateway, received: ReceivedRequest, credential: Credential
    ) -> Submission:
        """Decode and classify a body in bounded steps, yielding to the event loop between them."""
        key = gateway.request_key(received, credential)
        builder = SubmissionBuilder(gateway.name, credential, key)
        classify = self._edge.current.snapshot.classifier.classify
        apps = self._edge.current.settings.apps
        for number, step in enumerate(gateway.decode(received)):
            if number:
                await asyncio.sleep(0)
            builder.add_items(step)
            for group in step.groups:
                classified = classify(group.result)
                if apps:
                    named = group.result.app
                    app, rule = app_of(named, credential, apps)
                    classified = classified.of_app(app)
                    if rule == "undeclared":
                        builder.add_undeclared(str(named), group.items)
                builder.add(group, classified)
        return builder.build()


async def _send_continue(request: web.BaseRequest) -> None:
    """Ask the client to send the body of an acceptable request (RFC 9110, 10.1.1)."""
    if request.headers[hdrs.EXPECT].lower() == "100-continue":
        with suppress(ConnectionError):  # a disconnected client is detected when its body is read
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the response has not started


def _address(request: web.BaseRequest) -> str:
    """Return host, path and query of the URL as sent."""
    return f"{request.host}{request.raw_path}"


def _method_not_allowed() -> RequestError:
    return RequestError(Reason.METHOD_NOT_ALLOWED, "Only POST is accepted.", {"Allow": "POST"})
