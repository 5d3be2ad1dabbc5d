"""The public HTTP edge: limits, one route a source, and an answer to whatever is sent."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from aiohttp import web
from xxhash import xxh3_64_intdigest

from exporter.answers import Answer
from exporter.authentication import Authenticator
from exporter.code_tables import OTHER
from exporter.configuration import Configuration
from exporter.connections import IngestServer
from exporter.errors import Refusal
from exporter.payloads import decoding, mps, results
from exporter.results import (
    Batch,
    ClassifiedResult,
    Delivery,
    PushResult,
    Rejection,
    ResultGroup,
    Series,
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

# Keys of different kinds never meet, because each kind hashes with a seed of its own.
_BODY_SEED, _WEBHOOK_SEED, _RESULT_SEED = 1, 2, 3

Classified = list[tuple[ResultGroup, ClassifiedResult]]

Body = TypeVar("Body", bytes, bytearray)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of sender: where it calls, who it is, what it says, what makes a call unique."""

    name: str
    path: str
    authenticator: Callable[[Configuration], Authenticator]
    decode: Callable[[web.BaseRequest, bytes], Batch]
    delivery_key: Callable[[web.BaseRequest, bytes], int | None]
    """The key of the whole call, or None where each result has its own."""


def _webhook_key(request: web.BaseRequest, body: bytes) -> int | None:
    del body
    identity = request.headers.get("webhook-id")
    if not identity:
        return None
    return xxh3_64_intdigest(identity.encode("utf-8", "surrogateescape"), _WEBHOOK_SEED)


SOURCES = (
    Source(
        "mps",
        "/webhooks/mps",
        lambda configuration: configuration.mps,
        lambda request, body: mps.decode(body, request.query.get("channel")),
        lambda _request, body: xxh3_64_intdigest(body, _BODY_SEED),
    ),
    Source(
        "results",
        "/webhooks/results",
        lambda configuration: configuration.results,
        lambda request, body: results.decode(body, lines=request.content_type in _NDJSON),
        _webhook_key,
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
            raise Refusal("draining", "The exporter is stopping; send the results again.")
        body = await read_body(request, settings.max_body_bytes, settings.body_timeout_seconds)
        authenticate = self._source.authenticator(self._service.configuration)
        authenticate(request.query, request.headers, body)
        batch = self._source.decode(request, body)
        classified = [(group, self._classify(group.result)) for group in batch.groups]
        deliveries = make_deliveries(classified, self._source.delivery_key(request, body))
        accepted = await self._service.ledger.record(deliveries) if deliveries else 0
        self._service.results.remember(_message_ids(classified))
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


async def read_body(request: web.BaseRequest, limit: int, seconds: float) -> bytes:
    """Read a body of at most `limit` bytes within so many seconds, or raise Refusal."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise Refusal("unsupported_encoding", "Send the body as it is, without Content-Encoding.")
    declared = request.content_length
    if declared is not None and declared > limit:
        raise _too_large(limit)
    content = request.content
    if content.is_eof():  # most bodies come with their head, and need neither a clock nor a loop
        return _within(limit, content.read_nowait())
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in content.iter_any():
                body += chunk
                _within(limit, body)
    except TimeoutError:
        raise Refusal("body_timeout", f"The body did not arrive in {seconds:g} s.") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refusal(
            "malformed_body", "The body broke off, or its chunks are malformed."
        ) from None
    return bytes(body)


def _within(limit: int, body: Body) -> Body:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> Refusal:
    return Refusal("too_large", f"The body is larger than {limit} bytes.")


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


def make_ingest_server(service: Service) -> IngestServer:
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
        max_connections=service.settings.max_connections,
    )


def make_deliveries(classified: Classified, key: int | None) -> list[Delivery]:
    """Make one delivery of a call with a key; else one of each result that has an id."""
    if key is not None:
        counts: dict[Series, int] = {}
        for group, meaning in classified:
            pushes = group.count + sum(item.count or 1 for item in group.identified)
            counts[meaning.series] = counts.get(meaning.series, 0) + pushes
        results = sum(group.items for group, _ in classified)
        return [Delivery([key], counts, results)] if counts else []
    deliveries = []
    for group, meaning in classified:
        series = meaning.series
        if group.anonymous:
            deliveries.append(Delivery([], {series: group.count}, group.anonymous))
        for count, keys in _keys_by_count(group, series).items():
            deliveries.append(Delivery(keys, {series: count}, 1))
    return deliveries


def _keys_by_count(group: ResultGroup, series: Series) -> dict[int, list[int]]:
    """Make a key of channel, code and id for each result that has an id."""
    # The code as it was sent, not as it is labelled; and channels that we do not know share a
    # label, but their ids are not each other's.
    sender = repr(group.result.hint) if series.channel == OTHER else series.channel
    prefix = f"{sender}\0{group.result.code}\0"
    keys: dict[int, list[int]] = {}
    for item in group.identified:
        key = xxh3_64_intdigest(f"{prefix}{item.id}".encode(), _RESULT_SEED)
        count = item.count or 1
        if count in keys:
            keys[count].append(key)
        else:
            keys[count] = [key]
    return keys


def _message_ids(classified: Classified) -> dict[Series, str]:
    """Return the last message id of each series that is worth a look: warning and worse."""
    return {
        meaning.series: str(group.identified[-1].id)
        for group, meaning in classified
        if meaning.severity is not Severity.INFO and group.identified
    }


def _error(reason: str, detail: str) -> dict[str, Any]:
    return {"error": reason, "detail": detail}
