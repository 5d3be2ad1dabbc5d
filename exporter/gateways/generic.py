"""The generic format, for any other gateway: an object, an array, `{"results": […]}` or NDJSON."""

from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from exporter.errors import ItemReason, RequestError
from exporter.gateways.auth.standard_webhooks import StandardWebhooks
from exporter.gateways.auth.tokens import Bearer
from exporter.gateways.builtin import BuiltIn, load_schemes
from exporter.gateways.gateway import (
    Credential,
    GatewaySettings,
    ReceivedRequest,
    RequestKey,
    webhook_key,
)
from exporter.gateways.items import (
    Facts,
    ItemError,
    ItemFormat,
    ItemReader,
    Outcome,
    code_of,
)
from exporter.gateways.text import (
    MALFORMED,
    is_json,
    lines_of,
    malformed,
    naming_content_type,
    problem_of,
    text_of,
)
from exporter.results import Batch, PushResult

NAME = "results"

MAX_COUNT = 1_000_000_000
"""Keeps a total exact in a 64-bit float for longer than a service lives."""

MAX_ID_LENGTH = 256

_LINES = {
    f"application/{name}" for name in ("x-ndjson", "ndjson", "jsonl", "jsonlines", "x-jsonlines")
}


class Result(msgspec.Struct, gc=False):
    """One result on the wire."""

    code: int | float | str | None = None
    channel: str | None = None
    message: str | None = None
    id: Annotated[str, msgspec.Meta(max_length=MAX_ID_LENGTH)] | int | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] | None = None


class _Envelope(msgspec.Struct):
    results: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Generic(BuiltIn):
    """Our own format, with bearer tokens, Standard Webhooks, or both."""

    name = NAME
    title = "Generic format"

    @classmethod
    def load(cls, settings: GatewaySettings) -> "Generic":
        """Read secrets and tokens; ConfigurationError names a bad file."""
        schemes = {
            "RESULTS_SECRET_FILES": (StandardWebhooks(), settings.results_secret_files),
            "RESULTS_TOKEN_FILES": (Bearer(), settings.results_token_files),
        }
        return cls(load_schemes(NAME, schemes, settings))

    def recognizes(self, body: bytes) -> bool:
        """Leave it to the others: what none of them takes is in this format, if in any."""
        del body
        return False

    def decode(self, request: ReceivedRequest) -> Batch:
        """Read a body; RequestError (`malformed_body`) if it has none of the shapes."""
        text = text_of(request.content)
        if request.content_type in _LINES:
            return _lines(text)
        try:
            return _array(text) if text.startswith("[") else _object(text)
        except RequestError as refusal:
            lines = lines_of(text)
            if len(lines) > 1 and lines[0].startswith("{") and is_json(lines[0]):
                return _lines(text)
            raise naming_content_type(refusal, request.content_type) from None

    def request_key(self, request: ReceivedRequest, credential: Credential) -> RequestKey | None:
        """Return the key of the id that was signed, or came with a token; else None.

        Beside a signature no other id counts: whoever has captured the request could change it.
        """
        identity = credential.request_id
        if identity is None:
            identity = request.headers.get("webhook-id") or request.headers.get("svix-id")
        return webhook_key(identity, request.content, credential) if identity else None


def _lines(text: str) -> Batch:
    return _READER.each([line.encode() for line in lines_of(text)])


def _array(text: str) -> Batch:
    # Results with an id are all different: none is worth remembering.
    return _READER.array(text, repeated='"id"' not in text[:200])


def _object(text: str) -> Batch:
    """Read an envelope, or the one result that the object is."""
    try:
        inside = _ENVELOPE.decode(text).results
    except MALFORMED as error:
        raise malformed(problem_of(error)) from None
    if inside is msgspec.UNSET:
        return _READER.one(text)
    items = bytes(inside).decode()
    if not items.startswith("["):
        raise malformed("'results' is not an array")
    return _array(items)


def _outcome(facts: Facts) -> Outcome:
    code, hint, message, count = facts
    return Outcome(PushResult(code_of(code), hint, message), count or 1)


_CHECKS: dict[str, tuple[Callable[[Any], bool], ItemReason]] = {
    "code": (lambda code: type(code) in (int, float, str), ItemReason.CODE_INVALID),
    "channel": (lambda channel: isinstance(channel, str), ItemReason.CHANNEL_INVALID),
    "count": (
        lambda count: type(count) is int and 1 <= count <= MAX_COUNT,
        ItemReason.COUNT_INVALID,
    ),
    "id": (
        lambda one: type(one) is int or (isinstance(one, str) and len(one) <= MAX_ID_LENGTH),
        ItemReason.ID_INVALID,
    ),
    "message": (lambda message: isinstance(message, str), ItemReason.MESSAGE_INVALID),
}
"""What each field may be besides null, and why an item is rejected otherwise."""


def _loose(value: Any) -> Result:
    """Say what is wrong with an item."""
    if not isinstance(value, dict):
        raise ItemError(ItemReason.NOT_AN_OBJECT)
    fields = ((value.get(name), check) for name, check in _CHECKS.items())
    wrong = (reason for field, (fits, reason) in fields if field is not None and not fits(field))
    raise ItemError(next(wrong, ItemReason.MALFORMED_JSON))


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_READER = ItemReader(
    ItemFormat(
        Result,
        attrgetter("code", "channel", "message", "count"),
        attrgetter("id"),
        _loose,
        _outcome,
    )
)
