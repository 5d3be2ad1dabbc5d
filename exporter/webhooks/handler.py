"""Handles a request: authenticate → decode → classify → submit → respond."""

import zlib
from contextlib import suppress
from functools import partial

import msgspec
from aiohttp import HttpVersion11, hdrs, web

from exporter.errors import UNROUTED, Reason, RequestError
from exporter.gateways.gateway import Gateway, ReceivedRequest
from exporter.results import Rejection
from exporter.runtime.hub import Status
from exporter.webhooks.deliveries import make_submission
from exporter.webhooks.edge import Edge
from exporter.webhooks.limits import is_compressed
from exporter.webhooks.responses import Responses, echo

_PREFIX = "/webhooks/"

_MAX_GZIP_MEMBERS = 64
"""Gzip members of a body: unpacking each copies the rest of the body."""


class RequestState(msgspec.Struct):
    """What is known of a request so far: for its error response, its metrics and its record."""

    source: str = UNROUTED
    """The gateway's name, once the path is known."""
    received: ReceivedRequest | None = None
    """The request with its body, once that has arrived."""
    proven: bool = False
    """Whether a credential has let it in."""
    rejected: list[Rejection] = []
    """Its invalid items."""
    status: Status = "accepted"
    """How it ends, if not by an error."""
    other_path: str | None = None
    """Its path, where no webhook has it."""


class Webhooks:
    """The handler of every gateway."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._responses = Responses(edge.service)

    async def handle(self, request: web.BaseRequest, state: RequestState) -> web.StreamResponse:
        """Handle a request; every failure is a RequestError."""
        gateway = self._check(request, state)
        if hdrs.EXPECT in request.headers and request.version >= HttpVersion11:
            await _send_continue(request)
        body = await self._edge.bodies.read(request)
        received = state.received = self._received(request, body)
        handshake = gateway.handshake(received)
        if handshake is not None:
            state.status = "verified"
            return echo(handshake)
        if request.method != "POST":
            raise _method_not_allowed()
        credential = gateway.authenticate(received)
        state.proven = credential.proven
        batch = gateway.decode(received)
        state.rejected = batch.rejected
        classify = self._edge.current.snapshot.classifier.classify
        classified = [(group, classify(group.result)) for group in batch.groups]
        key = gateway.request_key(received, credential)
        submission = make_submission(gateway.name, batch, classified, credential, key)
        receipt = await self._edge.hub.commit(submission)
        return self._responses.respond(request, gateway, received, receipt, batch.rejected)

    def _check(self, request: web.BaseRequest, state: RequestState) -> Gateway:
        """Return the gateway of the path; raises RequestError for what the headers rule out."""
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
        if gateway is None:  # the path may have a doubled or trailing slash, or escapes
            root, _, name = "/".join(filter(None, request.path.split("/"))).partition("/")
            gateway = gateways.get(name) if root == "webhooks" else None
        return gateway

    def _received(self, request: web.BaseRequest, body: bytes) -> ReceivedRequest:
        headers = request.headers
        content = body
        if is_compressed(headers):
            content = _unpacked(body, self._edge.limits.max_body_bytes)
        return ReceivedRequest(
            body, headers, request.query, content=content, url=partial(_url, request)
        )


async def _send_continue(request: web.BaseRequest) -> None:
    """Tell the client to send its body, which the headers do not rule out (RFC 9110, 10.1.1)."""
    if request.headers[hdrs.EXPECT].lower() == "100-continue":
        with suppress(ConnectionError):  # a client that left is reported when its body is read
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the response has not begun


def _url(request: web.BaseRequest) -> str:
    """Return the URL as the sender used it, if the proxy reports the scheme."""
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
    return f"{scheme}://{request.host}{request.raw_path}"


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    """Unpack gzip, up to the size that a body may have."""
    content = b""
    members = 0
    try:
        while body:  # gzip members may follow each other
            members += 1
            if members > _MAX_GZIP_MEMBERS:
                detail = f"The body has more than {_MAX_GZIP_MEMBERS} gzip members."
                raise RequestError(Reason.MALFORMED_BODY, detail)
            unpacker = zlib.decompressobj(wbits=31)
            content += unpacker.decompress(body, max_bytes + 1 - len(content))
            if len(content) > max_bytes:
                detail = f"The body is larger than {max_bytes} bytes when it is unpacked."
                raise RequestError(Reason.TOO_LARGE, detail)
            if not unpacker.eof:
                raise RequestError(Reason.MALFORMED_BODY, "The gzip data is truncated.")
            body = unpacker.unused_data
    except zlib.error:
        raise RequestError(Reason.MALFORMED_BODY, "The body is not gzip.") from None
    return content


def _method_not_allowed() -> RequestError:
    return RequestError(Reason.METHOD_NOT_ALLOWED, "Only POST is accepted.", {"Allow": "POST"})
