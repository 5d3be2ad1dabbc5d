"""From items to results: all of a step at once, or one by one where an item is not as usual."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from exporter.errors import ItemReason, Reason, RequestError
from exporter.gateways.steps import ITEMS_PER_STEP
from exporter.gateways.text import MALFORMED, malformed, problem_of
from exporter.gateways.values import ItemError, is_absent
from exporter.results import DecodedItems, PushResult, Rejection, ResultGroup

MAX_REJECTED = 10_000
"""Items of a body that may be rejected: past that the whole body is refused."""

MAX_TEXT_PER_STEP = 65_536
"""Characters of a body that is decoded at once: a typical one of ITEMS_PER_STEP is half as long."""

Item = TypeVar("Item")

Facts = tuple[Any, ...]
"""What an item reports, without its identity: equal for identical items."""

Identity = str | int | None
"""What tells an item from identical ones."""

Text = bytes | msgspec.Raw
"""One item as JSON."""


class ItemResult(msgspec.Struct, frozen=True, gc=False):
    """The result that an item reports, and for how many pushes it stands."""

    result: PushResult
    pushes: int = 1
    defaulted: bool = False
    """Whether the code is not the item's, but the description's default."""


class ItemFormat(Generic[Item]):
    """How a gateway writes one item."""

    item: type[Item]
    """The usual shape, as msgspec decodes it."""
    facts: Callable[[Item], Facts]
    identity: Callable[[Item], Identity]
    exemplar: Callable[[Item], Identity] | None = None
    """The message id to show, where that is not the identity."""

    def lenient(self, text: Text) -> Item:
        """Decode an item of another shape; ItemError for what is none, or has an invalid field."""
        raise NotImplementedError

    def result(self, facts: Facts) -> ItemResult | None:
        """Return what the facts report; None for an item to skip, ItemError for an invalid one."""
        raise NotImplementedError

    def explain_missing_code(self, text: Text) -> ItemError:
        """Return the error for an item without a code, which names what was expected."""
        raise NotImplementedError


class ItemReader(Generic[Item]):
    """Reads the items of a body, in steps of ITEMS_PER_STEP.

    A body with more than MAX_REJECTED invalid items is refused (RequestError, `malformed_body`).
    """

    def __init__(self, item_format: ItemFormat[Item]) -> None:
        self._format = item_format
        self.item: Any = item_format.item
        self._facts, self._identity = item_format.facts, item_format.identity
        self._exemplar = item_format.exemplar
        decoder = msgspec.json.Decoder(item_format.item)
        self._decode, self._decode_lines = decoder.decode, decoder.decode_lines
        self._decode_array = msgspec.json.Decoder(list[item_format.item]).decode  # type: ignore[name-defined]

    def single(self, text: str) -> DecodedItems:
        """Read a body that is one item; RequestError if it is not an object."""
        try:
            item = self._decode(text)
            result = self._format.result(self._facts(item))
        except (*MALFORMED, ItemError):
            decoded = self._one_by_one([text.encode()], 0)
            rejection = decoded.rejected[0] if decoded.rejected else None
            if rejection and rejection.reason in _NO_OBJECT:
                raise malformed(rejection.detail.removesuffix(".")) from None
            return decoded
        if result is None:
            return DecodedItems(skipped=1)
        identity = self._identity(item)
        exemplar = self._exemplar(item) if self._exemplar else identity
        return DecodedItems([_group(result, [identity], exemplar)], [], 0, int(result.defaulted))

    def array(self, text: str | bytes) -> Iterator[DecodedItems]:
        """Read a body that is an array; RequestError if it is none."""
        if decoded := self.at_once(self._decode_array, text):
            yield decoded
            return
        try:
            texts = msgspec.json.decode(text, type=list[msgspec.Raw])
        except MALFORMED as error:
            raise malformed(problem_of(error)) from None
        yield from self.steps(texts)

    def at_once(
        self, decode: Callable[[Any], list[Item]], text: str | bytes
    ) -> DecodedItems | None:
        """Read items that fit into one step and are all valid; None for any others."""
        if len(text) > MAX_TEXT_PER_STEP:
            return None
        try:
            items = decode(text)
        except MALFORMED:
            return None
        return self.valid(items) if len(items) <= ITEMS_PER_STEP else None

    def steps(
        self,
        texts: Sequence[Text],
        keys: Sequence[str] | None = None,
        *,
        are_lines: bool = False,
    ) -> Iterator[DecodedItems]:
        """Read items, each with its key if they are the values of a map.

        Lines may be anything; other texts are known to be one JSON value each.
        """
        rejected = 0
        decode = self._lines if are_lines else self._values
        for start in range(0, len(texts), ITEMS_PER_STEP):
            step = texts[start : start + ITEMS_PER_STEP]
            names = keys[start : start + ITEMS_PER_STEP] if keys else None
            decoded = self._step(decode, step, names) or self._one_by_one(step, start, names)
            rejected += len(decoded.rejected)
            if rejected > MAX_REJECTED:
                raise RequestError(
                    Reason.MALFORMED_BODY, f"More than {MAX_REJECTED:,} items are invalid."
                )
            yield decoded

    def _step(
        self,
        decode: Callable[[Sequence[Text]], list[Item]],
        texts: Sequence[Text],
        keys: Sequence[str] | None,
    ) -> DecodedItems | None:
        try:
            items = decode(texts)
        except MALFORMED:
            return None
        if len(items) != len(texts):
            return None
        if keys:
            for item, key in zip(items, keys, strict=True):
                item.key = key  # type: ignore[attr-defined]
        return self.valid(items)

    def _values(self, texts: Sequence[Text]) -> list[Item]:
        return self._decode_array(b"[%b]" % b",".join(texts))

    def _lines(self, lines: Sequence[Text]) -> list[Item]:
        """Decode lines that are an object each; none of any others, which may be pieces of one."""
        text = b"\n".join(lines)
        if text[:1] != b"{" or text[-1:] != b"}" or text.count(b"}\n{") != len(lines) - 1:
            return []
        return self._decode_lines(text)

    def valid(self, items: Sequence[Item]) -> DecodedItems | None:
        """Group items that are all valid; None if one of them is not."""
        identical: defaultdict[Facts, list[Item]] = defaultdict(list)
        for facts, item in zip(map(self._facts, items), items, strict=True):
            identical[facts].append(item)
        groups = _Groups()
        for facts, members in identical.items():
            try:
                result = self._format.result(facts)
            except ItemError:
                return None
            identities = list(map(self._identity, members))
            exemplar = self._exemplar(members[-1]) if self._exemplar else identities[-1]
            groups.add(result, identities, exemplar)
        return groups.decoded([])

    def _one_by_one(
        self, texts: Sequence[Text], first: int, keys: Sequence[str] | None = None
    ) -> DecodedItems:
        """Read each item by itself; `first` is the index of the first in the body."""
        groups = _Groups()
        rejected: list[Rejection] = []
        for number, text in enumerate(texts):
            try:
                item = self._item(text, keys[number] if keys else None)
                result = self._format.result(self._facts(item))
            except ItemError as error:
                told = self._explained(error, text)
                rejected.append(Rejection(first + number, told.reason, str(told)))
            else:
                identity = self._identity(item)
                exemplar = self._exemplar(item) if self._exemplar else identity
                groups.add(result, [identity], exemplar)
        return groups.decoded(rejected)

    def judge(self, text: Text, key: str | None = None) -> ItemResult | None:
        """Return what one item reports; None if it is skipped, ItemError if it is invalid."""
        try:
            return self._format.result(self._facts(self._item(text, key)))
        except ItemError as error:
            raise self._explained(error, text) from None

    def _item(self, text: Text, key: str | None) -> Item:
        try:
            item = self._decode(text)
        except MALFORMED:
            try:
                item = self._format.lenient(text)
            except MALFORMED as error:
                raise ItemError(ItemReason.MALFORMED_JSON, problem_of(error)) from None
        if key is not None:
            item.key = key  # type: ignore[attr-defined]
        return item

    def _explained(self, error: ItemError, text: Text) -> ItemError:
        missing = error.reason is ItemReason.CODE_MISSING
        return self._format.explain_missing_code(text) if missing else error


_NO_OBJECT = (ItemReason.NOT_AN_OBJECT, ItemReason.MALFORMED_JSON)


class _Groups:
    """Results with their identities, equal results together."""

    def __init__(self) -> None:
        self._groups: dict[ItemResult, ResultGroup] = {}
        self._skipped = 0
        self._defaulted = 0

    def add(self, result: ItemResult | None, identities: list[Any], exemplar: Identity) -> None:
        """Add identical items."""
        if result is None:
            self._skipped += len(identities)
            return
        if result.defaulted:
            self._defaulted += len(identities)
        new = _group(result, identities, exemplar)
        group = self._groups.setdefault(result, new)
        if group is not new:
            group.anonymous += new.anonymous
            group.ids += new.ids
            group.exemplar = new.exemplar or group.exemplar

    def decoded(self, rejected: list[Rejection]) -> DecodedItems:
        """Return what was read."""
        return DecodedItems(list(self._groups.values()), rejected, self._skipped, self._defaulted)


def _group(result: ItemResult, identities: list[Any], exemplar: Identity) -> ResultGroup:
    """Make the group of identical items."""
    ids = [one for one in identities if not is_absent(one)]
    shown = None if is_absent(exemplar) else str(exemplar)
    return ResultGroup(result.result, result.pushes, len(identities) - len(ids), ids, shown)
