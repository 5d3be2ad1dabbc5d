"""Send calls to a webhook at a rate, and add up how they are answered."""

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import aiohttp
import msgspec

from exporter.errors import ConfigurationError, RequestError

MAX_UNDER_WAY = 64
"""Calls at a time; a gateway that waits for no answer would only measure its own queue."""

_REASON = re.compile("[a-z_]{1,40}")
_JSON = {"Content-Type": "application/json"}


class Call(NamedTuple):
    """One webhook call, signed."""

    url: str
    body: bytes
    headers: Mapping[str, str] = _JSON


class Summary(NamedTuple):
    """What became of the calls: by HTTP status or `no answer`, by results, by reason."""

    sent: int
    answers: Counter[str]
    seconds: float
    results: Counter[str]
    """How many results were accepted, duplicates or rejected."""
    reasons: Counter[str]
    """Why calls, or results of accepted calls, were refused."""
    failures: Counter[str]
    """Why calls got no answer."""

    @property
    def all_accepted(self) -> bool:
        """Whether nothing was refused or left without an answer."""
        return self.answers["200"] == self.sent and not self.reasons


Progress = Callable[[Summary], None]


async def send(
    calls: Iterable[Call],
    *,
    rate: float,
    seconds: float | None = None,
    count: int | None = None,
    progress: Progress = lambda _summary: None,
) -> Summary:
    """Post calls at `rate` a second, until they, `seconds` or `count` are used up."""
    tally = _Tally()
    places = asyncio.Semaphore(MAX_UNDER_WAY)
    problem: ConfigurationError | RequestError | None = None
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:

        async def post(call: Call) -> None:
            try:
                await _post(session, call, tally)
            finally:
                places.release()

        try:
            for call in calls:
                if (count is not None and tally.sent >= count) or (
                    seconds is not None and tally.seconds >= seconds
                ):
                    break
                await asyncio.sleep(max(0.0, tally.sent / rate - tally.seconds))
                await places.acquire()
                tasks.create_task(post(call))
                tally.sent += 1
                progress(tally.summary())
        except (ConfigurationError, RequestError) as error:
            problem = error  # raised in here it would come out wrapped in a group
    if problem:
        raise problem
    return tally.summary()


async def _post(session: aiohttp.ClientSession, call: Call, tally: "_Tally") -> None:
    """Add up what comes back; a redirect is an answer, for it may lead anywhere."""
    try:
        async with session.post(
            call.url, data=call.body, headers=call.headers, allow_redirects=False
        ) as answer:
            tally.add(str(answer.status), await answer.read())
    except (aiohttp.ClientError, TimeoutError) as error:
        tally.miss(error)


class _Rejection(msgspec.Struct):
    reason: str


class _Answer(msgspec.Struct):
    """What an exporter says; of anything else that may listen there nothing is believed."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[_Rejection] = []
    error: str | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


class _Tally:
    """Adds up calls and answers."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.sent = 0
        self.answers: Counter[str] = Counter()
        self.results: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def summary(self) -> Summary:
        return Summary(
            self.sent, self.answers, self.seconds, self.results, self.reasons, self.failures
        )

    def miss(self, error: Exception) -> None:
        self.answers["no answer"] += 1
        self.failures[_cause(error)] += 1

    def add(self, status: str, body: bytes) -> None:
        self.answers[status] += 1
        try:
            answer = _ANSWER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        rejected = [one.reason for one in answer.rejected]
        given = {
            "accepted": answer.accepted,
            "duplicates": answer.duplicates,
            "rejected": len(rejected),
        }
        self.results.update({name: number for name, number in given.items() if number})
        for reason in [answer.error, *rejected]:
            if reason is not None:
                self.reasons[reason if _REASON.fullmatch(reason) else "unknown"] += 1


def _cause(error: Exception) -> str:
    """Say why there is no answer, without the address, which is the caller's own."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS handshake"
    if isinstance(error, OSError) and error.errno is not None:
        # A name that is not found has a number of its own, which is negative.
        return os.strerror(error.errno) if error.errno > 0 else "unknown host"
    if isinstance(error, aiohttp.InvalidURL):
        return "invalid URL"
    closed = isinstance(error, aiohttp.ClientConnectionError)
    return "connection closed" if closed else "invalid response"
