"""From items to results: all at once where they have the usual shape, else one by one."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from exporter.errors import ItemReason, Reason, RequestError
from exporter.gateways.text import MALFORMED, malformed, problem_of
from exporter.results import Batch, PushResult, Rejection, ResultGroup, canonical_code

MAX_REJECTED = 10_000
"""Items of a body that may be rejected: past that the whole body is refused."""

_MAX_REMEMBERED = 300
"""Bytes of an item that is remembered, for the memory that takes."""

Wire = TypeVar("Wire")

Facts = tuple[Any, ...]
"""What an item says, all but its id; hashable, so that items that say the same are grouped."""

Identity = str | int | bytes | None
"""What tells an item from others that say the same."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What the facts of an item mean, and for how many pushes it stands."""

    result: PushResult
    pushes: int = 1
    defaulted: bool = False
    """Whether the code is not of the item, but what the description takes for it."""


class ItemError(ValueError):
    """An item is not a result; the detail is what the reason means, unless there is more to say."""

    def __init__(self, reason: ItemReason, detail: str | None = None) -> None:
        meaning = reason.meaning
        super().__init__(detail or f"{meaning[0].upper()}{meaning[1:]}.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ItemFormat(Generic[Wire]):
    """How a gateway writes one item."""

    wire: type[Wire]
    """The usual shape, as msgspec decodes it."""
    facts: Callable[[Wire], Facts]
    identity: Callable[[Wire], Identity]
    loose: Callable[[Any], Wire]
    """Makes an item of a JSON value of another shape; or raises ItemError, by checking it."""
    outcome: Callable[[Facts], Outcome | None]
    """What the facts mean; None for an item that is not wanted, ItemError for a bad one."""
    exemplar: Callable[[Wire], str | int | None] | None = None
    """The message id to show, where that is not what tells items apart."""


_Read = tuple[Outcome | None, Identity, Identity]
"""One item, read: what it means, what tells it apart, the id to show."""


class ItemReader(Generic[Wire]):
    """Reads items of one format.

    More than MAX_REJECTED bad items are refused (RequestError, `malformed_body`).
    """

    def __init__(self, item_format: ItemFormat[Wire]) -> None:
        self._format = item_format
        self.wire: Any = item_format.wire
        self._exemplar = item_format.exemplar
        self._item = msgspec.json.Decoder(item_format.wire)
        self._array = msgspec.json.Decoder(list[item_format.wire])  # type: ignore[name-defined]
        # Most items without an id say what others have said before.
        self._remembered = lru_cache(maxsize=1024)(self._read)

    def one(self, text: str) -> Batch:
        """Read a body that is one item; RequestError if it is not even an object."""
        try:
            outcome, identity, exemplar = self._read(text)
        except ItemError as error:
            if error.reason in (ItemReason.NOT_AN_OBJECT, ItemReason.MALFORMED_JSON):
                raise malformed(str(error).removesuffix(".")) from None
            return Batch([], [Rejection(0, error.reason, str(error))])
        if outcome is None:
            return Batch([], [], skipped=1)
        return Batch([_group(outcome, [identity], exemplar)], [], defaulted=int(outcome.defaulted))

    def array(self, text: str, *, repeated: bool = False) -> Batch:
        """Read a body that is an array; `repeated` if many items may be the same to the letter."""
        if not repeated:
            try:
                return self.usual(self._array.decode(text))
            except MALFORMED:
                pass
        return self.each(list(map(bytes, raw_array(text))))

    def keyed(self, raws: Sequence[tuple[str, msgspec.Raw]]) -> Batch:
        """Read the values of a map; an item knows its key."""
        items: list[Wire] = []
        places: list[int] = []
        rejected: list[Rejection] = []
        for place, (key, raw) in enumerate(raws):
            try:
                item = self._decoded(bytes(raw))
            except ItemError as error:
                _reject(rejected, place, error)
            else:
                item.key = key  # type: ignore[attr-defined]
                items.append(item)
                places.append(place)
        return self.usual(items, places, rejected)

    def usual(
        self,
        items: Sequence[Wire],
        places: Sequence[int] | None = None,
        rejected: Sequence[Rejection] = (),
    ) -> Batch:
        """Group items, and list what is not a result.

        `places` are those of the items in the body, if others stand between them: `rejected`.
        """
        said = list(map(self._format.facts, items))
        alike: defaultdict[Facts, list[Wire]] = defaultdict(list)
        for facts, item in zip(said, items, strict=True):
            alike[facts].append(item)
        groups = _Groups()
        bad: dict[Facts, ItemError] = {}
        for facts, members in alike.items():
            try:
                outcome = self._format.outcome(facts)
            except ItemError as error:
                bad[facts] = error.with_traceback(None)
            else:
                identities = list(map(self._format.identity, members))
                exemplar = self._exemplar(members[-1]) if self._exemplar else identities[-1]
                groups.add(outcome, identities, exemplar)
        found = _rejections(said, bad, places) if bad else []
        if rejected:
            found = sorted([*found, *rejected], key=lambda one: one.index)
        return groups.batch(found)

    def each(self, texts: Sequence[bytes]) -> Batch:
        """Read items one by one, each text once."""
        groups = _Groups()
        bad: dict[bytes, ItemError] = {}
        counted = Counter(texts)
        alike = 2 * len(counted) < len(texts)
        for text, times in counted.items():
            try:
                known = alike and len(text) <= _MAX_REMEMBERED
                read = self._remembered(text) if known else self._read(text)
            except ItemError as error:
                bad[text] = error.with_traceback(None)
                if len(bad) > MAX_REJECTED:
                    raise _too_many() from None
            else:
                outcome, identity, exemplar = read
                groups.add(outcome, [identity] * times, exemplar)
        return groups.batch(_rejections(texts, bad) if bad else [])

    def judge(self, value: Any, key: str | None = None) -> Outcome | None:
        """Say what one JSON value means, which stands under a key; ItemError for no result."""
        item = self._format.loose(value)
        if key is not None:
            item.key = key  # type: ignore[attr-defined]
        return self._format.outcome(self._format.facts(item))

    def _read(self, text: bytes | str) -> _Read:
        item = self._decoded(text)
        outcome = self._format.outcome(self._format.facts(item))
        identity = self._format.identity(item)
        return outcome, identity, self._exemplar(item) if self._exemplar else identity

    def _decoded(self, text: bytes | str) -> Wire:
        try:
            return self._item.decode(text)
        except MALFORMED:
            pass
        try:
            value = msgspec.json.decode(text)
        except MALFORMED as error:
            raise ItemError(ItemReason.MALFORMED_JSON, problem_of(error)) from None
        return self._format.loose(value)


class _Groups:
    """Results with what tells them apart, those that say the same together."""

    def __init__(self) -> None:
        self._groups: dict[Outcome, ResultGroup] = {}
        self._skipped = 0
        self._defaulted = 0

    def add(self, outcome: Outcome | None, identities: list[Any], exemplar: Identity) -> None:
        """Add items that say the same."""
        number = len(identities)
        if outcome is None:
            self._skipped += number
            return
        if outcome.defaulted:
            self._defaulted += number
        new = _group(outcome, identities, exemplar)
        group = self._groups.setdefault(outcome, new)
        if group is not new:
            group.anonymous += new.anonymous
            group.ids += new.ids
            group.exemplar = new.exemplar or group.exemplar

    def batch(self, rejected: list[Rejection]) -> Batch:
        """Return what was read."""
        return Batch(list(self._groups.values()), rejected, self._skipped, self._defaulted)


def _group(outcome: Outcome, identities: list[Any], exemplar: Identity) -> ResultGroup:
    """Make the group of items that say the same."""
    anonymous = identities.count(None) + identities.count("")
    if anonymous:
        named = anonymous < len(identities)
        identities = [one for one in identities if one not in (None, "")] if named else []
    shown = None if exemplar in (None, "") else str(exemplar)
    return ResultGroup(outcome.result, outcome.pushes, anonymous, identities, shown)


T = TypeVar("T")


def _rejections(
    items: Iterable[T], bad: Mapping[T, ItemError], places: Sequence[int] | None = None
) -> list[Rejection]:
    """List the bad items by their places."""
    rejected: list[Rejection] = []
    for number, item in enumerate(items):
        if error := bad.get(item):
            _reject(rejected, places[number] if places else number, error)
    return rejected


def _reject(rejected: list[Rejection], place: int, error: ItemError) -> None:
    if len(rejected) == MAX_REJECTED:
        raise _too_many()
    rejected.append(Rejection(place, error.reason, str(error)))


def _too_many() -> RequestError:
    return RequestError(Reason.MALFORMED_BODY, f"More than {MAX_REJECTED:,} items are not results.")


def code_of(code: object) -> str:
    """Return the code in its one spelling; ItemError if it cannot be one."""
    canonical = canonical_code(code)
    if canonical is not None:
        return canonical
    if code is None or code == "":
        raise ItemError(ItemReason.CODE_MISSING)
    raise ItemError(ItemReason.CODE_INVALID)


def raw_array(text: str | msgspec.Raw) -> list[msgspec.Raw]:
    """Cut an array into items; RequestError (`malformed_body`) if it is none."""
    try:
        return msgspec.json.decode(text, type=list[msgspec.Raw])
    except MALFORMED as error:
        raise malformed(problem_of(error)) from None
