"""What the fields of a described item say: paths, joins, defaults and maps become a result."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from xxhash import xxh3_64_intdigest

from exporter.canonical import canonical_code
from exporter.gateways.description import Description, Size, Value
from exporter.gateways.items import (
    Facts,
    Identity,
    ItemError,
    ItemFormat,
    ItemReader,
    Outcome,
    code_of,
)
from exporter.gateways.paths import ABSENT, Path
from exporter.gateways.shapes import Odd, Shape
from exporter.reasons import ItemReason
from exporter.results import PushResult

MAX_COUNT = 1_000_000_000

_DIGITS = re.compile("[0-9]{1,11}", re.ASCII)

MISSING, OTHER = "*missing", "*other"
"""The keys of a map for a value that is not there, and for one that has no key of its own."""


def reader_of(description: Description) -> ItemReader[Any]:
    """Compile the fields of a description."""
    fields, only = description.fields, description.items.only
    said = [value for value in (fields.code, fields.channel, fields.message, fields.count) if value]
    facts = list(dict.fromkeys([*only, *(path for one in said for path in paths_of(one))]))
    ids = paths_of(fields.id) if fields.id else ()
    sized = [fields.count.path] if isinstance(fields.count, Size) else []
    shape = Shape([*facts, *ids, *fields.dedupe], ids=ids, sized=sized)
    exemplar = _exemplar(shape, fields.id) if fields.id else _nothing
    return ItemReader(
        ItemFormat(
            shape.wire,
            shape.facts(facts),
            _hash_of(shape, fields.dedupe) if fields.dedupe else exemplar,
            shape.loose,
            Reading(description, facts).outcome,
            exemplar,
        )
    )


def _nothing(item: Any) -> None:
    """Tell nothing apart."""
    del item


def _hash_of(shape: Shape, paths: Sequence[Path]) -> Callable[[Any], Identity]:
    """Tell items apart by a hash of several values, of which none can be found in it."""
    written = shape.hashed(paths)

    def identity(item: Any) -> Identity:
        json = written(item)
        return None if json is None else xxh3_64_intdigest(json)

    return identity


def _exemplar(shape: Shape, value: Value) -> Callable[[Any], str | int | None]:
    """Tell items apart by the message id."""
    if len(value.paths) == 1:
        return shape.value(value.paths[0])
    facts = shape.facts(value.paths)

    def identity(item: Any) -> str | int | None:
        there = [one for one in facts(item) if isinstance(one, str | int)]
        if value.separator is not None and there:
            return value.separator.join(map(str, there))
        return there[0] if there else None

    return identity


def paths_of(value: Value | Size) -> tuple[Path, ...]:
    """Return the paths of a field."""
    return value.paths if isinstance(value, Value) else (value.path,)


class Reading:
    """Tells from the facts of an item what it means."""

    def __init__(self, description: Description, facts: Sequence[Path]) -> None:
        self._description = description
        self._place = {path: number for number, path in enumerate(facts)}
        self._codes = {
            canonical_code(key) or key: code
            for key, code in description.map.code.items()
            if key not in (MISSING, OTHER)
        }
        self._default_code = description.map.code.get(MISSING) or description.default.code
        self._other_code = description.map.code.get(OTHER)

    def outcome(self, facts: Facts) -> Outcome | None:
        """Return the result; None if the item is not wanted, ItemError if it is no result."""
        for path, wanted in self._description.items.only.items():
            if text_of(facts[self._place[path]]) not in wanted:
                return None
        fields = self._description.fields
        code, defaulted = self._code(self._found(fields.code, facts))
        message = _text(self._found(fields.message, facts), ItemReason.MESSAGE_INVALID)
        channel = _text(self._found(fields.channel, facts), ItemReason.CHANNEL_INVALID)
        result = PushResult(code, self._channel(channel), message)
        return Outcome(result, self._count(facts), defaulted)

    def _found(self, value: Value | None, facts: Facts) -> Any:
        """Return the value of a field: ABSENT if no path has one, None if one has null."""
        if value is None:
            return ABSENT
        found = [facts[self._place[path]] for path in value.paths]
        there = [one for one in found if one is not ABSENT and one is not None]
        if value.separator is not None and there:
            texts = [text_of(one) for one in there]
            odd = next((one for one, text in zip(there, texts, strict=True) if text is None), None)
            return odd or value.separator.join(text or "" for text in texts)
        if there:
            return there[0]
        return None if None in found else ABSENT

    def _code(self, found: Any) -> tuple[str, bool]:
        """Return the code, and whether it is the default."""
        if found is ABSENT or found is None or found == "":
            if self._default_code is not None:
                return code_of(self._default_code), True
            if found is None:
                raise ItemError(ItemReason.CODE_NULL)
            raise ItemError(ItemReason.CODE_MISSING)
        text = text_of(found) if self._codes or self._other_code else None
        if text is not None:
            known = self._codes.get(canonical_code(text) or text) or self._other_code
            if known is not None:
                return code_of(known), False
        return code_of(() if isinstance(found, Odd) else found), False

    def _channel(self, text: str | None) -> str | None:
        names = self._description.map.channel
        if text is None:
            return names.get(MISSING) or self._description.channel
        return names.get(text) or names.get(OTHER) or text

    def _count(self, facts: Facts) -> int:
        rule = self._description.fields.count
        if rule is None:
            return 1
        if isinstance(rule, Size):
            found = facts[self._place[rule.path]]
            number = _size(found, rule)
        else:
            found = self._found(rule, facts)
            number = _number(found)
        if found is ABSENT or found is None:
            return 1
        if number is None or not 1 <= number <= MAX_COUNT:
            raise ItemError(ItemReason.COUNT_INVALID)
        return number


def text_of(value: Any) -> str | None:
    """Return text, a number or a boolean as JSON writes it; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, Odd):
        return value.text
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None


def _text(found: Any, reason: ItemReason) -> str | None:
    """Return a field as text, None if it is not there or empty."""
    if found is ABSENT or found is None:
        return None
    text = text_of(found)
    if text is None:
        raise ItemError(reason)
    return text or None


def _number(found: Any) -> int | None:
    text = text_of(found)
    return int(text) if text is not None and _DIGITS.fullmatch(text) else None


def _size(found: Any, rule: Size) -> int | None:
    if isinstance(found, Odd):
        return found.length
    if not isinstance(found, str) or rule.separator is None:
        return None
    return sum(1 for piece in found.split(rule.separator) if piece.strip())
