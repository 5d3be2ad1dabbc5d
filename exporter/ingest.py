"""The public HTTP edge: limits, one route a source, and an answer to whatever is sent."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from exporter.answers import Answer
from exporter.authentication import Authenticator, unsigned
from exporter.bodies import read_body
from exporter.configuration import Configuration
from exporter.connections import IngestServer
from exporter.deliveries import body_key, make_deliveries, message_ids, webhook_key
from exporter.errors import Refusal, draining
from exporter.payloads import decoding, mps, results
from exporter.records import SourceName
from exporter.results import (
    Batch,
    ClassifiedResult,
    PushResult,
    Rejection,
    Severity,
)
from exporter.service import Service

STATUS = {
    "malformed_body": 400,
    "invalid_results": 400,
    "missing_credentials": 401,
    "bad_signature": 401,
    "stale_timestamp": 401,
    "method_not_allowed": 405,
    "body_timeout": 408,
    "too_large": 413,
    "unsupported_encoding": 415,
    "internal_error": 500,
    "overloaded": 503,
    "ledger_unavailable": 503,
    "draining": 503,
}
"""The HTTP status of each reason for refusing a call."""

MAX_LISTED_REJECTIONS = 1000

_HEADERS = {
    401: b"\r\nWWW-Authenticate: Bearer",
    405: b"\r\nAllow: POST",
    503: b"\r\nRetry-After: 2",
}
_HANG_UP = {"too_large", "unsupported_encoding", "body_timeout", "draining"}  # body left unread
_NDJSON = {"application/x-ndjson", "application/ndjson", "application/jsonl"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of sender: where it calls, who it is, what it says, what makes a call unique."""

    name: SourceName
    path: str
    authenticator: Callable[[Configuration], Authenticator]
    decode: Callable[[web.BaseRequest, bytes], Batch]
    delivery_key: Callable[[web.BaseRequest, bytes], int | None]
    """The key of the whole call, or None where each result has its own."""


SOURCES = (
    Source(
        "mps",
        "/webhooks/mps",
        lambda configuration: configuration.mps,
        lambda request, body: mps.decode(body, request.query.get("channel")),
        lambda _request, body: body_key(body),
    ),
    Source(
        "results",
        "/webhooks/results",
        lambda configuration: configuration.results,
        lambda request, body: results.decode(body, lines=request.content_type in _NDJSON),
        lambda request, _body: webhook_key(request.headers.get("webhook-id")),
    ),
)


class Webhook:
    """One route: authenticate → decode → classify → record → count → answer."""

    def __init__(self, source: Source, service: Service) -> None:
        self._source = source
        self._service = service
        self._metrics = service.metrics.for_source(
            source.name, ["accepted", *STATUS], decoding.REASONS
        )
        self._keep = partial(service.recorder.keep, source.name)
        self._debug = service.settings.log_level == "debug"

    async def handle(self, request: web.BaseRequest) -> Answer:
        """Answer one call; every outcome is counted, and none but our own fault is a 500."""
        started = time.perf_counter()
        self._service.in_flight += 1
        try:
            answer = await self._receive(request)
            status, response = "accepted", Answer(200, answer)
        except Refusal as refusal:
            status, response = refusal.reason, refuse(refusal)
        except Exception:
            log.exception("a call could not be answered", source=self._source.name)
            status = "internal_error"
            response = refuse(Refusal(status, "The exporter failed; its log says how."))
        finally:
            self._service.in_flight -= 1
        self._metrics.requests[status].inc()
        self._metrics.seconds.observe(time.perf_counter() - started)
        if self._debug:
            log.debug("request", source=self._source.name, status=status)
        return response

    async def _receive(self, request: web.BaseRequest) -> dict[str, Any]:
        settings = self._service.settings
        if request.method != "POST":
            raise Refusal("method_not_allowed", "Results are posted.")
        if self._service.draining:
            raise draining()
        with self._service.bodies.hold() as held:
            body = await read_body(
                request, held, settings.max_body_bytes, settings.body_timeout_seconds
            )
            authenticate = self._source.authenticator(self._service.configuration)
            signed = False
            try:
                authenticate(request.query, request.headers, body)
                signed = authenticate is not unsigned
                batch = self._source.decode(request, body)
            except Refusal as refusal:
                self._keep(refusal.reason, request, body, authenticated=signed)
                raise
            classified = [(group, self._classify(group.result)) for group in batch.groups]
            deliveries = make_deliveries(classified, self._source.delivery_key(request, body))
            accepted = await self._service.ledger.record(deliveries) if deliveries else 0
            if batch.rejected:
                self._keep(batch.rejected[0].reason, request, body, authenticated=signed)
        self._service.results.remember(message_ids(classified))
        return self._answer(batch, accepted)

    def _classify(self, result: PushResult) -> ClassifiedResult:
        meaning = self._service.configuration.classifier.classify(result)
        if meaning.severity is Severity.UNKNOWN:
            return self._service.unknown_codes.admit(meaning, result.message)
        return meaning

    def _answer(self, batch: Batch, accepted: int) -> dict[str, Any]:
        results = sum(group.items for group in batch.groups)
        duplicates = results - accepted
        if duplicates:
            self._metrics.duplicates.inc(duplicates)
        for rejection in batch.rejected:
            self._metrics.rejected[rejection.reason].inc()
        answer = {
            "accepted": accepted,
            "duplicates": duplicates,
            "rejected": batch.rejected[:MAX_LISTED_REJECTIONS],
        }
        if batch.rejected and not results:
            raise InvalidResults(batch.rejected, answer)
        return answer


class InvalidResults(Refusal):
    """Nothing in the body was a result."""

    def __init__(self, rejected: list[Rejection], answer: dict[str, Any]) -> None:
        first = rejected[0]
        super().__init__(
            "invalid_results",
            f"None of {len(rejected)} results is valid; at index {first.index}: {first.detail}",
        )
        self.answer = answer


def refuse(refusal: Refusal) -> Answer:
    """Answer with an error; hang up where the rest of the body would be taken for a request."""
    extra = refusal.answer if isinstance(refusal, InvalidResults) else {}
    status = STATUS[refusal.reason]
    return Answer(
        status,
        _error(refusal.reason, refusal.detail) | extra,
        headers=_HEADERS.get(status, b""),
        hang_up=refusal.reason in _HANG_UP,
    )


def make_ingest_server(service: Service, max_connections: int) -> IngestServer:
    """Build the public listener: the webhooks, and an answer to everything else."""
    not_found = service.metrics.unrouted("not_found")
    malformed = service.metrics.unrouted("malformed_request")
    paths = " and ".join(source.path for source in SOURCES)

    async def answer_not_found(_request: web.BaseRequest) -> Answer:
        not_found.inc()
        return Answer(404, _error("not_found", f"The webhooks are {paths}."))

    def answer_malformed(status: int) -> Answer:
        malformed.inc()
        return Answer(status, _error("malformed_request", "This is not HTTP/1.1."), hang_up=True)

    return IngestServer(
        {source.path: Webhook(source, service).handle for source in SOURCES},
        not_found=answer_not_found,
        malformed=answer_malformed,
        max_connections=max_connections,
    )


def _error(reason: str, detail: str) -> dict[str, Any]:
    return {"error": reason, "detail": detail}
