"""JSON values of an item: scalars, markers for other values, and the rule for absent ones."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from exporter.errors import ItemReason
from exporter.gateways.paths import Path, path_text
from exporter.results import canonical_code

MAX_COUNT = 1_000_000_000
"""Maximum number of pushes per item; keeps totals exact in a 64-bit float for years."""

MAX_ID_LENGTH = 256
"""Maximum number of characters of a message id."""

Scalar = int | float | str | None

_MAX_NAMED_FIELDS = 8
_FIELD_NAME = re.compile("[A-Za-z_@][A-Za-z0-9_.-]{0,23}", re.ASCII)
"""Matches field names, as opposed to tokens, ids and sentences."""

_SCALAR = msgspec.json.Decoder(Scalar)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


_KINDS = {b"t": "a boolean", b"f": "a boolean", b"[": "an array", b"{": "an object"}


class NonScalar(NamedTuple):
    """A boolean, an array or an object; hashable, and equal to no scalar."""

    kind: str
    text: str | None = None
    """The JSON of a boolean."""
    json: bytes = b""
    """The JSON of the value, which may be part of an identity."""


class ItemError(ValueError):
    """An item is not a valid result; the default detail is the sentence of the reason."""

    def __init__(self, reason: ItemReason, detail: str | None = None) -> None:
        sentence = reason.meaning
        super().__init__(detail or f"{sentence[0].upper()}{sentence[1:]}.")
        self.reason = reason


def is_absent(value: object) -> bool:
    """Whether a value counts as absent: null, or empty or blank text.

    Many encoders write empty text for a missing value. This is the only definition, for all
    formats.
    """
    return value is None or (isinstance(value, str) and (not value or value.isspace()))


def text_or_none(value: str | None) -> str | None:
    """Return a text, or None if it is absent."""
    return None if is_absent(value) else value


def as_text(value: object) -> str | None:
    """Return a scalar or a boolean as text; None for null, an array or an object."""
    if isinstance(value, str):
        return value
    if isinstance(value, NonScalar):
        return value.text
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None


def code_of(code: object) -> str:
    """Return a code in canonical form; ItemError for a missing or invalid code.

    The code of an array, such as a Python tuple in JSON, is its first value.
    """
    if isinstance(code, NonScalar):
        array = array_of(code.json) if code.kind == "an array" else None
        code = scalar_of(array[0]) if array else ()
    canonical = None if isinstance(code, NonScalar) else canonical_code(code)
    if canonical is not None:
        return canonical
    raise ItemError(ItemReason.CODE_MISSING if is_absent(code) else ItemReason.CODE_INVALID)


def scalar_of(raw: msgspec.Raw | bytes) -> Any:
    """Decode a scalar; return a NonScalar for any other value."""
    try:
        return _SCALAR.decode(raw)
    except msgspec.ValidationError:
        json = bytes(raw).strip()
        kind = _KINDS.get(json[:1])
        if kind is None:  # a number out of range
            raise
    return NonScalar(kind, json.decode() if kind == "a boolean" else None, json)


def members_of(raw: msgspec.Raw | bytes | str) -> dict[str, msgspec.Raw] | None:
    """Return the members of a JSON object; None for any other value."""
    try:
        return _OBJECT.decode(raw)
    except msgspec.ValidationError:
        return None


def array_of(raw: msgspec.Raw | bytes | str) -> list[msgspec.Raw] | None:
    """Return the values of a JSON array; None for any other value."""
    try:
        return _ARRAY.decode(raw)
    except msgspec.ValidationError:
        return None


def raw_at(raw: msgspec.Raw | bytes, path: Path) -> msgspec.Raw | bytes | None:
    """Return the JSON at a path of names and indexes, or None."""
    for step in path:
        if isinstance(step, int):
            array = array_of(raw) or []
            found = array[step] if step < len(array) else None
        else:
            found = (members_of(raw) or {}).get(str(step))
        if found is None:
            return None
        raw = found
    return raw


def item_members(raw: msgspec.Raw | bytes | str) -> dict[str, msgspec.Raw]:
    """Return the members of an item; ItemError if it is not a JSON object."""
    members = members_of(raw)
    if members is None:
        raise ItemError(ItemReason.NOT_AN_OBJECT)
    return members


def missing_code(
    paths: Sequence[Path],
    text: msgspec.Raw | bytes,
    *,
    hint: str = "",
    null: ItemReason = ItemReason.CODE_MISSING,
) -> ItemError:
    """Return the error for an item without a code, with the expected and the present fields.

    `null` is the reason if the code is null.
    """
    members = item_members(text)
    for path in paths:
        first = members.get(str(path[0]))
        found = first and raw_at(first, path[1:])
        if found is not None:
            is_null = bytes(found) == b"null"
            value = "null" if is_null else "empty"
            detail = f"There is no status code: '{path_text(path)}' is {value}.{hint}"
            return ItemError(null if is_null else ItemReason.CODE_MISSING, detail)
    expected = " or ".join(f"'{path_text(path)}'" for path in paths)
    fields = [repr(name) for name in islice(members, 64) if _FIELD_NAME.fullmatch(name)]
    listed = ", ".join(fields[:_MAX_NAMED_FIELDS]) or "no such field"
    more = " and others" if len(members) > _MAX_NAMED_FIELDS else ""
    detail = f"There is no status code: expected {expected}; the item has {listed}{more}.{hint}"
    return ItemError(ItemReason.CODE_MISSING, detail)
