"""What the formats share: a body becomes typed items at once, or, if one is bad, one by one."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec

from exporter.canonical import canonical_code
from exporter.errors import Refusal
from exporter.results import Batch, PushResult, Rejection, Reported, ResultGroup

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

Wire = TypeVar("Wire", bound=Reported)

# RecursionError: JSON nested deeper than the decoder goes.
_MALFORMED = (msgspec.DecodeError, RecursionError)
_FIELD = re.compile(r"at `\$\.(\w+)")


class ItemError(ValueError):
    """An item is not a result: `reason` is one of REASONS."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class ItemDecoder(Generic[Wire]):
    """Reads items of one type from an object, an array or lines."""

    def __init__(self, wire: type[Wire]) -> None:
        self._item = msgspec.json.Decoder(wire)
        self._array = msgspec.json.Decoder(list[wire])  # type: ignore[valid-type]

    def single(self, body: str) -> Iterable[Wire | ItemError]:
        """Read a body that is one item; Refusal if it is not even an object."""
        item = self._one(body)
        if isinstance(item, ItemError) and item.reason in ("not_an_object", "malformed_json"):
            raise malformed(item)
        return [item]

    def array(self, body: str) -> Iterable[Wire | ItemError]:
        """Read a body that is an array: at once, unless an item has another shape."""
        try:
            return self._array.decode(body)
        except msgspec.ValidationError:
            return self.each(_raw_array(body))
        except _MALFORMED as error:
            raise malformed(error) from None

    def each(self, raws: Iterable[msgspec.Raw | str]) -> Iterable[Wire | ItemError]:
        """Read items one by one."""
        return map(self._one, raws)

    def _one(self, raw: msgspec.Raw | str) -> Wire | ItemError:
        try:
            return self._item.decode(raw)
        except msgspec.ValidationError as error:
            return ItemError(_reason(str(error)), str(error))
        except _MALFORMED as error:
            return ItemError("malformed_json", _problem(error))


def text_of(body: bytes) -> str:
    """Return the body as text; JSON is UTF-8, even in the fields that nobody reads."""
    try:
        return body.decode().strip()
    except UnicodeDecodeError as error:
        raise Refusal("malformed_body", f"The body is not UTF-8 at byte {error.start}.") from None


def collect(items: Iterable[Wire | ItemError], said: Callable[[Wire], tuple[Any, ...]]) -> Batch:
    """Group the results that say the same, and list what is no result.

    `said` gives the arguments of `_group`: what an item says, without its id and count.
    """
    groups: dict[tuple[Any, ...], ResultGroup | ItemError] = {}
    rejected = []
    for index, item in enumerate(items):
        if isinstance(item, ItemError):
            rejected.append(Rejection(index, item.reason, str(item)))
            continue
        key = said(item)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _group(*key)
        if isinstance(group, ItemError):
            rejected.append(Rejection(index, group.reason, str(group)))
        elif item.id is None or item.id == "":
            group.anonymous += 1
            group.count += item.count or 1
        else:
            group.identified.append(item)
    return Batch([one for one in groups.values() if isinstance(one, ResultGroup)], rejected)


def _group(
    code: object, hint: str | None, message: str | None, ios: bool = False
) -> ResultGroup | ItemError:
    canonical = canonical_code(code)
    if canonical is not None:
        return ResultGroup(PushResult(canonical, hint, message, ios))
    if code is None or code == "":
        return ItemError("code_missing", "There is no status code.")
    return ItemError("code_invalid", "A code is an integer or a name of 1 to 64 of [A-Za-z0-9_.-].")


def _reason(problem: str) -> str:
    """Find the reason in the decoder's words: they end with the path of the field."""
    field = _FIELD.search(problem)
    if field is None:
        return "not_an_object"
    name = "code" if field.group(1) == "statusCode" else field.group(1)
    # MPS's other fields may hold anything but numbers that are out of range.
    return f"{name}_invalid" if f"{name}_invalid" in REASONS else "malformed_json"


def malformed(error: Exception) -> Refusal:
    """Say that a body is not JSON, without repeating it."""
    return Refusal("malformed_body", f"The body is not what this webhook takes: {_problem(error)}.")


def _problem(error: Exception) -> str:
    return "it nests too deep" if isinstance(error, RecursionError) else str(error)


def _raw_array(body: str) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(body, type=list[msgspec.Raw])
    except _MALFORMED as error:
        raise malformed(error) from None
