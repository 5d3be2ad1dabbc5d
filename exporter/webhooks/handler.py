"""The way of a request: authenticate → decode → classify → commit → count → respond."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
from aiohttp import HttpVersion11, hdrs, web

from exporter.errors import UNROUTED, Reason, RequestError
from exporter.gateways.compression import unpack_gzip
from exporter.gateways.gateway import Gateway, ReceivedRequest
from exporter.results import (
    ClassifiedResult,
    DecodedItems,
    PushResult,
    Rejection,
    Severity,
    results_of,
)
from exporter.runtime.runtime import Runtime
from exporter.webhooks.deliveries import make_deliveries, message_ids
from exporter.webhooks.limits import Bodies, Limits, is_compressed
from exporter.webhooks.responses import echo, respond

LISTED_REJECTIONS = 10
"""Rejected items that a response names: some gateways take a long response for a failure."""

MAX_LISTED_REJECTIONS = 1000
"""The same with `?verbose=1`."""

_PREFIX = "/webhooks/"


class Exchange(msgspec.Struct):
    """How far a request has come: what its error response, its metrics and its record need."""

    source: str = UNROUTED
    """The gateway's name, once the path is known."""
    received: ReceivedRequest | None = None
    """The request with its body, once that has arrived."""
    proven: bool = False
    """Whether a credential has let it in."""
    rejected: list[Rejection] = []
    """Its items that are not results, if others are."""


class Webhooks:
    """The handler of every gateway."""

    def __init__(self, runtime: Runtime, limits: Limits, bodies: Bodies) -> None:
        self._runtime = runtime
        self._limits = limits
        self._bodies = bodies

    async def handle(self, request: web.BaseRequest, exchange: Exchange) -> web.Response:
        """Take a request as far as its response; raises RequestError for whatever is wrong."""
        gateway = self._check(request, exchange)
        if hdrs.EXPECT in request.headers and request.version >= HttpVersion11:
            await _let_send(request)
        body = await self._bodies.read(request)
        received = exchange.received = self._received(request, body)
        verification = gateway.verification(received)
        if verification is not None:
            if verification.echo is not None:
                return echo(verification.echo)
            return _response(gateway, received, 0, 0, [])
        if request.method != "POST":
            raise _method_not_allowed()
        credential = gateway.authenticate(received)
        exchange.proven = credential.proven
        batch = await _decoded(gateway, received)
        exchange.rejected = batch.rejected
        self._runtime.code_matches.observe(gateway.name, batch)
        classified = [(group, self._classify(group.result)) for group in batch.groups]
        key = gateway.request_key(received, credential)
        deliveries = make_deliveries(classified, credential, key)
        accepted = await self._runtime.ledger.record(deliveries)
        duplicates = results_of(deliveries) - accepted
        self._count(gateway, duplicates, batch.skipped, batch.rejected)
        if shown := message_ids(classified):
            self._runtime.results.remember(shown)
        return _response(gateway, received, accepted, duplicates, batch.rejected)

    def _check(self, request: web.BaseRequest, exchange: Exchange) -> Gateway:
        """Return the gateway of the path; raises RequestError for what the headers rule out."""
        gateway = self._gateway(request)
        exchange.source = gateway.name
        if request.method not in ("POST", "GET"):  # GET may be a handshake
            raise _method_not_allowed()
        if self._runtime.draining:
            raise RequestError(Reason.DRAINING, "The exporter is stopping; send again.")
        self._bodies.check(request.headers)
        return gateway

    def _gateway(self, request: web.BaseRequest) -> Gateway:
        gateways = self._runtime.snapshot.gateways
        path = request.raw_path.partition("?")[0]
        gateway = gateways.get(path.removeprefix(_PREFIX)) if path.startswith(_PREFIX) else None
        if gateway is None:  # it may have a doubled or trailing slash, or escapes
            root, _, name = "/".join(filter(None, request.path.split("/"))).partition("/")
            gateway = gateways.get(name) if root == "webhooks" else None
        if gateway is None:
            raise RequestError(
                Reason.NOT_FOUND, "Webhooks are POST /webhooks/<gateway>; this path is none."
            )
        return gateway

    def _received(self, request: web.BaseRequest, body: bytes) -> ReceivedRequest:
        headers = request.headers
        content = body
        if is_compressed(headers):
            content = unpack_gzip(body, self._limits.max_body_bytes)
        return ReceivedRequest(
            body,
            headers,
            request.query,
            content=content,
            address=partial(_address, request),
            method=request.method,
        )

    def _classify(self, result: PushResult) -> ClassifiedResult:
        meaning = self._runtime.snapshot.classifier.classify(result)
        if meaning.severity is Severity.UNKNOWN:
            return self._runtime.unknown_codes.admit(meaning, result.message, result.hint)
        return meaning

    def _count(
        self, gateway: Gateway, duplicates: int, skipped: int, rejected: list[Rejection]
    ) -> None:
        """Count what the ledger does not."""
        source = self._runtime.metrics.webhooks.source
        if duplicates:
            source(gateway.name).duplicates.inc(duplicates)
        if skipped:
            source(gateway.name).skipped.inc(skipped)
        for rejection in rejected:
            source(gateway.name).rejected[rejection.reason].inc()


async def _decoded(gateway: Gateway, received: ReceivedRequest) -> DecodedItems:
    """Decode a body, and let the event loop run between two steps."""
    steps = gateway.decode(received)
    whole = next(steps, None) or DecodedItems()
    for step in steps:
        await asyncio.sleep(0)
        whole.add(step)
    return whole


async def _let_send(request: web.BaseRequest) -> None:
    """Let the client send its body, which the headers do not rule out (RFC 9110, 10.1.1)."""
    if request.headers[hdrs.EXPECT].lower() == "100-continue":
        with suppress(ConnectionError):  # whoever has gone sends no body, which will be said
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the response has not begun


def _address(request: web.BaseRequest) -> str:
    """Return host, path and query of the URL as the sender used it."""
    return f"{request.host}{request.raw_path}"


def _response(
    gateway: Gateway,
    received: ReceivedRequest,
    accepted: int,
    duplicates: int,
    rejected: list[Rejection],
) -> web.Response:
    """Say what became of the items; raises RequestError if none of them is a result."""
    content: dict[str, Any] = {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
    if rejected:
        verbose = received.query.get("verbose", "") not in ("", "0", "false")
        listed = MAX_LISTED_REJECTIONS if verbose else LISTED_REJECTIONS
        content["rejected"] = rejected[:listed]
        if len(rejected) > listed:
            content["rejected_total"] = len(rejected)
        if not accepted + duplicates:
            first = rejected[0]
            raise RequestError(
                Reason.INVALID_RESULTS,
                f"None of {len(rejected)} items is a result; at index {first.index}: "
                f"{first.detail}",
                extra=content,
            )
    return respond(content if gateway.response is None else gateway.response)


def _method_not_allowed() -> RequestError:
    return RequestError(Reason.METHOD_NOT_ALLOWED, "Results are posted.", {"Allow": "POST"})
