"""Explains a captured body: its format, each result with its code, each rejected item."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from exporter.classification.classifier import Classifier
from exporter.errors import Reason, RequestError
from exporter.explain.codes import ExplainedCode, explain_result
from exporter.explain.items import ItemTrace, trace_items
from exporter.explain.suggestions import Suggestion
from exporter.gateways.apps import app_of
from exporter.gateways.described.gateway import Described
from exporter.gateways.gateway import Credential, Gateway, ReceivedRequest
from exporter.gateways.registry import Gateways, recognize
from exporter.gateways.text import is_json
from exporter.results import DecodedItems, PushResult, ResultGroup


class Payload(NamedTuple):
    """A body, with what is known of its request."""

    body: bytes
    gateway: str | None = None
    """The gateway that received it; None to detect the format."""
    channel: str | None = None
    """The channel in the URL."""
    content_type: str = ""
    app: str | None = None
    """The app in the URL."""
    credential_app: str | None = None
    """The app that the credential of the request belongs to."""

    def request(self) -> ReceivedRequest:
        """Return the request, as far as it is known."""
        named = {"channel": self.channel, "app": self.app}
        query = {name: value for name, value in named.items() if value}
        return ReceivedRequest(self.body, {"Content-Type": self.content_type}, query)


class SignatureCheck(msgspec.Struct, frozen=True):
    """Whether the credentials that came with a payload are valid for it."""

    verifies: bool
    detail: str
    reason: str | None = None
    """The error that the exporter would respond with."""
    app: str | None = None
    """The app of the credential that matches."""

    @property
    def verdict(self) -> str:
        """The result of the check in a word or two."""
        return "verifies" if self.verifies else "does not verify"


class RejectedItem(msgspec.Struct, frozen=True):
    """An invalid item, or a captured line."""

    index: int
    reason: str
    detail: str


class Explanation(msgspec.Struct, frozen=True):
    """The explanation of a code or a payload."""

    meanings: list[ExplainedCode]
    code: str | None = None
    """The code in canonical form; None for a payload."""
    source: str | None = None
    """The gateway of the payload's format."""
    rejected: list[RejectedItem] = []
    skipped: int = 0
    items: list[ItemTrace] = []
    """The value of each path, for a described gateway."""
    signature: SignatureCheck | None = None
    """None if no credentials were given."""
    suggestions: list[Suggestion] = []
    """Rows that may be meant by a code that is not known where it was looked for."""


def explain_payload(
    classifier: Classifier,
    gateways: Gateways,
    payloads: Sequence[Payload],
    signature: SignatureCheck | None = None,
    apps: Collection[str] = (),
) -> Explanation:
    """Explain the results of payloads; RequestError if there is one, and its format is unknown.

    With `apps` each result has its app: that of the credential whose signature was checked, or
    the one that it names.
    """
    read = _Results([], [])
    first = _gateway(payloads[0], gateways)
    for index, payload in enumerate(payloads):
        read.add(payload, gateways, index if len(payloads) > 1 else None)
    read.check()
    return Explanation(
        [
            explain_result(
                classifier,
                result,
                results=items,
                pushes=pushes,
                app=app_of(result.app, _credential(signature, app), apps) if apps else None,
            )
            for (result, app), (items, pushes) in _tally(read.groups, by_app=bool(apps)).items()
        ],
        source=first.name,
        rejected=read.rejected,
        skipped=read.skipped,
        items=_traced(classifier, first, payloads[0]),
        signature=signature,
    )


def _credential(signature: SignatureCheck | None, recorded_app: str | None) -> Credential:
    """Return the credential whose signature was checked, else the one that a record tells of."""
    return Credential(0, app=signature.app if signature else recorded_app)


def _traced(classifier: Classifier, gateway: Gateway, payload: Payload) -> list[ItemTrace]:
    if not isinstance(gateway, Described):
        return []
    return trace_items(classifier, gateway, payload.request())


