"""Makes the result of an item from the values at its paths: joins, defaults and maps."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exporter.errors import ItemReason
from exporter.gateways.described.description import Description
from exporter.gateways.described.structs import ItemStruct
from exporter.gateways.described.values import MISSING_KEY, OTHER_KEY, Size, Value
from exporter.gateways.item_format import Facts, ItemFormat, ItemJson, ItemResult
from exporter.gateways.items import ItemReader
from exporter.gateways.paths import Path
from exporter.gateways.text import MALFORMED
from exporter.gateways.values import (
    MAX_COUNT,
    ItemError,
    array_of,
    as_text,
    code_of,
    is_absent,
    missing_code,
    text_or_none,
)
from exporter.results import Identity, PushResult, canonical_code, text_of_code

_DIGITS = re.compile("[0-9]{1,11}", re.ASCII)


def reader_of(description: Description) -> ItemReader[Any]:
    """Return a reader of a description's items."""
    return ItemReader(_DescribedItems(description))


def paths_of(value: Value | Size) -> tuple[Path, ...]:
    """Return the paths of a field."""
    return value.paths if isinstance(value, Value) else (value.path,)


class _DescribedItems(ItemFormat[Any]):
    """The format of a described gateway's items."""

    def __init__(self, description: Description) -> None:
        fields, only = description.fields, description.items.only
        sources = [fields.code, fields.channel, fields.message, fields.app]
        if isinstance(fields.count, Value):
            sources.append(fields.count)
        paths = list(
            dict.fromkeys([*only, *(path for value in sources if value for path in value.paths)])
        )
        ids = fields.id.paths if fields.id else ()
        sized = [fields.count.path] if isinstance(fields.count, Size) else []
        struct = ItemStruct([*paths, *sized, *ids, *fields.dedupe], ids=ids, sized=sized)
        exemplar = _id_of(struct, fields.id) if fields.id else _no_id
        by_id = not fields.dedupe or (fields.dedupe == ids and len(ids) == 1)
        self.item = struct.type
        self._struct = struct
        self.facts = _facts(struct, paths, fields.count)
        self.identity = exemplar if by_id else struct.written(fields.dedupe)
        self.exemplar = None if by_id else exemplar
        self._results = _Results(description, paths)
        self._code_paths = fields.code.paths if fields.code else ()

    def lenient(self, text: ItemJson) -> Any:
        """Decode any object, field by field."""
        return self._struct.lenient(text)

    def check(self, item: Any) -> None:
        """Raise ItemError if the id of an item that is not skipped is invalid."""
        self._struct.check_ids(item)

    def result(self, facts: Facts) -> ItemResult | None:
        """Return the result of an item; None if it is skipped, ItemError if it is invalid."""
        return self._results.result(facts)

    def explain_missing_code(self, text: ItemJson) -> ItemError:
        """Return an error with the item's fields, or the path whose value is null."""
        return missing_code(self._code_paths, text, null=ItemReason.CODE_NULL)


def _facts(
    struct: ItemStruct, paths: Sequence[Path], count: Value | Size | None
) -> Callable[[Any], Facts]:
    """Return a function that reads the facts of an item: the values of paths, and a size if any."""
    values = struct.values(paths)
    if not isinstance(count, Size):
        return values
    sized, separator = struct.sized(count.path), count.separator
    return lambda item: (*values(item), _size(sized(item), separator))


def _no_id(item: Any) -> None:
    """Return no id."""
    del item


def _id_of(struct: ItemStruct, value: Value) -> Callable[[Any], Identity | None]:
    """Return a function that reads the message id: the first of several values, or their join."""
    if len(value.paths) == 1:
        return struct.value(value.paths[0])
    values, separator = struct.values(value.paths), value.separator

    def identity(item: Any) -> Identity | None:
        present = [part for part in values(item) if not is_absent(part)]
        if separator is None or not present:
            return present[0] if present else None
        return separator.join(map(str, present))

    return identity


