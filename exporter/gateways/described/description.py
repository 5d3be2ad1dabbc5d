"""The description of a gateway: its tables and keys, and what each of them may hold."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from exporter.gateways.auth.scheme import Text
from exporter.gateways.auth.schemes import AnyScheme
from exporter.gateways.described.values import (
    Code,
    CountOf,
    ItemsPath,
    Paths,
    PathsTo,
    Value,
    WantedWords,
    Words,
)

MAX_ALL_PATHS = 24
"""Paths of all fields: they bound the work on an item."""

ChannelName = Annotated[str, Field(min_length=1, max_length=64)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


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
    auth: AnyScheme | None = None
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


TABLES = (Require, Handshake, Content, Items, Fields, Default, Map)
"""The models of a description's tables."""
