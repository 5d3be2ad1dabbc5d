"""The description of a gateway: a TOML file, checked whole; what is wrong is named by its key."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from hashlib import algorithms_guaranteed
from pathlib import Path as File
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from exporter.errors import ConfigurationError
from exporter.files import data_folder, read_toml
from exporter.gateways.auth.templates import Template
from exporter.gateways.paths import Mark, Path, parse_path

MAX_PATHS, MAX_ALL_PATHS = 8, 24
"""Paths of one field, and of all: they bound the work on an item."""

KIND = "gateway description"

_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,31}")

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
            raise ValueError(f"unknown key {key!r}{_nearest(key, known)}")


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


def shipped() -> list[str]:
    """List the shipped descriptions by name."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load_description(path: File) -> Description:
    """Read a file, over the shipped description that it uses, if any.

    Raises ConfigurationError that names the file and the key.
    """
    data = read_toml(KIND, path)
    if "use" in data:
        base = read_toml(KIND, _folder() / f"{_used(path, data['use'])}.toml")
        data = _merged(base, data)
    else:
        data.setdefault("title", path.stem)
    try:
        return Description.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(map(_problem, error.errors()))
        raise ConfigurationError(f"{KIND} {path}: {problems}") from None


def shipped_file(name: str) -> File | None:
    """Return the file of a shipped description, or None if there is none of this name."""
    return _folder() / f"{name}.toml" if name in shipped() else None


def name_of(path: File) -> str:
    """Return the name that a file gives its gateway; ConfigurationError if it makes no path."""
    if path.suffix != ".toml" or not _NAME.fullmatch(path.stem):
        raise ConfigurationError(
            f"{KIND} {path}: the file's name is the gateway's: lower-case letters, digits, "
            "- and _, at most 32, and .toml"
        )
    return path.stem


def _folder() -> File:
    return data_folder("gateways") / "descriptions"


def _used(path: File, name: object) -> str:
    if isinstance(name, str) and name in shipped():
        return name
    known = shipped()
    hint = _nearest(str(name), known) or f"; there are {', '.join(known)}"
    raise ConfigurationError(f"{KIND} {path}: use: no description is named {str(name)!r}{hint}")


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge key by key; another scheme of authentication replaces the whole."""
    merged = dict(base)
    for key, value in over.items():
        merged[key] = _merged(merged[key], value) if _are_tables(merged.get(key), value) else value
    return merged


def _are_tables(base: object, over: object) -> bool:
    """Whether two values are tables to be merged, and not each a value as a whole."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return False
    if "scheme" in base and over.get("scheme", base["scheme"]) != base["scheme"]:
        return False
    return not {"join", "size"} & (base.keys() | over.keys())


def _problem(problem: ErrorDetails) -> str:
    location = [str(part) for part in problem["loc"]]
    where = ".".join(location)
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key{_nearest(location[-1], _keys_at(location[:-1]))}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def _keys_at(location: list[str]) -> list[str]:
    model: type[BaseModel] = Description
    for part in location:
        kind = model.model_fields[part].annotation
        found = [one for one in _MODELS if one is kind or one in getattr(kind, "__args__", ())]
        model = found[0]
    return list(model.model_fields)


_MODELS = (Auth, Require, Handshake, Content, Items, Fields, Default, Map)


def _nearest(word: str, known: Any) -> str:
    close = get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
