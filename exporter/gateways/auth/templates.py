"""Templates of signed messages and of signatures' places, such as `{header:X-Time}.{body}`."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter, methodcaller
from typing import Annotated, Any

import msgspec
from pydantic import BeforeValidator

from exporter.errors import Reason, RequestError
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.paths import parse_path

MAX_ALTERNATIVES = 16
"""Maximum number of values of a repeated part that are tried."""

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, 5.6.2
_SLOT = re.compile(r"\{([a-z]+)(?::([^{}]+))?\}")
_NAMED = ("header", "query", "part", "body")
_UNNAMED = ("body", "secret", "user", "url")


class Context(msgspec.Struct):
    """The values of a template's slots."""

    request: ReceivedRequest
    body: bytes = b""
    url: str = ""
    parts: Mapping[str, Sequence[str]] = {}
    """The pieces of a header, by name."""
    body_values: Mapping[str, str] = {}
    """The values of `{body:X}`, by path."""
    user: str = ""
    secret: bytes = b""


class Template:
    """Text with slots; ValueError names an unknown slot."""

    def __init__(self, text: str) -> None:
        self.text = text
        pieces = _SLOT.split(text)
        self._slots: list[tuple[str, str | None]] = []
        self._pieces: list[bytes | _Slot] = []
        for literal, kind, name in zip(
            pieces[::3], [*pieces[1::3], None], [*pieces[2::3], None], strict=True
        ):
            if "{" in literal or "}" in literal:
                raise ValueError(f"{text!r} has a brace outside a slot")
            self._pieces.append(literal.encode())
            if kind is not None:
                self._pieces.append(_slot(kind, name))
                self._slots.append((kind, name))
        filled = [piece for piece in self._pieces if piece]
        # Many templates are a single slot, whose value needs no join.
        self._only = filled[0] if len(filled) == 1 and not isinstance(filled[0], bytes) else None

    @property
    def named_slots(self) -> list[tuple[str, str]]:
        """Kind and name of each slot that has a name."""
        return [(kind, name) for kind, name in self._slots if name is not None]

    def has(self, kind: str, *, named: bool) -> bool:
        """Whether there is a slot of this kind, with a name or without."""
        return any(
            slot_kind == kind and named == (name is not None) for slot_kind, name in self._slots
        )

    def render(self, context: Context) -> bytes:
        """Fill in the slots; RequestError (`missing_credentials`) names a missing value."""
        if self._only:
            return self._only(context)[0]
        return b"".join(
            [piece if isinstance(piece, bytes) else piece(context)[0] for piece in self._pieces]
        )

    def alternatives(self, context: Context) -> list[bytes]:
        """Fill in the slots, once per value of a repeated part."""
        if self._only:
            return self._only(context)
        texts = [b""]
        for piece in self._pieces:
            values = [piece] if isinstance(piece, bytes) else piece(context)
            texts = [text + value for text in texts for value in values][:MAX_ALTERNATIVES]
        return texts

    def describe(self) -> str:
        """Describe the named slots for the sender of a request."""
        return " and ".join(_PLACES[kind].format(name) for kind, name in self.named_slots)


_Slot = Callable[[Context], list[bytes]]

_PLACES = {
    "header": "header '{}'",
    "query": "query parameter '{}'",
    "part": "part '{}' of the signature's header",
    "body": "body field '{}'",
}


def parse_template(given: object) -> Template:
    """Parse the template of a description."""
    if isinstance(given, Template):
        return given
    if not isinstance(given, str):
        raise ValueError("expected a string with slots, such as '{header:X-Signature}'")  # noqa: TRY004
    return Template(given)


OneTemplate = Annotated[Template, BeforeValidator(parse_template)]


def missing(what: str) -> RequestError:
    """Return the error for a request that lacks a value required by a scheme."""
    return RequestError(Reason.MISSING_CREDENTIALS, f"The request has no {what}.")


def check_header(name: str) -> None:
    """Raise ValueError for an invalid header name."""
    if not _HEADER.fullmatch(name):
        raise ValueError(f"{name!r} is not a valid header name")


def body_paths(templates: Iterable[Template]) -> list[str]:
    """Return the distinct paths of `{body:X}`."""
    slots = [slot for template in templates for slot in template.named_slots]
    return list(dict.fromkeys(name for kind, name in slots if kind == "body"))


def _slot(kind: str, name: str | None) -> _Slot:
    if name is None and kind in _UNNAMED:
        return _UNNAMED_SLOTS[kind]
    if name is None or kind not in _NAMED:
        known = [f"{{{slot}}}" for slot in _UNNAMED] + [f"{{{slot}:…}}" for slot in _NAMED]
        written = f"{{{kind}}}" if name is None else f"{{{kind}:{name}}}"
        raise ValueError(f"unknown slot {written}; known are {' '.join(known)}")
    if kind == "header":
        check_header(name)
    if kind == "body" and isinstance(parse_path(name)[0], int):
        raise ValueError(f"{{body:{name}}}: the path starts with a name")
    place = _PLACES[kind].format(name)
    values, look_up = _VALUES[kind], methodcaller("get", name)

    def fill(context: Context) -> list[bytes]:
        found = look_up(values(context))
        if found is None:
            raise missing(place)
        if isinstance(found, str):
            return [found.encode("utf-8", "surrogateescape")]
        return [value.encode("utf-8", "surrogateescape") for value in found[:MAX_ALTERNATIVES]]

    return fill


_VALUES: Mapping[str, Callable[[Context], Any]] = {
    "header": attrgetter("request.headers"),
    "query": attrgetter("request.query"),
    "part": attrgetter("parts"),
    "body": attrgetter("body_values"),
}
"""The mapping in which a named slot is looked up, by kind."""

_UNNAMED_SLOTS: dict[str, _Slot] = {
    "body": lambda context: [context.body],
    "secret": lambda context: [context.secret],
    "user": lambda context: [context.user.encode()],
    "url": lambda context: [context.url.encode("utf-8", "surrogateescape")],
}


def split_parts(value: str, separator: str) -> dict[str, list[str]]:
    """Split a header into `name=value` parts, each at its first `=`, and strip blanks."""
    parts: dict[str, list[str]] = {}
    for piece in value.split(separator):
        name, equals, text = piece.partition("=")
        if equals:
            parts.setdefault(name.strip(), []).append(text.strip())
    return parts
