"""What the formats share: a body becomes typed items at once, or, if one is bad, one by one."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

import msgspec

from exporter.canonical import canonical_code
from exporter.errors import RequestError
from exporter.reasons import Reason
from exporter.results import Batch, PushResult, Rejection, ResultGroup

REASONS = (
    "code_missing",
    "code_invalid",
    "channel_invalid",
    "count_invalid",
    "id_invalid",
    "message_invalid",
    "not_an_object",
    "malformed_json",
)
"""Why an item of a batch can be refused."""

MAX_REJECTED = 10_000
"""Items of a body that may be no results: past that the whole body is refused."""


class Identified(Protocol):
    """An item as a format decodes it."""

    @property
    def id(self) -> str | int | None:
        """The message id; never a token or a target id."""


Wire = TypeVar("Wire", bound=Identified)

Said = tuple[Any, ...]
"""What an item says, all but its id: the arguments of `_result`."""

Read = tuple[PushResult, int, str | int | None]
"""What one item says, for how many pushes it stands, and its id."""

Ids = dict[Said, list[str | int | None]]
"""The id, or None, of each item that says the same."""

_MAX_REMEMBERED = 300
"""Characters of an item that is remembered, for the memory that takes."""

# RecursionError: JSON nested deeper than the decoder goes.
_MALFORMED = (msgspec.DecodeError, RecursionError)
_FIELD = re.compile(r"at `\$\.(\w+)")


class ItemError(ValueError):
    """An item is not a result: `reason` is one of REASONS."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Items(NamedTuple, Generic[Wire]):
    """The items of a body."""

    good: list[Wire]
    places: Sequence[int]
    """Where in the body each good item stands, from 0."""
    rejected: list[Rejection]


class ItemDecoder(Generic[Wire]):
    """Reads items of one type from an object, an array or lines.

    `said` tells what an item says. More than MAX_REJECTED items that are no results are refused
    (`malformed_body`).
    """

    def __init__(self, wire: type[Wire], said: Callable[[Wire], Said]) -> None:
        self._item = msgspec.json.Decoder(wire)
        self._array = msgspec.json.Decoder(list[wire])  # type: ignore[valid-type]
        self._said = said
        # Of a gateway's batches most say what others have said before.
        self._remembered = lru_cache(maxsize=1024)(self._read)

    def single(self, body: str) -> Batch:
        """Read a body that is one item; RequestError if it is not even an object."""
        if read := self._read(body):
            return Batch([_group(read, 1)], [])
        batch = self.each([body])
        for rejection in batch.rejected:
            if rejection.reason in ("not_an_object", "malformed_json"):
                raise malformed(rejection.detail)
        return batch

    def array(self, body: str) -> Batch:
        """Read a body that is an array: at once, unless an item has another shape."""
        try:
            items = self._array.decode(body)
        except msgspec.ValidationError:
            return self.each(_raw_array(body))
        except _MALFORMED as error:
            raise malformed(problem_of(error)) from None
        return self._collect(Items(items, range(len(items)), []))

    def each(self, raws: Iterable[msgspec.Raw | str]) -> Batch:
        """Read items one by one."""
        items: Items[Wire] = Items([], places := [], [])
        for place, raw in enumerate(raws):
            item = self._one(raw)
            if isinstance(item, ItemError):
                _reject(items.rejected, place, item)
            else:
                items.good.append(item)
                places.append(place)
        return self._collect(items)

    def repeated(self, raws: Iterable[str], item: str = "%s") -> Batch | None:
        """Read items of which many are the same to the letter, each text once.

        `item` makes an item of such a text. None if that saves nothing, or if one is no result:
        then its place has to be found.
        """
        times = Counter(raws)
        if 2 * len(times) >= times.total():
            return None
        groups = []
        for raw, number in times.items():
            read = self._remembered(item % raw) if len(raw) <= _MAX_REMEMBERED else None
            if read is None:
                return None
            groups.append(_group(read, number))
        return Batch(groups, [])

    def _read(self, text: str) -> Read | None:
        """Read one item; None if it is no result."""
        try:
            item = self._item.decode(text)
        except _MALFORMED:
            return None
        result, count = _result(*self._said(item))
        return None if isinstance(result, ItemError) else (result, count, item.id)

    def _one(self, raw: msgspec.Raw | str) -> Wire | ItemError:
        try:
            return self._item.decode(raw)
        except msgspec.ValidationError as error:
            return ItemError(_reason(str(error)), str(error))
        except _MALFORMED as error:
            return ItemError("malformed_json", problem_of(error))

    def _collect(self, items: Items[Wire]) -> Batch:
        """Group the results that say the same, and list what is no result."""
        ids: Ids = {}
        said = self._said
        for item in items.good:
            key = said(item)
            try:
                ids[key].append(item.id)
            except KeyError:
                ids[key] = [item.id]
        groups, bad = _groups(ids)
        if bad:
            for place, item in zip(items.places, items.good, strict=True):
                if error := bad.get(said(item)):
                    _reject(items.rejected, place, error)
            items.rejected.sort(key=lambda rejection: rejection.index)
        return Batch(groups, items.rejected)


