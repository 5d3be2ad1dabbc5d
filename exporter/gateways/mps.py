"""Alibaba Cloud mPaaS Message Push Service: one JSON object a result, signed with RSA in the URL.

The format is known from integrators' samples alone, so everything but the code is optional,
and a field of an unexpected type counts as absent.
"""

from operator import attrgetter
from typing import Any

import msgspec
from xxhash import xxh3_64_intdigest

from exporter.errors import ItemReason
from exporter.gateways.auth.signatures import Rsa
from exporter.gateways.auth.templates import Template
from exporter.gateways.builtin import BuiltIn, load_schemes
from exporter.gateways.gateway import Credential, GatewaySettings, ReceivedRequest, RequestKey
from exporter.gateways.items import Facts, ItemError, ItemFormat, ItemReader, Outcome, code_of
from exporter.gateways.text import text_of
from exporter.results import Batch, PushResult

NAME = "mps"

SIGNATURE = Rsa(scheme="rsa", signature=Template("{query:sign}"), encoding="base64")
"""RSA, SHA-256, PKCS#1 v1.5 over the raw body, in base64 of either alphabet."""


class ExtInfo(msgspec.Struct, rename="camel", gc=False):
    """What we read of `extInfo`; `adToken` is not among it."""

    os_type: str | None = None
    channel: str | None = None


class Callback(msgspec.Struct, rename="camel", gc=False):
    """The fields that we read; `targetId` is not among them."""

    status_code: str | int | float | None = None
    status_desc: str | None = None
    id: str | int | None = msgspec.field(default=None, name="msgId")
    channel: str | int | None = None
    ext_info: ExtInfo | str | None = None


class Mps(BuiltIn):
    """The callback as the console sets it up: POST with `sign` in the query."""

    name = NAME
    title = "Alibaba Cloud mPaaS Message Push Service"

    @classmethod
    def load(cls, settings: GatewaySettings) -> "Mps":
        """Read the public keys; ConfigurationError names a file that has none."""
        schemes = {"MPS_PUBLIC_KEY_FILES": (SIGNATURE, settings.mps_public_key_files)}
        return cls(load_schemes(NAME, schemes, settings))

    def recognizes(self, body: bytes) -> bool:
        """Whether a body without its request looks like a callback."""
        return b'"statusCode"' in body

    def decode(self, request: ReceivedRequest) -> Batch:
        """Read a body; the hint in the query takes precedence over the body's.

        Raises RequestError (`malformed_body`) if it is not an object or an array.
        """
        text = text_of(request.content)
        batch = _READER.array(text) if text.startswith("[") else _READER.one(text)
        if hint := request.query.get("channel"):
            for group in batch.groups:
                group.result = msgspec.structs.replace(group.result, hint=hint)
        return batch

    def request_key(self, request: ReceivedRequest, credential: Credential) -> RequestKey:
        """Take the body for the key: the same bytes are the same results."""
        return RequestKey(xxh3_64_intdigest(request.body, credential.scope))


def _facts(callback: Callback) -> Facts:
    extra = callback.ext_info if isinstance(callback.ext_info, ExtInfo) else _NO_EXTRA
    return (
        callback.status_code,
        _text(callback.channel) or extra.channel or None,
        callback.status_desc or None,
        extra.os_type is not None and extra.os_type.strip().lower() == "ios",
    )


def _outcome(facts: Facts) -> Outcome:
    code, hint, message, ios = facts
    return Outcome(PushResult(code_of(code), hint, message, ios))


def _loose(value: Any) -> Callback:
    """Make a callback of any object, without the values that are of another type."""
    if not isinstance(value, dict):
        raise ItemError(ItemReason.NOT_AN_OBJECT)
    extra = value.get("extInfo")
    code, identity = value.get("statusCode"), value.get("msgId")
    return Callback(
        code if code is None or type(code) in (str, int, float) else _NO_CODE,
        _text(value.get("statusDesc")),
        identity if type(identity) in (str, int) else None,
        _text(value.get("channel")),
        ExtInfo(_text(extra.get("osType")), _text(extra.get("channel")))
        if isinstance(extra, dict)
        else None,
    )


_NO_EXTRA = ExtInfo()

_NO_CODE: Any = ()
"""Stands for a value of another type, which cannot be a code; `True`, for one, equals 1."""


def _text(value: object) -> str | None:
    return str(value) if type(value) in (str, int) else None


_READER = ItemReader(ItemFormat(Callback, _facts, attrgetter("id"), _loose, _outcome))