def verify(gateways: Sequence[Gateway], request: ReceivedRequest) -> SignatureCheck:
    """Check a request as these webhooks would; return the first of the most specific outcomes.

    A line end that an editor or a shell added to the body does not matter.
    """
    cut = ReceivedRequest(request.body.rstrip(b"\r\n"), request.headers, request.query)
    checks = [_verify(gateway, one) for one in (request, cut) for gateway in gateways]
    return min(checks, key=_vagueness)


def _vagueness(check: SignatureCheck) -> int:
    if check.verifies:
        return 0
    return 1 + (check.reason == Reason.MISSING_CREDENTIALS)


def _verify(gateway: Gateway, request: ReceivedRequest) -> SignatureCheck:
    try:
        credential = gateway.authenticate(request)
    except RequestError as error:
        if error.reason is Reason.STALE_TIMESTAMP:
            return _verify_stale(gateway, request, error)
        return SignatureCheck(False, error.detail, error.reason)
    detail = "A configured key, token or secret matches."
    return SignatureCheck(True, detail, app=credential.app)


def _verify_stale(
    gateway: Gateway, request: ReceivedRequest, stale: RequestError
) -> SignatureCheck:
    """Check a signature that the exporter would refuse by now, as that of most captured bodies."""
    late = "the exporter would refuse it now, for its age."
    try:
        credential = gateway.authenticate(request, fresh=False)
    except RequestError:
        return SignatureCheck(False, f"No configured secret made it, and {late}", stale.reason)
    detail = f"A configured secret made it, but {late}"
    return SignatureCheck(True, detail, stale.reason, credential.app)


_Group = tuple[ResultGroup, str | None]
"""A group, and the app of the credential that let its request in."""


class _Results:
    """The results and the rejected items of payloads."""

    def __init__(self, groups: list[_Group], rejected: list[RejectedItem]) -> None:
        self.groups = groups
        self.rejected = rejected
        self.skipped = 0
        self._refusal: RequestError | None = None

    def add(self, payload: Payload, gateways: Gateways, index: int | None) -> None:
        """Add a payload; an invalid item of one of several has the payload's index."""
        try:
            steps = _decode(payload, gateways)
        except RequestError as refusal:
            lines = [line for line in payload.body.split(b"\n") if line.strip()]
            if index is None and len(lines) > 1 and not is_json(payload.body):
                for number, line in enumerate(lines):
                    self.add(payload._replace(body=line), gateways, number)
                return
            self._refusal = self._refusal or refusal
            self.rejected.append(RejectedItem(index or 0, refusal.reason, refusal.detail))
        else:
            for decoded in steps:
                self.groups += [(group, payload.credential_app) for group in decoded.groups]
                self.skipped += decoded.skipped
                self.rejected += [
                    RejectedItem(one.index if index is None else index, one.reason, one.detail)
                    for one in decoded.rejected
                ]

    def check(self) -> None:
        """Raise the first error if there is no result at all."""
        if self._refusal and not self.groups:
            raise self._refusal


def _decode(payload: Payload, gateways: Gateways) -> list[DecodedItems]:
    if not payload.body.strip():
        return []
    return list(_gateway(payload, gateways).decode(payload.request()))


def _gateway(payload: Payload, gateways: Gateways) -> Gateway:
    named = gateways.get(payload.gateway) if payload.gateway else None
    return named or recognize(payload.body, gateways.values())


def _tally(
    groups: list[_Group], *, by_app: bool
) -> Mapping[tuple[PushResult, str | None], tuple[int, int]]:
    """Count identical results, and the pushes that they stand for."""
    tally: dict[tuple[PushResult, str | None], tuple[int, int]] = {}
    for group, app in groups:
        key = group.result, app
        if not by_app:
            key = msgspec.structs.replace(group.result, app=None), None
        items, pushes = tally.get(key, (0, 0))
        tally[key] = items + group.items, pushes + group.items * group.count
    return tally