def text_of(body: bytes) -> str:
    """Return the body as text; JSON is UTF-8, even in the fields that nobody reads."""
    try:
        return body.decode().strip()
    except UnicodeDecodeError as error:
        raise RequestError(
            Reason.MALFORMED_BODY, f"The body is not UTF-8 at byte {error.start}."
        ) from None


def _reject(rejected: list[Rejection], place: int, error: ItemError) -> None:
    if len(rejected) >= MAX_REJECTED:
        raise RequestError(
            Reason.MALFORMED_BODY, f"More than {MAX_REJECTED:,} items are no results."
        )
    rejected.append(Rejection(place, error.reason, str(error)))


def _group(read: Read, number: int) -> ResultGroup:
    result, count, identity = read
    if identity is None or identity == "":
        return ResultGroup(result, count, number)
    return ResultGroup(result, count, 0, [identity] * number)


def _groups(ids: Ids) -> tuple[list[ResultGroup], dict[Said, ItemError]]:
    """Make a group of the items that say the same, or an error if what they say is no result."""
    groups: list[ResultGroup] = []
    bad: dict[Said, ItemError] = {}
    for said, members in ids.items():
        result, count = _result(*said)
        if isinstance(result, ItemError):
            bad[said] = result
            continue
        anonymous = members.count(None) + members.count("")
        named = [one for one in members if one not in (None, "")] if anonymous else members
        groups.append(ResultGroup(result, count, anonymous, cast("list[str | int]", named)))
    return groups, bad


def _result(
    code: object, hint: str | None, message: str | None, count: int | None, ios: bool = False
) -> tuple[PushResult | ItemError, int]:
    canonical = canonical_code(code)
    result: PushResult | ItemError
    if canonical is not None:
        result = PushResult(canonical, hint, message, ios)
    elif code is None or code == "":
        result = ItemError("code_missing", "There is no status code.")
    else:
        result = ItemError(
            "code_invalid", "A code is an integer or a name of 1 to 64 of [A-Za-z0-9_.-]."
        )
    return result, count or 1


def _reason(problem: str) -> str:
    """Find the reason in the decoder's words: they end with the path of the field."""
    field = _FIELD.search(problem)
    if field is None:
        return "not_an_object"
    name = "code" if field.group(1) == "statusCode" else field.group(1)
    # MPS's other fields may hold anything but numbers that are out of range.
    return f"{name}_invalid" if f"{name}_invalid" in REASONS else "malformed_json"


def malformed(problem: str) -> RequestError:
    """Say that a body is not JSON, without repeating it."""
    return RequestError(
        Reason.MALFORMED_BODY, f"The body is not what this webhook takes: {problem}."
    )


def problem_of(error: Exception) -> str:
    """Say why a text cannot be decoded."""
    return "it nests too deep" if isinstance(error, RecursionError) else str(error)


def _raw_array(body: str) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(body, type=list[msgspec.Raw])
    except _MALFORMED as error:
        raise malformed(problem_of(error)) from None
