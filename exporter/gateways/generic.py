"""The generic format, for any other gateway: an object, an array, `{"results": […]}` or NDJSON."""

from operator import attrgetter
from typing import Annotated

import msgspec

from exporter.gateways.decoding import ItemDecoder, malformed, problem_of, text_of
from exporter.results import Batch

MAX_COUNT = 1_000_000_000
"""Keeps a total exact in a 64-bit float for longer than a service lives."""

MAX_ID_LENGTH = 256


class Result(msgspec.Struct, gc=False):
    """One result on the wire."""

    code: int | float | str | None = None
    channel: str | None = None
    message: str | None = None
    id: Annotated[str, msgspec.Meta(max_length=MAX_ID_LENGTH)] | int | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] | None = None


class _Envelope(msgspec.Struct):
    results: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_DECODER = ItemDecoder(Result, attrgetter("code", "channel", "message", "count"))
_ENVELOPE = msgspec.json.Decoder(_Envelope)


def decode(body: bytes, *, lines: bool = False) -> Batch:
    """Read a body, as NDJSON if `lines`.

    Raises RequestError (`malformed_body`) if it is none of the shapes.
    """
    text = text_of(body)
    if lines:
        return _lines(text)
    return _array(text) if text.startswith("[") else _object(text)


def _lines(text: str) -> Batch:
    lines = [line for line in text.split("\n") if line.strip()]
    return _DECODER.repeated(lines) or _DECODER.each(lines)


def _array(text: str) -> Batch:
    return _DECODER.repeated(_pieces(text), "{%s}") or _DECODER.array(text)


def _pieces(text: str) -> list[str]:
    """Cut an array where one object seems to end and the next to begin, and lose their braces.

    The cuts are guesses, since a message may hold the same signs. But if each piece is JSON by
    itself, the array is just these pieces.
    """
    if '"id"' in text[:200]:  # results with an id are all different: it would save nothing
        return []
    inside = text[1:-1].strip()
    if not (inside[:1] == "{" and inside[-1:] == "}" and text[-1] == "]"):
        return []
    return inside[1:-1].split("}, {" if "}, {" in inside else "},{")


def _object(text: str) -> Batch:
    """Read an envelope, or the one result that the object is."""
    try:
        inside = _ENVELOPE.decode(text).results
    except (msgspec.DecodeError, RecursionError) as error:
        raise malformed(problem_of(error)) from None
    if inside is msgspec.UNSET:
        return _DECODER.single(text)
    items = bytes(inside).decode()
    if not items.startswith("["):
        raise malformed("'results' is not an array")
    return _array(items)
