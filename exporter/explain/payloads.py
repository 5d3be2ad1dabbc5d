"""Explains a captured body: its format, its results and its rejected items."""

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
    """A captured body, with the known facts of its request."""

    body: bytes
    gateway: str | None = None
    """The gateway that it was sent to; None to detect the format."""
    channel: str | None = None
    """The channel in the URL."""
    content_type: str = ""
    app: str | None = None
    """The app in the URL."""
    credential_app: str | None = None
    """The app of the request's credential."""

    def request(self) -> ReceivedRequest:
        """Return the request, with the known facts."""
        named = {"channel": self.channel, "app": self.app}
        query = {name: value for name, value in named.items() if value}
        return ReceivedRequest(self.body, {"Content-Type": self.content_type}, query)


class SignatureCheck(msgspec.Struct, frozen=True):
    """The result of verifying a payload with the given credentials."""

    verifies: bool
    detail: str
    reason: str | None = None
    """The reason for which the exporter would refuse the request."""
    app: str | None = None
    """The app of the matching credential."""

    @property
    def verdict(self) -> str:
        """The result in words."""
        return "verifies" if self.verifies else "does not verify"


class RejectedItem(msgspec.Struct, frozen=True):
    """An invalid item, or an invalid captured line."""

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
    """The first items with the value of each path, for a described gateway."""
    signature: SignatureCheck | None = None
    """None if no credentials were given."""
    suggestions: list[Suggestion] = []
    """Suggested rows for an unknown code."""


def explain_payload(
    classifier: Classifier,
    gateways: Gateways,
    payloads: Sequence[Payload],
    signature: SignatureCheck | None = None,
    apps: Collection[str] = (),
) -> Explanation:
    """Explain the results of payloads; RequestError if no payload can be decoded.

    With `apps` each result has an app: that of the verified credential, or the app it names.
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
    """Return the verified credential, by default the credential in a record."""
    return Credential(0, app=signature.app if signature else recorded_app)


def _traced(classifier: Classifier, gateway: Gateway, payload: Payload) -> list[ItemTrace]:
    if not isinstance(gateway, Described):
        return []
    return trace_items(classifier, gateway, payload.request())


def verify(gateways: Sequence[Gateway], request: ReceivedRequest) -> SignatureCheck:
    """Verify a request with each webhook's credentials; return the most specific result.

    The body is also tried without a final line end, which an editor or a shell may have added.
    """
    stripped = ReceivedRequest(
        request.body.rstrip(b"\r\n"),
        request.headers,
        request.query,
        content=request.content.rstrip(b"\r\n"),
        address=request.address,
    )
    variants = (request, stripped)
    checks = [_verify(gateway, variant) for variant in variants for gateway in gateways]
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
    """Verify a request whose timestamp is too old by now, as for most captured bodies."""
    late = "the exporter would now refuse it because of its age."
    try:
        credential = gateway.authenticate(request, fresh=False)
    except RequestError:
        return SignatureCheck(False, f"No configured secret matches, and {late}", stale.reason)
    detail = f"A configured secret matches, but {late}"
    return SignatureCheck(True, detail, stale.reason, credential.app)


_Group = tuple[ResultGroup, str | None]
"""A group, and the app of its request's credential."""


class _Results:
    """The results and the rejected items of payloads."""

    def __init__(self, groups: list[_Group], rejected: list[RejectedItem]) -> None:
        self.groups = groups
        self.rejected = rejected
        self.skipped = 0
        self._refusal: RequestError | None = None

    def add(self, payload: Payload, gateways: Gateways, index: int | None) -> None:
        """Add a payload; `index` is its position among several, and then that of its items."""
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
                    RejectedItem(item.index if index is None else index, item.reason, item.detail)
                    for item in decoded.rejected
                ]

    def check(self) -> None:
        """Raise the first error if there are no results."""
        if self._refusal and not self.groups:
            raise self._refusal


def _decode(payload: Payload, gateways: Gateways) -> list[DecodedItems]:
    return list(_gateway(payload, gateways).decode(payload.request()))


def _gateway(payload: Payload, gateways: Gateways) -> Gateway:
    named = gateways.get(payload.gateway) if payload.gateway else None
    return named or recognize(payload.body, gateways.values())


def _tally(
    groups: list[_Group], *, by_app: bool
) -> Mapping[tuple[PushResult, str | None], tuple[int, int]]:
    """Count identical results and their pushes."""
    tally: dict[tuple[PushResult, str | None], tuple[int, int]] = {}
    for group, app in groups:
        key = group.result, app
        if not by_app:
            key = msgspec.structs.replace(group.result, app=None), None
        items, pushes = tally.get(key, (0, 0))
        tally[key] = items + group.items, pushes + group.items * group.count
    return tally
