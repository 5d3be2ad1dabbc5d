"""Templates of what is signed and where the signature stands: `{header:X-Time}.{body}`."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter, methodcaller
from typing import Any

import msgspec

from exporter.gateways.auth.scheme import missing
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.paths import Path, parse_path, walk

MAX_ALTERNATIVES = 16
"""Values of a repeated part that are tried."""

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, 5.6.2
_SLOT = re.compile(r"\{([a-z]+)(?::([^{}]+))?\}")
_NAMED = ("header", "query", "part", "body")
_PLAIN = ("body", "secret", "user", "url")


class Context(msgspec.Struct):
    """What the slots of a template stand for."""

    request: ReceivedRequest
    parts: Mapping[str, Sequence[str]] = {}
    document: Any = None
    """The JSON that `{body:X}` looks into."""
    user: str = ""
    secret: bytes = b""
    """That of the credential which is tried."""


class Template:
    """Text with slots; ValueError names a slot that there is not."""

    def __init__(self, text: str) -> None:
        self.text = text
        pieces = _SLOT.split(text)
        self._slots: list[tuple[str, str | None]] = []
        self._pieces: list[bytes | _Slot] = []
        for literal, kind, name in zip(
            pieces[::3], [*pieces[1::3], None], [*pieces[2::3], None], strict=True
        ):
            if "{" in literal or "}" in literal:
                raise ValueError(f"{text!r} has a brace that belongs to no slot")
            self._pieces.append(literal.encode())
            if kind is not None:
                self._pieces.append(_slot(kind, name))
                self._slots.append((kind, name))
        filled = [piece for piece in self._pieces if piece]
        # Many a template is one slot and nothing else: its value is the text as it is.
        self._only = filled[0] if len(filled) == 1 and not isinstance(filled[0], bytes) else None

    @property
    def named_slots(self) -> list[tuple[str, str]]:
        """Kind and name of each slot that has a name."""
        return [(kind, name) for kind, name in self._slots if name is not None]

    def has(self, kind: str, *, named: bool) -> bool:
        """Whether there is a slot of this kind, with a name or without."""
        return any(one == kind and named == (name is not None) for one, name in self._slots)

    def render(self, context: Context) -> bytes:
        """Fill the slots in; RequestError (`missing_credentials`) names what the request lacks."""
        if self._only:
            return self._only(context)[0]
        return b"".join(
            [one if isinstance(one, bytes) else one(context)[0] for one in self._pieces]
        )

    def alternatives(self, context: Context) -> list[bytes]:
        """Fill the slots in, once for each value of a part that is repeated."""
        if self._only:
            return self._only(context)
        texts = [b""]
        for piece in self._pieces:
            values = [piece] if isinstance(piece, bytes) else piece(context)
            texts = [text + value for text in texts for value in values][:MAX_ALTERNATIVES]
        return texts

    def describe(self) -> str:
        """Say where the slots of the request are, for its sender."""
        return " and ".join(_WHERE[kind].format(name) for kind, name in self._slots if name)


_Slot = Callable[[Context], list[bytes]]

_WHERE = {
    "header": "the header '{}'",
    "query": "'{}' in the query",
    "part": "'{}' in the header of the signature",
    "body": "'{}' in the body",
}


def check_header(name: str) -> None:
    """Raise ValueError for what cannot be the name of a header."""
    if not _HEADER.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header")


def _slot(kind: str, name: str | None) -> _Slot:
    if name is None and kind in _PLAIN:
        return _PLAIN_SLOTS[kind]
    if name is None or kind not in _NAMED:
        known = [f"{{{one}}}" for one in _PLAIN] + [f"{{{one}:…}}" for one in _NAMED]
        written = f"{{{kind}}}" if name is None else f"{{{kind}:{name}}}"
        raise ValueError(f"there is no slot {written}; there are {' '.join(known)}")
    if kind == "header":
        check_header(name)
    where = _WHERE[kind].format(name)
    place = _PLACES[kind]
    look = partial(_scalar, parse_path(name)) if kind == "body" else methodcaller("get", name)

    def fill(context: Context) -> list[bytes]:
        found = look(place(context))
        if not found:
            raise missing(where)
        if isinstance(found, str):
            return [found.encode("utf-8", "surrogateescape")]
        return [value.encode("utf-8", "surrogateescape") for value in found[:MAX_ALTERNATIVES]]

    return fill


_PLACES: Mapping[str, Callable[[Context], Any]] = {
    "header": attrgetter("request.headers"),
    "query": attrgetter("request.query"),
    "part": attrgetter("parts"),
    "body": attrgetter("document"),
}
"""What a name is looked up in."""


def _scalar(path: Path, document: Any) -> str | None:
    value = walk(document, path)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return str(value) if type(value) in (int, float) else None


_PLAIN_SLOTS: dict[str, _Slot] = {
    "body": lambda context: [context.request.body],
    "secret": lambda context: [context.secret],
    "user": lambda context: [context.user.encode()],
    "url": lambda context: [context.request.url().encode("utf-8", "surrogateescape")],
}


def cut_parts(value: str, separator: str) -> dict[str, list[str]]:
    """Cut a header into `name=value` pieces, at the first `=` only; blanks do not matter."""
    parts: dict[str, list[str]] = {}
    for piece in value.split(separator):
        name, equals, text = piece.partition("=")
        if equals:
            parts.setdefault(name.strip(), []).append(text.strip())
    return parts
