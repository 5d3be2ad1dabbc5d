"""The generic format: an object, an array, `{"results": […]}` or NDJSON."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from exporter.configuration.groups import GatewaySettings
from exporter.errors import ItemReason, RequestError
from exporter.gateways.auth.authenticator import Authenticator
from exporter.gateways.auth.standard_webhooks import StandardWebhooks
from exporter.gateways.auth.tokens import Bearer
from exporter.gateways.builtin import BuiltIn, load_schemes
from exporter.gateways.gateway import (
    Credential,
    Gateway,
    ReceivedRequest,
    RequestKey,
    webhook_key,
)
from exporter.gateways.item_format import Facts, ItemFormat, ItemJson, ItemResult
from exporter.gateways.items import FIRST_ITEM, ItemReader
from exporter.gateways.steps import Steps
from exporter.gateways.text import (
    MALFORMED,
    body_text,
    is_json,
    malformed,
    naming_content_type,
    problem_of,
    split_lines,
)
from exporter.gateways.values import (
    MAX_COUNT,
    MAX_ID_LENGTH,
    ItemError,
    as_text,
    code_of,
    is_absent,
    item_members,
    missing_code,
    scalar_of,
    text_or_none,
)
from exporter.results import PushResult, text_of_code

NAME = "results"

_LINES = {
    f"application/{name}" for name in ("x-ndjson", "ndjson", "jsonl", "jsonlines", "x-jsonlines")
}


class GenericItem(msgspec.Struct, gc=False):
    """An item as sent."""

    code: int | float | str | None = None
    channel: str | None = None
    message: str | None = None
    id: Annotated[str, msgspec.Meta(max_length=MAX_ID_LENGTH)] | int | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] | None = None
    app: str | None = None


class _Envelope(msgspec.Struct):
    results: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Generic(BuiltIn):
    """The gateway of the generic format, with bearer tokens, Standard Webhooks, or both."""

    name = NAME
    title = "Generic format"

    def __init__(
        self,
        authenticator: Authenticator,
        others: Sequence[Gateway] = (),
        *,
        has_apps: bool = False,
    ) -> None:
        """`others` are gateways whose items may be sent here by mistake."""
        super().__init__(authenticator)
        self._reader = ItemReader(_GenericItems(others, has_apps=has_apps))

    @classmethod
    def load(cls, settings: GatewaySettings, others: Sequence[Gateway] = ()) -> "Generic":
        """Read secrets and tokens; ConfigurationError names an unusable file."""
        schemes = {
            "RESULTS_TOKEN_FILES": (Bearer(), settings.results_token_files),
            "RESULTS_SECRET_FILES": (StandardWebhooks(), settings.results_secret_files),
        }
        return cls(load_schemes(NAME, schemes, settings), others, has_apps=bool(settings.apps))

    def recognizes(self, body: bytes) -> bool:
        """Return False: this format is the fallback."""
        del body
        return False

    def decode(self, request: ReceivedRequest) -> Steps[None]:
        """Yield the results of a body; RequestError (`malformed_body`) for an invalid body."""
        try:
            text = yield from body_text(request.content)
            if request.content_type in _LINES or _is_lines(text):
                lines = yield from split_lines(text)
                yield from self._reader.steps(lines, are_lines=True)
            else:
                yield from self._json(text)
        except RequestError as error:
            raise naming_content_type(error, request.content_type) from None

    def request_key(self, request: ReceivedRequest, credential: Credential) -> RequestKey | None:
        """Return the key of the signed id, or of the id in a request with a token; else None.

        An unsigned id in a signed request is ignored: it could be changed in a captured request.
        """
        identity = credential.request_id
        if identity is None:
            identity = request.headers.get("webhook-id") or request.headers.get("svix-id")
        return webhook_key(identity, request.content) if identity else None

    def _json(self, text: str) -> Steps[None]:
        """Read an array, an envelope, or a single item."""
        if text.startswith("["):
            yield from self._array(text)
            return
        try:
            results = _ENVELOPE.decode(text).results
        except MALFORMED as error:
            raise malformed(problem_of(error)) from None
        if isinstance(results, msgspec.UnsetType):
            yield self._reader.single(text)
            return
        items = bytes(results).decode()
        if not items.startswith("["):
            raise malformed("'results' is not an array")
        yield from self._array(items)

    def _array(self, text: str) -> Steps[None]:
        """Read an array; items are not repeated if the first has an id."""
        decoded = None if '"id"' in text[:FIRST_ITEM] else self._reader.repeated(text)
        if decoded:
            yield decoded
        else:
            yield from self._reader.array(text)


def _is_lines(text: str) -> bool:
    """Whether a text has several lines, and the first is an object."""
    if not text.startswith("{") or "\n" not in text or is_json(text):
        return False
    return is_json(text.partition("\n")[0])


class _GenericItems(ItemFormat[GenericItem]):
    """The format of an item."""

    item = GenericItem

    def __init__(self, others: Sequence[Gateway], *, has_apps: bool) -> None:
        names = ["code", "channel", "message", "count", *(["app"] if has_apps else [])]
        self.facts = attrgetter(*names)
        self.identity = attrgetter("id")
        self._others = others

    def result(self, facts: Facts) -> ItemResult:
        """Return the result of an item with valid fields."""
        code, hint, message, count, *rest = facts
        app = text_or_none(rest[0]) if rest else None
        message = text_or_none(message) or text_of_code(code)
        result = PushResult(code_of(code), text_or_none(hint), message, app=app)
        return ItemResult(result, count or 1)

    def lenient(self, text: ItemJson) -> GenericItem:
        """Decode an item; ItemError names the first invalid field."""
        members = item_members(text)
        found = {name: scalar_of(members[name]) for name in _FIELDS if name in members}
        values = {name: value for name, value in found.items() if not is_absent(value)}
        for name, (check, reason) in _CHECKS.items():
            if name in values and not check(values[name]):
                raise ItemError(reason)
        if "count" in values:
            values["count"] = int(values["count"])
        return GenericItem(**values | {"app": as_text(values.get("app"))})

    def explain_missing_code(self, text: ItemJson) -> ItemError:
        """Return an error with the item's fields, and the webhook whose format the item has."""
        others = [gateway.name for gateway in self._others if gateway.recognizes(bytes(text))]
        hint = f" It looks like an item for /webhooks/{others[0]}." if others else ""
        return missing_code([("code",)], text, hint=hint)


def _is_count(value: Any) -> bool:
    whole = type(value) is int or (type(value) is float and value.is_integer())
    return whole and 1 <= value <= MAX_COUNT


_CHECKS: dict[str, tuple[Callable[[Any], bool], ItemReason]] = {
    "channel": (lambda channel: isinstance(channel, str), ItemReason.CHANNEL_INVALID),
    "count": (_is_count, ItemReason.COUNT_INVALID),
    "id": (
        lambda id_: type(id_) is int or (isinstance(id_, str) and len(id_) <= MAX_ID_LENGTH),
        ItemReason.ID_INVALID,
    ),
    "message": (lambda message: isinstance(message, str), ItemReason.MESSAGE_INVALID),
}
"""For each field but the code: a test of its value if not null, and the reason to reject it."""

_FIELDS = ("code", "app", *_CHECKS)

_ENVELOPE = msgspec.json.Decoder(_Envelope)
