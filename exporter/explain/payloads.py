"""What a captured body says: in which format, each result with its meaning, each bad item."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from exporter.classification.classifier import Classifier
from exporter.errors import Reason, RequestError
from exporter.explain.codes import Meaning, explain_result
from exporter.explain.items import ItemTrace, trace_items
from exporter.gateways.described.gateway import Described
from exporter.gateways.gateway import Gateway, ReceivedRequest
from exporter.gateways.registry import Gateways, recognize
from exporter.gateways.text import is_json
from exporter.results import DecodedItems, PushResult, ResultGroup


class Payload(NamedTuple):
    """A body, with what else is known of its request."""

    body: bytes
    gateway: str | None = None
    """Which gateway it came through; None if its look has to tell."""
    channel: str | None = None
    """The hint of the URL."""
    content_type: str = ""

    def request(self) -> ReceivedRequest:
        """Return the request, as far as it is known."""
        query = {"channel": self.channel} if self.channel else {}
        return ReceivedRequest(self.body, {"Content-Type": self.content_type}, query)


class Signature(msgspec.Struct, frozen=True):
    """Whether the credentials that came with a payload fit it."""

    verifies: bool
    detail: str
    reason: str | None = None
    """The error that the exporter would respond with."""

    @property
    def verdict(self) -> str:
        """Say it in a word or two."""
        return "verifies" if self.verifies else "does not verify"


class BadItem(msgspec.Struct, frozen=True):
    """What is not a result: an item, or a line that was captured."""

    index: int
    reason: str
    detail: str


class Explanation(msgspec.Struct, frozen=True):
    """The answer to a question about a code or a payload."""

    meanings: list[Meaning]
    code: str | None = None
    """The code that was asked for, in its one spelling; None for a payload."""
    source: str | None = None
    """The gateway whose format the payload has."""
    rejected: list[BadItem] = []
    skipped: int = 0
    items: list[ItemTrace] = []
    """What each path gave, of a gateway that a description tells of."""
    signature: Signature | None = None
    """None if no signature was given."""


def explain_payload(
    classifier: Classifier,
    gateways: Gateways,
    payloads: Sequence[Payload],
    signature: Signature | None = None,
) -> Explanation:
    """Explain each thing that payloads say; RequestError if the only one has no known format."""
    read = _Read([], [])
    first = _gateway(payloads[0], gateways)
    for index, payload in enumerate(payloads):
        read.add(payload, gateways, index if len(payloads) > 1 else None)
    read.check()
    return Explanation(
        [
            explain_result(classifier, result, results=items, pushes=pushes)
            for result, (items, pushes) in _tally(read.groups).items()
        ],
        source=first.name,
        rejected=read.rejected,
        skipped=read.skipped,
        items=_traced(classifier, first, payloads[0]),
        signature=signature,
    )


def _traced(classifier: Classifier, gateway: Gateway, payload: Payload) -> list[ItemTrace]:
    if not isinstance(gateway, Described):
        return []
    return trace_items(classifier, gateway, payload.request())


def verify(gateways: Sequence[Gateway], request: ReceivedRequest) -> Signature:
    """Check a request as these webhooks would; the first verdict that says most is returned.

    A line end that an editor or a shell added to the body is forgiven.
    """
    cut = ReceivedRequest(request.body.rstrip(b"\r\n"), request.headers, request.query)
    verdicts = [_verify(gateway, one) for one in (request, cut) for gateway in gateways]
    return min(verdicts, key=_says_little)


def _says_little(signature: Signature) -> int:
    if signature.verifies:
        return 0
    return 1 + (signature.reason == Reason.MISSING_CREDENTIALS)


def _verify(gateway: Gateway, request: ReceivedRequest) -> Signature:
    try:
        gateway.authenticate(request)
    except RequestError as refusal:
        if refusal.reason is Reason.STALE_TIMESTAMP:
            return _verify_stale(gateway, request, refusal)
        return Signature(False, refusal.detail, refusal.reason)
    return Signature(True, "A configured key, token or secret fits.")


def _verify_stale(gateway: Gateway, request: ReceivedRequest, stale: RequestError) -> Signature:
    """Say who signed a request that the exporter would refuse by now; captured ones are late."""
    try:
        gateway.authenticate(request, fresh=False)
    except RequestError:
        made = "No configured secret made it"
        return Signature(False, f"{made}; by now the exporter would refuse it.", stale.reason)
    made = "A configured secret made it"
    return Signature(True, f"{made}; by now the exporter would refuse it.", stale.reason)


class _Read:
    """What payloads hold, added up."""

    def __init__(self, groups: list[ResultGroup], rejected: list[BadItem]) -> None:
        self.groups = groups
        self.rejected = rejected
        self.skipped = 0
        self._refusal: RequestError | None = None

    def add(self, payload: Payload, gateways: Gateways, index: int | None) -> None:
        """Read a payload; what is bad in one of several has the index of the payload."""
        try:
            steps = _decode(payload, gateways)
        except RequestError as refusal:
            lines = [line for line in payload.body.split(b"\n") if line.strip()]
            if index is None and len(lines) > 1 and not is_json(payload.body):
                for number, line in enumerate(lines):
                    self.add(payload._replace(body=line), gateways, number)
                return
            self._refusal = self._refusal or refusal
            self.rejected.append(BadItem(index or 0, refusal.reason, refusal.detail))
        else:
            for decoded in steps:
                self.groups += decoded.groups
                self.skipped += decoded.skipped
                self.rejected += [
                    BadItem(one.index if index is None else index, one.reason, one.detail)
                    for one in decoded.rejected
                ]

    def check(self) -> None:
        """Raise the first refusal if there was no result at all."""
        if self._refusal and not self.groups:
            raise self._refusal


def _decode(payload: Payload, gateways: Gateways) -> list[DecodedItems]:
    if not payload.body.strip():
        return []
    return list(_gateway(payload, gateways).decode(payload.request()))


def _gateway(payload: Payload, gateways: Gateways) -> Gateway:
    named = gateways.get(payload.gateway) if payload.gateway else None
    return named or recognize(payload.body, gateways.values())


def _tally(groups: list[ResultGroup]) -> Mapping[PushResult, tuple[int, int]]:
    """Count what says the same: results, and the pushes that they stand for."""
    tally: dict[PushResult, tuple[int, int]] = {}
    for group in groups:
        items, pushes = tally.get(group.result, (0, 0))
        tally[group.result] = items + group.items, pushes + group.items * group.count
    return tally
