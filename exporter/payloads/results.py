"""The generic format, for any other gateway: an object, an array, `{"results": […]}` or NDJSON."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Annotated

import msgspec

from exporter.payloads.decoding import ItemDecoder, ItemError, collect, malformed, text_of
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
    results: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


_DECODER = ItemDecoder(Result)
_SAID = attrgetter("code", "channel", "message")
_ENVELOPE = msgspec.json.Decoder(_Envelope)


def decode(body: bytes, *, lines: bool = False) -> Batch:
    """Read a body, as NDJSON if `lines`.

    Raises Refusal (`malformed_body`) if it is none of the shapes.
    """
    text = text_of(body)
    if lines:
        items = _DECODER.each(line for line in text.split("\n") if line.strip())
    elif text.startswith("["):
        items = _DECODER.array(text)
    else:
        items = _object(text)
    return collect(items, _SAID)


def _object(text: str) -> Iterable[Result | ItemError]:
    """Read an envelope, or the one result that the object is."""
    try:
        inside = _ENVELOPE.decode(text).results
    except (msgspec.DecodeError, RecursionError) as error:
        raise malformed(error) from None
    return _DECODER.single(text) if inside is msgspec.UNSET else _DECODER.each(inside)
