"""The generic format, for any other gateway: an object, an array, `{"results": […]}` or NDJSON."""

from collections.abc import Iterable

import msgspec

from exporter.payloads.decoding import (
    ItemDecoder,
    ItemError,
    code_of,
    collect,
    malformed,
    text_of,
)
from exporter.results import Batch, PushResult

MAX_COUNT = 1_000_000_000
"""Keeps a total exact in a 64-bit float for longer than a service lives."""

MAX_ID_LENGTH = 256


class Result(msgspec.Struct):
    """One result on the wire."""

    code: int | float | str | None = None
    channel: str | None = None
    message: str | None = None
    id: int | str | None = None
    count: int | None = None


class _Envelope(msgspec.Struct):
    results: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


_DECODER = ItemDecoder(Result)
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
    return collect(items, _result)


def _object(text: str) -> Iterable[Result | ItemError]:
    """Read an envelope, or the one result that the object is."""
    try:
        inside = _ENVELOPE.decode(text).results
    except (msgspec.DecodeError, RecursionError) as error:
        raise malformed(error) from None
    return _DECODER.single(text) if inside is msgspec.UNSET else _DECODER.each(inside)


def _result(wire: Result) -> PushResult:
    count = 1 if wire.count is None else wire.count
    if not 1 <= count <= MAX_COUNT:
        raise ItemError("count_invalid", f"'count' must be from 1 to {MAX_COUNT}.")
    identity = None if wire.id is None else str(wire.id)
    if identity is not None and len(identity) > MAX_ID_LENGTH:
        raise ItemError("id_invalid", f"'id' is longer than {MAX_ID_LENGTH} characters.")
    return PushResult(code_of(wire.code), wire.channel, wire.message, identity or None, count)
