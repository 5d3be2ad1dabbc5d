"""Sends requests at a rate, and counts the responses."""

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import aiohttp
import msgspec

from exporter.errors import ConfigurationError, Reason, RequestError

MAX_CONCURRENT = 64
"""Maximum number of requests in flight; with more, the sender's own queue would dominate."""

EXPIRED, OTHER_HOST, UNTRUSTED, NO_TLS = (
    "expired certificate",
    "certificate of another host",
    "untrusted certificate",
    "no TLS on this port",
)
"""Causes of failed requests."""

_CERTIFICATE_ERRORS = {10: EXPIRED, 62: OTHER_HOST, 64: OTHER_HOST}
"""The cause for each verification error of OpenSSL (X509_V_ERR), by default UNTRUSTED."""

_PLAIN_TEXT = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""OpenSSL's reasons, by version, for failing at a port without TLS."""

_MAX_DETAIL_LENGTH = 1000
_REASONS = frozenset(Reason)
_REASON = re.compile("[a-z_]{1,40}")
_JSON = {"Content-Type": "application/json"}


class Request(NamedTuple):
    """A signed request to a webhook."""

    url: str
    body: bytes
    headers: Mapping[str, str] = _JSON


class Summary(NamedTuple):
    """The outcomes of all requests."""

    sent: int
    responses: Counter[str]
    """Responses by HTTP status, or `no response`."""
    seconds: float
    results: Counter[str]
    """Results by outcome: accepted, duplicates, rejected."""
    reasons: Counter[str]
    """Refused requests, and rejected results of accepted requests, by reason."""
    failures: Counter[str]
    """Requests without a response, by cause."""
    detail: str
    """The exporter's explanation of the first refusal; empty if there is none."""

    @property
    def all_accepted(self) -> bool:
        """Whether every request was accepted, with all its results."""
        return self.responses["200"] == self.sent and not self.reasons


Progress = Callable[[Summary], None]


async def send(
    requests: Iterable[Request],
    *,
    rate: float,
    seconds: float | None = None,
    count: int | None = None,
    progress: Progress = lambda _summary: None,
) -> Summary:
    """Post `rate` requests per second, up to a number of seconds or a count."""
    tally = _Tally()
    places = asyncio.Semaphore(MAX_CONCURRENT)
    problem: ConfigurationError | RequestError | None = None
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:

        async def post(request: Request) -> None:
            try:
                await _post(session, request, tally)
            finally:
                places.release()

        try:
            for request in requests:
                if (count is not None and tally.sent >= count) or (
                    seconds is not None and tally.seconds >= seconds
                ):
                    break
                await asyncio.sleep(max(0.0, tally.sent / rate - tally.seconds))
                await places.acquire()
                tasks.create_task(post(request))
                tally.sent += 1
                progress(tally.summary())
        except (ConfigurationError, RequestError) as error:
            problem = error  # raised here, it would be wrapped in an ExceptionGroup
    if problem:
        raise problem
    return tally.summary()


async def _post(session: aiohttp.ClientSession, request: Request, tally: "_Tally") -> None:
    """Post a request, without following redirects, and count its response."""
    try:
        async with session.post(
            request.url, data=request.body, headers=request.headers, allow_redirects=False
        ) as response:
            tally.add(str(response.status), await response.read())
    except (aiohttp.ClientError, TimeoutError) as error:
        tally.miss(error)


class _Rejection(msgspec.Struct):
    reason: str


class _Response(msgspec.Struct):
    """The body of an exporter's response; other bodies are ignored."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[_Rejection] = []
    error: str | None = None
    detail: Any = None

    @property
    def explanation(self) -> str:
        """The detail, if it can be an exporter's and is safe for a terminal."""
        detail = self.detail
        known = self.error in _REASONS and isinstance(detail, str) and detail.isprintable()
        return detail[:_MAX_DETAIL_LENGTH] if known else ""


_RESPONSE = msgspec.json.Decoder(_Response)


class _Tally:
    """Counts requests and responses."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.sent = 0
        self.responses: Counter[str] = Counter()
        self.results: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.detail = ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def summary(self) -> Summary:
        return Summary(
            self.sent,
            self.responses,
            self.seconds,
            self.results,
            self.reasons,
            self.failures,
            self.detail,
        )

    def miss(self, error: Exception) -> None:
        self.responses["no response"] += 1
        self.failures[_cause(error)] += 1

    def add(self, status: str, body: bytes) -> None:
        self.responses[status] += 1
        try:
            response = _RESPONSE.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        self.detail = self.detail or response.explanation
        rejected = [rejection.reason for rejection in response.rejected]
        given = {
            "accepted": response.accepted,
            "duplicates": response.duplicates,
            "rejected": len(rejected),
        }
        self.results.update({name: number for name, number in given.items() if number})
        for reason in [response.error, *rejected]:
            if reason is not None:
                self.reasons[reason if _REASON.fullmatch(reason) else "unknown"] += 1


def _cause(error: Exception) -> str:
    """Return the cause of a missing response, without the address."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        code = getattr(error.certificate_error, "verify_code", 0)
        return _CERTIFICATE_ERRORS.get(code, UNTRUSTED)
    if isinstance(error, aiohttp.ClientSSLError):
        is_plain = getattr(error.os_error, "reason", None) in _PLAIN_TEXT
        return NO_TLS if is_plain else "TLS handshake"
    if isinstance(error, OSError) and error.errno is not None:
        # A host that is not found has a negative number.
        return os.strerror(error.errno) if error.errno > 0 else "unknown host"
    if isinstance(error, aiohttp.InvalidURL):
        return "invalid URL"
    closed = isinstance(error, aiohttp.ClientConnectionError)
    return "connection closed" if closed else "invalid response"
