"""Decodes items to results: all items of a step at once, or one by one if any is irregular."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Generic

import msgspec

from exporter.errors import ItemReason, Reason, RequestError
from exporter.gateways.item_format import Facts, Item, ItemFormat, ItemJson, ItemResult
from exporter.gateways.steps import ITEMS_PER_STEP
from exporter.gateways.text import MALFORMED, malformed, problem_of
from exporter.gateways.values import ItemError, is_absent
from exporter.results import DecodedItems, Identity, Rejection, ResultGroup

MAX_REJECTED = 10_000
"""Maximum number of rejected items per body; a body with more is refused."""

MAX_TEXT_PER_STEP = 65_536
"""Maximum number of characters decoded at once; ITEMS_PER_STEP typical items are half as long."""

FIRST_ITEM = 500
"""Number of characters that usually contain the first item of an array."""

MAX_CACHED_RESULTS = 256
"""Size of the cache of results by facts; most senders report a few dozen distinct results."""


class ItemReader(Generic[Item]):
    """Reads the items of a body, in steps of ITEMS_PER_STEP.

    A body with more than MAX_REJECTED invalid items is refused (RequestError, `malformed_body`).
    """

    def __init__(self, item_format: ItemFormat[Item]) -> None:
        self._format = item_format
        self.item: Any = item_format.item
        self._facts, self._identity = item_format.facts, item_format.identity
        self._exemplar, self._result = item_format.exemplar, item_format.result
        self._cached_result = lru_cache(MAX_CACHED_RESULTS)(item_format.result)
        decoder = msgspec.json.Decoder(item_format.item)
        self._decode, self._decode_lines = decoder.decode, decoder.decode_lines
        self._decode_array = msgspec.json.Decoder(list[item_format.item]).decode  # type: ignore[name-defined]

    def single(self, text: str) -> DecodedItems:
        """Read a body that is a single item; RequestError if it is not an object."""
        try:
            facts, identity, exemplar = self._read(self._decode(text))
            result = self._cached_result(facts)
        except (*MALFORMED, ItemError):
            decoded = self._one_by_one([text.encode()], 0)
        else:
            if result is None:
                return DecodedItems(skipped=1)
            return DecodedItems([_group(result, [identity], exemplar)], [], 0, result.defaulted)
        if decoded.rejected and decoded.rejected[0].reason in _NO_OBJECT:
            raise malformed(decoded.rejected[0].detail.removesuffix("."))
        return decoded

    def array(self, text: str | bytes) -> Iterator[DecodedItems]:
        """Read a body that is an array; RequestError if it is not an array."""
        if decoded := self.at_once(self._decode_array, text):
            yield decoded
            return
        try:
            texts = msgspec.json.decode(text, type=list[msgspec.Raw])
        except MALFORMED as error:
            raise malformed(problem_of(error)) from None
        yield from self.steps(texts)

    def repeated(self, text: str) -> DecodedItems | None:
        """Read an array of objects without identities, most of them repeated; else return None.

        The array is split as text: a piece that begins or ends inside a string or a nested value is
        no object, so if all pieces are objects, they are the items.
        """
        if len(text) > MAX_TEXT_PER_STEP or not (text.startswith("[{") and text.endswith("}]")):
            return None
        separator = "},{" if "},{" in text[:FIRST_ITEM] else "}, {"
        texts = text[2:-2].split(separator)
        distinct = Counter(texts)
        if not 2 * len(distinct) <= len(texts) <= ITEMS_PER_STEP:
            return None
        identical: defaultdict[Facts, list[Identity | None]] = defaultdict(list)
        try:
            for item_text, number in distinct.items():
                facts, identity, _ = self._read(self._decode(f"{{{item_text}}}"))
                if identity is not None:
                    return None
                identical[facts] += [None] * number
            return _results(identical, {}, self._cached_result)
        except (*MALFORMED, ItemError):
            return None

    def at_once(
        self, decode: Callable[[Any], list[Item]], text: str | bytes
    ) -> DecodedItems | None:
        """Read items if they fit into one step and all are regular and valid; else return None."""
        return None if len(text) > MAX_TEXT_PER_STEP else self._decoded(decode, text)

    def steps(
        self,
        texts: Sequence[ItemJson],
        keys: Sequence[str] | None = None,
        *,
        are_lines: bool = False,
    ) -> Iterator[DecodedItems]:
        """Read items, each with its key if they are the values of a map.

        Each text is one JSON value, unless `are_lines`: a line may be anything.
        """
        rejected = 0
        for start in range(0, len(texts), ITEMS_PER_STEP):
            step = texts[start : start + ITEMS_PER_STEP]
            names = keys[start : start + ITEMS_PER_STEP] if keys else None
            if are_lines:
                decoded = self._decoded(self._decode_lines, _joined_lines(step), len(step))
            else:
                array = b"[%b]" % b",".join(step)
                decoded = self._decoded(self._decode_array, array, len(step), names)
            decoded = decoded or self._one_by_one(step, start, names)
            rejected += len(decoded.rejected)
            if rejected > MAX_REJECTED:
                raise RequestError(
                    Reason.MALFORMED_BODY, f"More than {MAX_REJECTED:,} items are invalid."
                )
            yield decoded

    def _decoded(
        self,
        decode: Callable[[Any], list[Item]],
        text: str | bytes,
        number: int | None = None,
        keys: Sequence[str] | None = None,
    ) -> DecodedItems | None:
        """Decode regular and valid items; None for others.

        None, too, if the number of items is not the given one, or too large for a step.
        """
        try:
            items = decode(text)
            if len(items) > ITEMS_PER_STEP if number is None else len(items) != number:
                return None
            for item, key in zip(items, keys or (), strict=False):
                item.key = key  # type: ignore[attr-defined]
            identities = list(map(self._identity, items))
            exemplars = list(map(self._exemplar, items)) if self._exemplar else identities
            result_of = self._result if len(text) > MAX_TEXT_PER_STEP else self._cached_result
            return _grouped(list(map(self._facts, items)), identities, exemplars, result_of)
        except (*MALFORMED, ItemError):
            return None

    def _one_by_one(
        self, texts: Sequence[ItemJson], first: int, keys: Sequence[str] | None = None
    ) -> DecodedItems:
        """Read items one by one; `first` is the index of the first item in the body."""
        valid: list[tuple[Facts, Identity | None, Identity | None]] = []
        rejected: list[Rejection] = []
        for number, text in enumerate(texts):
            try:
                item = self._item(text, keys[number] if keys else None)
                read = self._read(item)
                if self._result(read[0]) is not None:
                    self._format.check(item)
            except (*MALFORMED, ItemError) as error:
                explained = self._explained(error, text)
                rejected.append(Rejection(first + number, explained.reason, str(explained)))
            else:
                valid.append(read)
        facts, identities, exemplars = zip(*valid, strict=True) if valid else ((), (), ())
        decoded = _grouped(facts, identities, exemplars, self._result)
        decoded.rejected = rejected
        return decoded

    def judge(self, text: ItemJson, key: str | None = None) -> ItemResult | None:
        """Return the result of one item; None if it is skipped, ItemError if it is invalid."""
        try:
            item = self._item(text, key)
            result = self._result(self._facts(item))
            if result is not None:
                self._format.check(item)
        except (*MALFORMED, ItemError) as error:
            raise self._explained(error, text) from None
        return result

    def _read(self, item: Item) -> tuple[Facts, Identity | None, Identity | None]:
        """Return the facts of an item, its identity, and its id for exemplars."""
        identity = self._identity(item)
        return self._facts(item), identity, self._exemplar(item) if self._exemplar else identity

    def _item(self, text: ItemJson, key: str | None) -> Item:
        try:
            item = self._decode(text)
        except MALFORMED:
            item = self._format.lenient(text)
        if key is not None:
            item.key = key  # type: ignore[attr-defined]
        return item

    def _explained(self, error: Exception, text: ItemJson) -> ItemError:
        """Return the error of an item; for a missing code, with the fields it has instead."""
        if not isinstance(error, ItemError):
            return ItemError(ItemReason.MALFORMED_JSON, problem_of(error))
        if error.reason is ItemReason.CODE_MISSING:
            with suppress(*MALFORMED):  # it may be nested too deeply for this decoder
                return self._format.explain_missing_code(text)
        return error


_NO_OBJECT = (ItemReason.NOT_AN_OBJECT, ItemReason.MALFORMED_JSON)


def _grouped(
    all_facts: Sequence[Facts],
    all_identities: Sequence[Identity | None],
    exemplars: Sequence[Identity | None],
    result_of: Callable[[Facts], ItemResult | None],
) -> DecodedItems:
    """Group identical items; ItemError if an item is invalid."""
    identical: defaultdict[Facts, list[Identity | None]] = defaultdict(list)
    for facts, identity in zip(all_facts, all_identities, strict=True):
        identical[facts].append(identity)
    last = {} if exemplars is all_identities else dict(zip(all_facts, exemplars, strict=True))
    return _results(identical, last, result_of)


def _results(
    identical: Mapping[Facts, list[Identity | None]],
    last: Mapping[Facts, Identity | None],
    result_of: Callable[[Facts], ItemResult | None],
) -> DecodedItems:
    """Return the results of identical items; ItemError if an item is invalid.

    `last` has the exemplars if they are not the last identities.
    """
    groups: list[ResultGroup] = []
    skipped = defaulted = 0
    for facts, identities in identical.items():
        result = result_of(facts)
        if result is None:
            skipped += len(identities)
            continue
        if result.defaulted:
            defaulted += len(identities)
        groups.append(_group(result, identities, last[facts] if last else identities[-1]))
    return DecodedItems(groups, [], skipped, defaulted)


def _joined_lines(lines: Sequence[ItemJson]) -> bytes:
    """Join lines if each appears to be an object; else return nothing to decode."""
    text = b"\n".join(lines)
    are_objects = text[:1] == b"{" and text[-1:] == b"}"
    return text if are_objects and text.count(b"}\n{") == len(lines) - 1 else b""


def _group(result: ItemResult, identities: list[Any], exemplar: Identity | None) -> ResultGroup:
    """Make the group of identical items."""
    ids = _present(identities)
    shown = None if is_absent(exemplar) else str(exemplar)
    return ResultGroup(result.result, result.pushes, len(identities) - len(ids), ids, shown)


def _present(identities: list[Any]) -> list[Any]:
    """Return the identities that are not absent; fast if all or none are."""
    nulls = identities.count(None)
    if nulls == len(identities):
        return []
    if isinstance(identities[0], str):
        try:
            if all(map(str.strip, identities)):
                return identities
        except TypeError:  # an identity is a number, or null
            pass
    elif not nulls and str not in map(type, identities):
        return identities
    return [identity for identity in identities if not is_absent(identity)]
