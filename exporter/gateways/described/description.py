"""The schema of a description: its tables and keys."""

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
    WordMap,
    Words,
)

MAX_ALL_PATHS = 24
"""Maximum number of paths of all fields, which bounds the work per item."""

ChannelName = Annotated[str, Field(min_length=1, max_length=64)]


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True
    )


class Require(_Strict):
    """Query parameters and headers that a request must have, each with its allowed values."""

    query: Words = {}
    header: Words = {}


class Handshake(_Strict):
    """The parameter or field whose value is echoed when the sender verifies the address."""

    query: Text | None = None
    body: Text | None = None


class Probe(_Strict):
    """A request without items, with which the sender tests the address."""

    unsigned: bool = False
    """Whether it needs no credentials."""


class Content(_Strict):
    """The format of a body."""

    format: Literal["json", "ndjson", "form", "multipart"] = "json"
    field: Text | None = None
    encoding: Literal["gzip"] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.field and self.format not in ("form", "multipart"):
            raise ValueError('\'field\' requires format = "form" or "multipart"')
        return self


class Items(_Strict):
    """The path to the items of a body, and a filter."""

    path: ItemsPath = ()
    only: WantedWords = {}


class Fields(_Strict):
    """The paths of an item's fields."""

    code: PathsTo | None = None
    channel: PathsTo | None = None
    message: PathsTo | None = None
    id: PathsTo | None = None
    app: PathsTo | None = None
    count: CountOf | None = None
    dedupe: Paths = ()

    @property
    def number_of_paths(self) -> int:
        """The number of paths of all fields."""
        fields = (self.code, self.channel, self.message, self.id, self.app, self.count)
        sizes = [len(field.paths) if isinstance(field, Value) else 1 for field in fields if field]
        return sum(sizes) + len(self.dedupe)


class Default(_Strict):
    """Values of fields without a value in the item."""

    code: Annotated[Code, Field(min_length=1)] | None = None


class Map(_Strict):
    """The exporter's words by the gateway's words, `*missing` and `*other`."""

    channel: WordMap[ChannelName] = {}
    code: WordMap[Code] = {}
    app: WordMap[Text] = {}


def _json(text: str) -> str:
    if len(text) > 1000:  # noqa: PLR2004
        raise ValueError("some gateways treat a response of over 1,000 characters as a failure")
    return text


class Description(_Strict):
    """The description of a gateway."""

    use: str | None = None
    title: Text
    channel: ChannelName | None = None
    answer: Annotated[str, AfterValidator(_json)] | None = None
    auth: AnyScheme | None = None
    require: Require = Require()
    handshake: Handshake = Handshake()
    probe: Probe | None = None
    content: Content = Content()
    items: Items = Items()
    fields: Fields = Fields()
    default: Default = Default()
    map: Map = Map()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.fields.code is None and self.default.code is None:
            raise ValueError("fields.code: set it, or default.code")
        number = len(self.items.only) + self.fields.number_of_paths
        if number > MAX_ALL_PATHS:
            raise ValueError(f"fields: {number} paths in all; the maximum is {MAX_ALL_PATHS}")
        return self

    @property
    def channels(self) -> frozenset[str]:
        """The named channels."""
        named = {*self.map.channel.values(), self.channel}
        return frozenset(channel for channel in named if channel is not None)
