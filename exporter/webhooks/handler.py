"""The public HTTP edge: limits, one route a source, and an answer to whatever is sent."""

import time
from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import structlog

from exporter.errors import RequestError
from exporter.gateways import decoding, mps
from exporter.gateways import generic as results
from exporter.gateways.authentication import Authenticator, unsigned
from exporter.ledger.keys import body_key, make_deliveries, message_ids, webhook_key
from exporter.reasons import Reason
from exporter.records.record import SourceName
from exporter.results import (
    Batch,
    ClassifiedResult,
    PushResult,
    Rejection,
    Series,
    Severity,
)
from exporter.runtime import Service
from exporter.snapshot import Configuration
from exporter.webhooks.connections import IngestServer
from exporter.webhooks.request import Request
from exporter.webhooks.responses import Answer

STATUS = {
    one.value: one.status
    for one in Reason
    if one not in (Reason.NOT_FOUND, Reason.MALFORMED_REQUEST)
}
"""The HTTP status of each reason for refusing a call."""

MAX_LISTED_REJECTIONS = 1000

_FIELDS = {
    401: b"\r\nWWW-Authenticate: Bearer",
    405: b"\r\nAllow: POST",
    503: b"\r\nRetry-After: 2",
}
_NDJSON = {"application/x-ndjson", "application/ndjson", "application/jsonl"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of sender: where it calls, who it is, what it says, what makes a call unique."""

    name: SourceName
    path: str
    authenticator: Callable[[Configuration], Authenticator]
    decode: Callable[[Request], Batch]
    delivery_key: Callable[[Request], int | None]
    """The key of the whole call, or None where each result has its own."""


SOURCES = (
    Source(
        "mps",
        "/webhooks/mps",
        lambda configuration: configuration.mps,
        lambda request: mps.decode(request.body, request.query.get("channel")),
        lambda request: body_key(request.body),
    ),
    Source(
        "results",
        "/webhooks/results",
        lambda configuration: configuration.results,
        lambda request: results.decode(request.body, lines=request.content_type in _NDJSON),
        lambda request: webhook_key(request.headers.get("webhook-id")),
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

    def begin(self, request: Request) -> None:
        """Refuse at once what is refused whatever its body says."""
        request.started = time.perf_counter()
        self._service.in_flight += 1
        try:
            self._check(request)
        except RequestError as refusal:
            self.refuse(request, refusal)

    def receive(self, request: Request) -> None:
        """Take a call as far as the ledger, which says when it is durable."""
        try:
            batch, signed = self._read(request)
            classified = [(group, self._classify(group.result)) for group in batch.groups]
            key = self._source.delivery_key(request)
            deliveries = make_deliveries(classified, key)
            recorded = self._service.ledger.record(deliveries)
            if batch.rejected:
                self._keep(batch.rejected[0].reason, request, authenticated=signed)
            results = sum([delivery.size for delivery in deliveries])
            waiting = _Waiting(request, results, batch.rejected, message_ids(classified))
            recorded.add_done_callback(partial(self._answer, waiting))
        except Exception as error:  # noqa: BLE001 - the sender gets an answer, whatever it is
            self._fail(request, error)

    def refuse(self, request: Request, refusal: RequestError) -> None:
        """Answer with an error."""
        self._finish(request, refusal.reason, refuse(refusal))

    def _check(self, request: Request) -> None:
        if request.method != b"POST":
            raise RequestError(Reason.METHOD_NOT_ALLOWED, "Results are posted.")
        if self._service.draining:
            raise RequestError(Reason.DRAINING, "The exporter is stopping; send again.")
        self._service.bodies.check(request)

    def _read(self, request: Request) -> tuple[Batch, bool]:
        """Authenticate and decode; return whether it was a credential that let the call in, too."""
        authenticate = self._source.authenticator(self._service.configuration)
        signed = False
        try:
            authenticate(request.query, request.headers, request.body)
            signed = authenticate is not unsigned
            return self._source.decode(request), signed
        except RequestError as refusal:
            self._keep(refusal.reason, request, authenticated=signed)
            raise

    def _classify(self, result: PushResult) -> ClassifiedResult:
        meaning = self._service.configuration.classifier.classify(result)
        if meaning.severity is Severity.UNKNOWN:
            return self._service.unknown_codes.admit(meaning, result.message)
        return meaning

    def _answer(self, call: "_Waiting", recorded: "Future[int]") -> None:
        """Answer a call whose results are durable, or cannot be."""
        try:
            answer = self._count(call, recorded.result())
            self._service.results.remember(call.message_ids)
        except Exception as error:  # noqa: BLE001
            self._fail(call.request, error)
        else:
            self._finish(call.request, "accepted", Answer(200, answer))

    def _count(self, call: "_Waiting", accepted: int) -> dict[str, Any]:
        """Count what the ledger does not, and return what the answer says."""
        duplicates = call.results - accepted
        if duplicates:
            self._metrics.duplicates.inc(duplicates)
        for rejection in call.rejected:
            self._metrics.rejected[rejection.reason].inc()
        answer = {
            "accepted": accepted,
            "duplicates": duplicates,
            "rejected": call.rejected[:MAX_LISTED_REJECTIONS],
        }
        if call.rejected and not call.results:
            raise InvalidResultsError(call.rejected, answer)
        return answer

    def _fail(self, request: Request, error: Exception) -> None:
        """Answer with an error; none but our own fault is a 500."""
        if not isinstance(error, RequestError):
            log.error("a call could not be answered", source=self._source.name, exc_info=error)
            error = RequestError(Reason.INTERNAL_ERROR, "The exporter failed; its log says how.")
        self.refuse(request, error)

    def _finish(self, request: Request, status: str, answer: Answer) -> None:
        """Count the outcome of a call, and send its answer."""
        self._service.in_flight -= 1
        self._metrics.requests[status].inc()
        self._metrics.seconds.observe(time.perf_counter() - request.started)
        if self._debug:
            log.debug("request", source=self._source.name, status=status)
        request.answer(answer)


class _Waiting(NamedTuple):
    """What is kept of a call until its results are durable: as little as its answer needs."""

    request: Request
    results: int
    """How many results it has."""
    rejected: list[Rejection]
    message_ids: dict[Series, str]


class InvalidResultsError(RequestError):
    """Nothing in the body was a result."""

    def __init__(self, rejected: list[Rejection], answer: dict[str, Any]) -> None:
        first = rejected[0]
        super().__init__(
            Reason.INVALID_RESULTS,
            f"None of {len(rejected)} results is valid; at index {first.index}: {first.detail}",
        )
        self.answer = answer


def refuse(refusal: RequestError) -> Answer:
    """Answer with an error; hang up where the rest of the body would be taken for a request."""
    extra = refusal.answer if isinstance(refusal, InvalidResultsError) else {}
    status = STATUS[refusal.reason]
    return Answer(
        status,
        _error(refusal.reason, refusal.detail) | extra,
        fields=_FIELDS.get(status, b""),
        hang_up=refusal.reason.closes,
    )


def make_ingest_server(service: Service, max_connections: int) -> IngestServer:
    """Build the public listener: the webhooks, and an answer to everything else."""
    not_found = service.metrics.unrouted("not_found")
    malformed = service.metrics.unrouted("malformed_request")
    paths = " and ".join(source.path for source in SOURCES)

    def answer_not_found(request: Request) -> None:
        not_found.inc()
        request.answer(Answer(404, _error("not_found", f"The webhooks are {paths}.")))

    def answer_malformed() -> Answer:
        malformed.inc()
        return Answer(400, _error("malformed_request", "This is not HTTP/1.1."), hang_up=True)

    return IngestServer(
        {source.path: Webhook(source, service) for source in SOURCES},
        not_found=answer_not_found,
        malformed=answer_malformed,
        bodies=service.bodies,
        max_connections=max_connections,
    )


def _error(reason: str, detail: str) -> dict[str, Any]:
    return {"error": reason, "detail": detail}
