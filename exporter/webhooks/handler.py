"""The public HTTP edge: limits, one route a source, and an answer to whatever is sent."""

import time
from asyncio import Future
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

import structlog
from multidict import CIMultiDict

from exporter.errors import RequestError
from exporter.gateways.gateway import Credential, Gateway, ReceivedRequest
from exporter.ledger.keys import make_deliveries, message_ids
from exporter.reasons import ItemReason, Reason
from exporter.results import (
    Batch,
    ClassifiedResult,
    PushResult,
    Rejection,
    Series,
    Severity,
)
from exporter.runtime import Service
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
log = structlog.get_logger()


class Webhook:
    """One route: authenticate → decode → classify → record → count → answer."""

    def __init__(self, name: str, service: Service) -> None:
        self._name = name
        self._service = service
        self._metrics = service.metrics.for_source(name, ["accepted", *STATUS], list(ItemReason))
        self._keep = partial(service.recorder.keep, name)
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
            received = ReceivedRequest(
                request.body, CIMultiDict(request.headers), urlencode(request.query)
            )
            batch, credential = self._read(request, received)
            classified = [(group, self._classify(group.result)) for group in batch.groups]
            key = self._gateway.request_key(received, credential)
            deliveries = make_deliveries(classified, key and key.key)
            recorded = self._service.ledger.record(deliveries)
            if batch.rejected:
                self._keep(batch.rejected[0].reason, request, authenticated=credential.proven)
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

    @property
    def _gateway(self) -> Gateway:
        return self._service.configuration.gateways[self._name]

    def _read(self, request: Request, received: ReceivedRequest) -> tuple[Batch, Credential]:
        """Authenticate and decode."""
        proven = False
        try:
            credential = self._gateway.authenticate(received)
            proven = credential.proven
            return self._gateway.decode(received), credential
        except RequestError as refusal:
            self._keep(refusal.reason, request, authenticated=proven)
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
            log.error("a call could not be answered", source=self._name, exc_info=error)
            error = RequestError(Reason.INTERNAL_ERROR, "The exporter failed; its log says how.")
        self.refuse(request, error)

    def _finish(self, request: Request, status: str, answer: Answer) -> None:
        """Count the outcome of a call, and send its answer."""
        self._service.in_flight -= 1
        self._metrics.requests[status].inc()
        self._metrics.seconds.observe(time.perf_counter() - request.started)
        if self._debug:
            log.debug("request", source=self._name, status=status)
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
    names = list(service.configuration.gateways)
    paths = " and ".join(f"/webhooks/{name}" for name in names)

    def answer_not_found(request: Request) -> None:
        not_found.inc()
        request.answer(Answer(404, _error("not_found", f"The webhooks are {paths}.")))

    def answer_malformed() -> Answer:
        malformed.inc()
        return Answer(400, _error("malformed_request", "This is not HTTP/1.1."), hang_up=True)

    return IngestServer(
        {f"/webhooks/{name}": Webhook(name, service) for name in names},
        not_found=answer_not_found,
        malformed=answer_malformed,
        bodies=service.bodies,
        max_connections=max_connections,
    )


def _error(reason: str, detail: str) -> dict[str, Any]:
    return {"error": reason, "detail": detail}
