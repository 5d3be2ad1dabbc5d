"""The description of a gateway: its tables and keys, and what each of them may hold."""

from collections.abc import Mapping
from hashlib import algorithms_guaranteed
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from exporter.errors import did_you_mean
from exporter.gateways.auth.templates import Template
from exporter.gateways.paths import Mark, Path, parse_path

MAX_PATHS, MAX_ALL_PATHS = 8, 24
"""Paths of one field, and of all: they bound the work on an item."""

Scheme = Literal[
    "bearer", "basic", "header", "query", "hmac", "digest", "rsa", "standard-webhooks", "none"
]
Words = dict[str, tuple[str, ...]]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
ChannelName = Annotated[str, Field(min_length=1, max_length=64)]


class Value(NamedTuple):
    """Where a field's value stands: the first path that has one, or the values of all, joined."""

    paths: tuple[Path, ...]
    separator: str | None = None
    """What the values are joined with; None for the first of them."""


class Size(NamedTuple):
    """A number of pushes: the length of an array, or of a separated text."""

    path: Path
    separator: str | None = None


def _text(given: object, what: str) -> str:
    if isinstance(given, str):
        return given
    raise ValueError(f"this is no {what}: write it as text")


def _item_path(given: object) -> Path:
    path = parse_path(_text(given, "path"))
    if Mark.VALUES in path or isinstance(path[0], int):
        raise ValueError("a field's path begins with a name, and '*' is for items.path alone")
    return path


def _paths(given: object) -> tuple[Path, ...]:
    texts = given if isinstance(given, list) else [given]
    if not 0 < len(texts) <= MAX_PATHS:
        raise ValueError(f"give 1 to {MAX_PATHS} paths")
    return tuple(map(_item_path, texts))


def _value(given: object) -> Value:
    if not isinstance(given, dict):
        return Value(_paths(given))
    _check_keys(given, {"join", "with"})
    return Value(_paths(given.get("join")), _text(given.get("with", ""), "'with'"))


def _count(given: object) -> Value | Size:
    if not isinstance(given, dict) or "size" not in given:
        return _value(given)
    _check_keys(given, {"size", "separator"})
    separator = given.get("separator")
    if separator is not None and not (isinstance(separator, str) and separator):
        raise ValueError("'separator' is text")
    return Size(_item_path(given["size"]), separator)


def _items_path(given: object) -> Path:
    path = parse_path(_text(given, "path"))
    if Mark.VALUES in path[:-1] or Mark.KEY in path:
        raise ValueError("the path to the items has names, [0], and '*' at its end")
    return path


def _check_keys(given: Mapping[str, object], known: set[str]) -> None:
    for key in given:
        if key not in known:
            raise ValueError(f"unknown key {key!r}{did_you_mean(key, known)}")


def _template(given: object) -> Template:
    return Template(_text(given, "template"))


def _text_of_code(given: object) -> object:
    return str(given) if type(given) is int else given


def _texts(given: object) -> object:
    """Take numbers and booleans for what JSON writes."""
    if not isinstance(given, list):
        return given
    return [str(one).lower() if isinstance(one, bool | int) else one for one in given]


PathsTo = Annotated[Value, BeforeValidator(_value)]
OneTemplate = Annotated[Template, BeforeValidator(_template)]


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


def _wanted(given: object) -> object:
    if isinstance(given, dict):
        if len(given) > MAX_PATHS:
            raise ValueError(f"give at most {MAX_PATHS} paths")
        return {_item_path(path): _texts(words) for path, words in given.items()}
    return given


class Items(_Strict):
    """Where in the body the items are, and which are wanted."""

    path: Annotated[Path, BeforeValidator(_items_path)] = ()
    only: Annotated[dict[Path, tuple[str, ...]], BeforeValidator(_wanted)] = {}


class Fields(_Strict):
    """Where in an item its fields are."""

    code: PathsTo | None = None
    channel: PathsTo | None = None
    message: PathsTo | None = None
    id: PathsTo | None = None
    count: Annotated[Value | Size, BeforeValidator(_count)] | None = None
    dedupe: Annotated[tuple[Path, ...], BeforeValidator(_paths)] = ()

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

    code: Annotated[str, BeforeValidator(_text_of_code)] | None = None


class Map(_Strict):
    """The exporter's words for those of the gateway; `*missing` and `*other` stand for the rest."""

    channel: dict[str, ChannelName] = {}
    code: dict[str, Annotated[str, BeforeValidator(_text_of_code), Field(min_length=1)]] = {}


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


TABLES = (Auth, Require, Handshake, Content, Items, Fields, Default, Map)
"""The models of a description's tables."""
