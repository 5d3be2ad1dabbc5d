"""Alibaba Cloud mPaaS Message Push Service: one JSON object per result, RSA signature in the URL.

The format is known only from integrators' samples. So everything but the code is optional, and a
field of an unexpected type counts as absent.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import msgspec

from exporter.configuration.groups import GatewaySettings
from exporter.gateways.auth.authenticator import Authenticator
from exporter.gateways.auth.signatures import Rsa
from exporter.gateways.auth.templates import Template
from exporter.gateways.builtin import BuiltIn, load_schemes
from exporter.gateways.gateway import Credential, ReceivedRequest, RequestKey
from exporter.gateways.item_format import Facts, ItemFormat, ItemJson, ItemResult
from exporter.gateways.items import ItemReader
from exporter.gateways.steps import Steps
from exporter.gateways.text import body_text
from exporter.gateways.values import (
    ItemError,
    code_of,
    is_absent,
    item_members,
    members_of,
    missing_code,
    scalar_of,
    text_or_none,
)
from exporter.results import DecodedItems, PushResult, text_of_code

NAME = "mps"

SIGNATURE = Rsa(scheme="rsa", signature=Template("{query:sign}"), encoding="base64")
"""RSA, SHA-256, PKCS#1 v1.5 over the raw body, in base64 of either alphabet."""


class ExtInfo(msgspec.Struct, rename="camel", gc=False):
    """The fields of `extInfo` that are read; `adToken` is not read."""

    os_type: str | None = None
    channel: str | None = None


class Callback(msgspec.Struct, rename="camel", gc=False):
    """The fields of a callback that are read; `targetId` is not read."""

    status_code: str | int | float | None = None
    status_desc: str | None = None
    id: str | int | None = msgspec.field(default=None, name="msgId")
    channel: str | int | None = None
    ext_info: ExtInfo | str | None = None


class Mps(BuiltIn):
    """The gateway of the callbacks configured in the MPS console: POST with `sign` in the query."""

    name = NAME
    title = "Alibaba Cloud mPaaS Message Push Service"

    def __init__(self, authenticator: Authenticator) -> None:
        super().__init__(authenticator)
        self._reader = ItemReader(_Callbacks())

    @classmethod
    def load(cls, settings: GatewaySettings) -> "Mps":
        """Read the public keys; ConfigurationError names an unusable file."""
        schemes = {"MPS_PUBLIC_KEY_FILES": (SIGNATURE, settings.mps_public_key_files)}
        return cls(load_schemes(NAME, schemes, settings))

    def recognizes(self, body: bytes) -> bool:
        """Whether a body without its request looks like a callback."""
        return b'"statusCode"' in body

    def decode(self, request: ReceivedRequest) -> Steps[None]:
        """Yield the results of a body; a channel in the query overrides that in the body.

        Raises RequestError (`malformed_body`) if the body is not an object or an array.
        """
        text = yield from body_text(request.content)
        named = _named_in(request.query)
        if not text.startswith("["):
            yield _with(named, self._reader.single(text))
            return
        for decoded in self._reader.array(text):
            yield _with(named, decoded)

    def request_key(self, request: ReceivedRequest, credential: Credential) -> RequestKey:
        """Return the key of the decompressed body."""
        del credential
        return RequestKey(request.content)


def _named_in(query: Mapping[str, str]) -> dict[str, str]:
    """Return the hint and the app in the URL, if any, which apply to all results."""
    names = {"hint": query.get("channel"), "app": query.get("app")}
    return {name: value for name, value in names.items() if value and not is_absent(value)}


def _with(named: Mapping[str, str], decoded: DecodedItems) -> DecodedItems:
    """Set the hint and the app from the URL."""
    if named:
        for group in decoded.groups:
            group.result = msgspec.structs.replace(group.result, **named)
    return decoded


def _facts(callback: Callback) -> Facts:
    extra = callback.ext_info if isinstance(callback.ext_info, ExtInfo) else _NO_EXTRA
    return (
        callback.status_code,
        callback.channel,
        extra.channel,
        callback.status_desc,
        extra.os_type,
    )


class _Callbacks(ItemFormat[Callback]):
    """The format of a callback."""

    item = Callback
    facts = staticmethod(_facts)
    identity = staticmethod(attrgetter("id"))

    def result(self, facts: Facts) -> ItemResult:
        """Return the result; a channel at the top overrides that in `extInfo`."""
        code, channel, extra_channel, message, system = facts
        hint = text_or_none(_text(channel)) or text_or_none(extra_channel)
        ios = system is not None and system.strip().lower() == "ios"
        return ItemResult(
            PushResult(code_of(code), hint, text_or_none(message) or text_of_code(code), ios)
        )

    def lenient(self, text: ItemJson) -> Callback:
        """Decode any object, without values of an unexpected type."""
        members = item_members(text)
        value = {name: scalar_of(raw) for name, raw in members.items() if name in _FIELDS}
        extra = members_of(members["extInfo"]) if "extInfo" in members else None
        return Callback(
            value.get("statusCode"),
            _text(value.get("statusDesc")),
            _identity(value.get("msgId")),
            _text(value.get("channel")),
            ExtInfo(*(_text(_scalar(extra, name)) for name in ("osType", "channel")))
            if extra
            else None,
        )

    def explain_missing_code(self, text: ItemJson) -> ItemError:
        """Return an error with the item's fields."""
        return missing_code([("statusCode",)], text)


_FIELDS = ("statusCode", "statusDesc", "msgId", "channel")

_NO_EXTRA = ExtInfo()


def _text(value: object) -> str | None:
    return str(value) if type(value) in (str, int) else None


def _identity(value: object) -> str | int | None:
    return value if isinstance(value, str) or type(value) is int else None


def _scalar(members: dict[str, msgspec.Raw], name: str) -> Any:
    return scalar_of(members[name]) if name in members else None
