"""What the fields of a described item say: paths, joins, defaults and maps become a result."""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from exporter.errors import ItemReason
from exporter.gateways.described.description import Description
from exporter.gateways.described.shapes import Odd, Shape
from exporter.gateways.described.values import Size, Value
from exporter.gateways.items import (
    Facts,
    ItemError,
    ItemFormat,
    ItemReader,
    Outcome,
    code_of,
)
from exporter.gateways.paths import ABSENT, Path
from exporter.results import PushResult, canonical_code, text_of_code

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
    by_id = not fields.dedupe or (len(ids) == 1 and fields.dedupe == ids)
    return ItemReader(
        ItemFormat(
            shape.wire,
            shape.facts(facts),
            exemplar if by_id else shape.written(fields.dedupe),
            shape.loose,
            Reading(description, facts).outcome,
            None if by_id else exemplar,
        )
    )


def _nothing(item: Any) -> None:
    """Tell nothing apart."""
    del item


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


Finder = Callable[[Facts], Any]
"""Finds a field among the facts: ABSENT if no path has one, None if one has null."""


class Reading:
    """Tells from the facts of an item what it means."""

    def __init__(self, description: Description, facts: Sequence[Path]) -> None:
        place = {path: number for number, path in enumerate(facts)}
        fields, only, words = description.fields, description.items.only, description.map
        self._only = [(place[path], frozenset(wanted)) for path, wanted in only.items()]
        self._find_code = _finder(fields.code, place)
        self._find_channel = _finder(fields.channel, place)
        self._find_message = _finder(fields.message, place)
        self._count_rule = fields.count
        self._find_count = _finder(fields.count, place)
        self._codes = {
            canonical_code(key) or key: code
            for key, code in words.code.items()
            if key not in (MISSING, OTHER)
        }
        self._default_code = words.code.get(MISSING) or description.default.code
        self._other_code = words.code.get(OTHER)
        self._channels = words.channel
        self._default_channel = words.channel.get(MISSING) or description.channel

    def outcome(self, facts: Facts) -> Outcome | None:
        """Return the result; None if the item is not wanted, ItemError if it is not a result."""
        for place, wanted in self._only:
            if text_of(facts[place]) not in wanted:
                return None
        found = self._find_code(facts)
        code, defaulted = self._code(found)
        message = _text(self._find_message(facts), ItemReason.MESSAGE_INVALID)
        if message is None and not self._codes:
            message = text_of_code(found)
        channel = _text(self._find_channel(facts), ItemReason.CHANNEL_INVALID)
        pushes = 1 if self._count_rule is None else self._count(self._find_count(facts))
        return Outcome(PushResult(code, self._channel(channel), message), pushes, defaulted)

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
        if text is None:
            return self._default_channel
        if not self._channels:
            return text
        return self._channels.get(text) or self._channels.get(OTHER) or text

    def _count(self, found: Any) -> int:
        if found is ABSENT or found is None:
            return 1
        rule = self._count_rule
        number = _size(found, rule) if isinstance(rule, Size) else _number(found)
        if number is None or not 1 <= number <= MAX_COUNT:
            raise ItemError(ItemReason.COUNT_INVALID)
        return number


def _finder(value: Value | Size | None, place: Mapping[Path, int]) -> Finder:
    if value is None:
        return lambda _facts: ABSENT
    places = [place[path] for path in paths_of(value)]
    if len(places) == 1:
        return itemgetter(places[0])
    if isinstance(value, Value) and value.separator is not None:
        return _joiner(places, value.separator)

    def first(facts: Facts) -> Any:
        found: Any = ABSENT
        for number in places:
            one = facts[number]
            if one is None:
                found = None
            elif one is not ABSENT:
                return one
        return found

    return first


def _joiner(places: Sequence[int], separator: str) -> Finder:
    def join(facts: Facts) -> Any:
        values = [facts[number] for number in places]
        there = [one for one in values if one is not ABSENT and one is not None]
        if not there:
            return None if None in values else ABSENT
        odd = [one for one in there if text_of(one) is None]
        return odd[0] if odd else separator.join(text_of(one) or "" for one in there)

    return join


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