class _Results:
    """Makes the results of facts."""

    def __init__(self, description: Description, paths: Sequence[Path]) -> None:
        place = {path: number for number, path in enumerate(paths)}
        fields, words = description.fields, description.map
        self._only = [
            (place[path], frozenset(wanted)) for path, wanted in description.items.only.items()
        ]
        self._codes_of = _candidates(fields.code, place)
        self._channel_of = _finder(fields.channel, place)
        self._message_of = _finder(fields.message, place)
        self._app_of = _finder(fields.app, place)
        self._is_sized = isinstance(fields.count, Size)
        self._count_of = _finder(fields.count if isinstance(fields.count, Value) else None, place)
        self._codes = _codes(words.code)
        other = words.code.get(OTHER_KEY)
        self._other_code = other and code_of(other)
        default = words.code.get(MISSING_KEY) or description.default.code
        self._default_code = None if default is None else code_of(default)
        self._channels = _Words(words.channel, description.channel)
        self._apps = _Words(words.app)

    def result(self, facts: Facts) -> ItemResult | None:
        """Return the result; None if `items.only` skips the item, ItemError if it is invalid."""
        for place, wanted in self._only:
            if as_text(facts[place]) not in wanted:
                return None
        codes = self._codes_of(facts)
        code, text, defaulted = self._code(codes)
        message = _text(self._message_of(facts), ItemReason.MESSAGE_INVALID) or text
        channel = _text(self._channel_of(facts), ItemReason.CHANNEL_INVALID)
        app = text_or_none(as_text(self._app_of(facts)))
        result = PushResult(code, self._channels.ours(channel), message, app=self._apps.ours(app))
        return ItemResult(result, self._pushes(facts), defaulted)

    def _code(self, candidates: Sequence[Any]) -> tuple[str, str | None, bool]:
        """Return the code, its text if it is lossy, and whether it is the default."""
        last = None
        for value in candidates:
            if not is_absent(value):
                mapped = self._mapped(value)
                if mapped:
                    return mapped, None, False
                last = value
                if mapped is None:
                    break
        if last is not None:  # not mapped, or mapped to "" and no later path has a value
            return code_of(last), text_of_code(last), False
        if self._default_code is None:
            raise ItemError(ItemReason.CODE_MISSING)
        return self._default_code, None, True

    def _mapped(self, value: Any) -> str | None:
        """Map a code; None if it is not mapped, empty if it yields to the next path."""
        if not self._codes and self._other_code is None:
            return None
        text = as_text(value)
        if text is None:
            return None
        text = text.strip()
        known = self._codes.get(text)
        if known is None and text_of_code(text) is None:
            known = self._codes.get(canonical_code(text) or text)
        return self._other_code if known is None else known

    def _pushes(self, facts: Facts) -> int:
        if self._is_sized:
            number = facts[-1]
        else:
            count = self._count_of(facts)
            number = 1 if count is None else _number(count)
        if number is None or not 1 <= number <= MAX_COUNT:
            raise ItemError(ItemReason.COUNT_INVALID)
        return int(number)


def _codes(words: Mapping[str, str]) -> dict[str, str]:
    """Return a map of codes, as written and, unless it is lossy, in canonical form.

    The canonical forms of different texts may be equal, such as those of all Chinese texts.
    """
    codes = {
        key.strip(): code and code_of(code)
        for key, code in words.items()
        if key not in (MISSING_KEY, OTHER_KEY)
    }
    for key, code in [*codes.items()]:
        if text_of_code(key) is None:
            codes.setdefault(canonical_code(key) or key, code)
    return codes


class _Words:
    """A map from the gateway's words to the exporter's."""

    def __init__(self, words: Mapping[str, str], default: str | None = None) -> None:
        self._words = words
        self._missing = words.get(MISSING_KEY) or default

    def ours(self, text: str | None) -> str | None:
        """Return the exporter's word, by default the gateway's."""
        if text is None:
            return self._missing
        return self._words.get(text) or self._words.get(OTHER_KEY) or text


def _candidates(value: Value | None, place: Mapping[Path, int]) -> Callable[[Facts], Sequence[Any]]:
    """Return a function that lists the values of a field, in order of precedence."""
    places = [place[path] for path in value.paths] if value else []
    if value is None or value.separator is None:
        return lambda facts: [facts[number] for number in places]
    separator = value.separator

    def joined(facts: Facts) -> Sequence[Any]:
        values = [facts[number] for number in places if not is_absent(facts[number])]
        texts = list(map(as_text, values))
        if None in texts:
            return [values[texts.index(None)]]
        return [separator.join(text or "" for text in texts)]

    return joined


def _finder(value: Value | None, place: Mapping[Path, int]) -> Callable[[Facts], Any]:
    """Return a function that returns the first present value of a field, or None."""
    if value is None:
        return lambda _facts: None
    candidates = _candidates(value, place)
    return lambda facts: _first(candidates(facts))


def _first(values: Sequence[Any]) -> Any:
    """Return the first value that is not absent, or None."""
    return next((value for value in values if not is_absent(value)), None)


def _text(value: Any, reason: ItemReason) -> str | None:
    text = as_text(value)
    if text is None and value is not None:
        raise ItemError(reason)
    return text


def _number(value: Any) -> int | None:
    text = as_text(value)
    return int(text) if text is not None and _DIGITS.fullmatch(text.strip()) else None


_MARK = "\0"
"""Stands for a separator of white space."""


def _size(value: Any, separator: str | None) -> int | None:
    """Return the length of an array, JSON text of an array or separated text; else None."""
    if is_absent(value):
        return 1
    if isinstance(value, list):
        return len(value)
    if not isinstance(value, str):
        return None
    if value.lstrip().startswith("["):
        try:
            array = array_of(value)
        except MALFORMED:
            array = None
        if array is not None:
            return len(array)
    return None if separator is None else _pieces(value, separator)


def _pieces(text: str, separator: str) -> int:
    """Count the non-blank pieces between separators, without a list of them."""
    if separator.isspace():  # a mark in its place is kept where white space is removed
        text, separator = text.replace(separator, _MARK), _MARK
    compact = "".join(text.split())
    return len(compact.replace("".join(separator.split()), " ").split())
