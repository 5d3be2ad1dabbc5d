"""The description of a gateway: its tables and keys, and what each of them may hold."""

from collections.abc import Mapping
from hashlib import algorithms_guaranteed
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from exporter.gateways.auth.templates import Template, check_header
from exporter.gateways.described.values import (
    Code,
    CountOf,
    ItemsPath,
    OneTemplate,
    Paths,
    PathsTo,
    Text,
    Value,
    WantedWords,
    Words,
)

MAX_ALL_PATHS = 24
"""Paths of all fields: they bound the work on an item."""

Scheme = Literal[
    "bearer", "basic", "header", "query", "hmac", "digest", "rsa", "standard-webhooks", "none"
]
ChannelName = Annotated[str, Field(min_length=1, max_length=64)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


_SIGNED = {"hash", "encoding", "header", "parts", "prefix", "signature", "signed", "timestamp"}
_SIGNED |= {"unit", "tolerance", "user"}
_SECRET = {"scheme", "secrets", "secret_encoding"}
_KEYS: Mapping[str, set[str]] = {
    "bearer": _SECRET,
    "basic": _SECRET | {"user"},
    "header": _SECRET | {"name", "prefix"},
    "query": _SECRET | {"name", "prefix"},
    "hmac": _SECRET | _SIGNED,
    "digest": _SECRET | _SIGNED,
    "rsa": {"scheme", "secrets"} | _SIGNED,
    "standard-webhooks": {"scheme", "secrets"},
    "none": {"scheme"},
}
_NEEDED: Mapping[str, set[str]] = {
    "basic": {"user"},
    "header": {"name"},
    "query": {"name"},
    "hmac": {"signature"},
    "digest": {"signature", "signed"},
    "rsa": {"signature"},
}
_HASHES = {"sha256", "sha1", "sha512"}
_DIGESTS = {one for one in algorithms_guaranteed if not one.startswith("shake")}


class Auth(_Strict):
    """How the sender proves who it is."""

    scheme: Scheme
    secrets: tuple[Text, ...] = ()
    secret_encoding: Literal["text", "base64", "hex"] = "text"  # noqa: S105
    user: str = ""
    name: Text | None = None
    hash: str = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    header: Text | None = None
    parts: Text | None = None
    prefix: str = ""
    signature: OneTemplate | None = None
    signed: OneTemplate = Field(default_factory=lambda: Template("{body}"))
    timestamp: OneTemplate | None = None
    unit: Literal["s", "ms"] = "s"
    tolerance: float = Field(300, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = self.model_fields_set
        if useless := sorted(given - _KEYS[self.scheme]):
            raise ValueError(f"the scheme {self.scheme!r} has no {', '.join(useless)}")
        if lacking := sorted(_NEEDED.get(self.scheme, set()) - given):
            raise ValueError(f"the scheme {self.scheme!r} needs {', '.join(lacking)}")
        hashes = _DIGESTS if self.scheme == "digest" else _HASHES
        if self.hash not in hashes:
            raise ValueError(f"hash: {self.hash!r} is none of {', '.join(sorted(hashes))}")
        if (self.header is None) != (self.parts is None):
            raise ValueError("'header' and 'parts' go together: the header that is cut")
        templates = [one for one in (self.signature, self.signed, self.timestamp) if one]
        if self.header is None and any(one.has("part", named=True) for one in templates):
            raise ValueError("{part:…} needs 'header' and 'parts'")
        if self.signature and not self.signature.describe():
            raise ValueError("signature: it has no slot of the request")
        if self.scheme == "digest" and not self.signed.has("secret", named=False):
            raise ValueError("signed: without {secret} anyone can make the digest")
        for name in (self.header, self.name if self.scheme == "header" else None):
            if name is not None:
                check_header(name)
        return self

    @property
    def looks_into_body(self) -> bool:
        """Whether a template has `{body:X}`."""
        templates = [one for one in (self.signature, self.signed, self.timestamp) if one]
        return any(one.has("body", named=True) for one in templates)


class Require(_Strict):
    """What else a request must have, equal to one of a list."""

    query: Words = {}
    header: Words = {}


class Handshake(_Strict):
    """How the sender tries the address."""

    query: Text | None = None
    body: Text | None = None


class Content(_Strict):
    """How a body is written."""

    format: Literal["json", "ndjson", "form"] = "json"
    field: Text | None = None
    encoding: Literal["gzip"] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.field and self.format != "form":
            raise ValueError("'field' is of a form: set format = \"form\"")
        return self


class Items(_Strict):
    """Where in the body the items are, and which are wanted."""

    path: ItemsPath = ()
    only: WantedWords = {}


class Fields(_Strict):
    """Where in an item its fields are."""

    code: PathsTo | None = None
    channel: PathsTo | None = None
    message: PathsTo | None = None
    id: PathsTo | None = None
    count: CountOf | None = None
    dedupe: Paths = ()

    @property
    def number_of_paths(self) -> int:
        """How many paths the fields have in all."""
        values = [
            one for one in (self.code, self.channel, self.message, self.id, self.count) if one
        ]
        sizes = [len(one.paths) if isinstance(one, Value) else 1 for one in values]
        return sum(sizes) + len(self.dedupe)


class Default(_Strict):
    """What counts where no path has a value."""

    code: Code | None = None


class Map(_Strict):
    """The exporter's words for those of the gateway; `*missing` and `*other` stand for the rest."""

    channel: dict[str, ChannelName] = {}
    code: dict[str, Annotated[Code, Field(min_length=1)]] = {}


def _json(text: str) -> str:
    if len(text) > 1000:  # noqa: PLR2004
        raise ValueError("a response of more than 1,000 characters is a failure to some gateways")
    return text


class Description(_Strict):
    """A gateway."""

    use: str | None = None
    title: Text
    channel: ChannelName | None = None
    answer: Annotated[str, AfterValidator(_json)] | None = None
    auth: Auth | None = None
    require: Require = Require()
    handshake: Handshake = Handshake()
    content: Content = Content()
    items: Items = Items()
    fields: Fields = Fields()
    default: Default = Default()
    map: Map = Map()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.fields.code is None and self.default.code is None:
            raise ValueError("fields.code: it is missing, and so is default.code")
        number = len(self.items.only) + self.fields.number_of_paths
        if number > MAX_ALL_PATHS:
            raise ValueError(f"fields: they have {number} paths, and at most {MAX_ALL_PATHS} fit")
        return self

    @property
    def channels(self) -> frozenset[str]:
        """The channels that it names."""
        named = {*self.map.channel.values(), self.channel}
        return frozenset(one for one in named if one is not None)
