"""Types of values in a description: words, and paths into a body."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple, TypeVar

from pydantic import AfterValidator, BeforeValidator

from exporter.errors import did_you_mean
from exporter.gateways.paths import Mark, Path, parse_path
from exporter.results import canonical_code

T = TypeVar("T", bound=str)

MISSING_KEY, OTHER_KEY = "*missing", "*other"
"""The keys of a map for an absent value, and for a value without a key."""

MAX_PATHS = 8
"""Maximum number of paths per field, which bounds the work per item."""


class Value(NamedTuple):
    """The paths of a field; its value is the first present value, or the join of all."""

    paths: tuple[Path, ...]
    separator: str | None = None
    """The separator of a join; None for the first present value."""


class Size(NamedTuple):
    """A number of pushes: the length of an array, or of a separated text."""

    path: Path
    separator: str | None = None


def _text(given: object, what: str) -> str:
    if isinstance(given, str):
        return given
    raise ValueError(f"{what}: expected a string")


def _item_path(given: object) -> Path:
    path = parse_path(_text(given, "a path"))
    if Mark.VALUES in path or isinstance(path[0], int):
        raise ValueError("a field's path starts with a name, and only items.path may have '*'")
    return path


def _paths(given: object) -> tuple[Path, ...]:
    texts = given if isinstance(given, list) else [given]
    if not 0 < len(texts) <= MAX_PATHS:
        raise ValueError(f"expected 1 to {MAX_PATHS} paths")
    return tuple(map(_item_path, texts))


def _value(given: object) -> Value:
    if not isinstance(given, dict):
        return Value(_paths(given))
    _check_keys(given, {"join", "with"})
    return Value(_paths(given.get("join")), _text(given.get("with", ""), "'with'"))


def _count(given: object) -> Value | Size:
    if not isinstance(given, dict) or "size" not in given:
        return _value(given)
    _check_keys(given, {"size", "separator"})
    separator = given.get("separator")
    if separator is not None and not (isinstance(separator, str) and separator):
        raise ValueError("'separator': expected a non-empty string")
    return Size(_item_path(given["size"]), separator)


def _items_path(given: object) -> Path:
    path = parse_path(_text(given, "a path"))
    if Mark.VALUES in path[:-1] or Mark.KEY in path:
        raise ValueError("items.path consists of names and [0], with an optional '*' at its end")
    return path


def _check_keys(given: Mapping[str, object], known: set[str]) -> None:
    for key in given:
        if key not in known:
            raise ValueError(f"unknown key {key!r}{did_you_mean(key, known)}")


def _code(given: object) -> object:
    return str(given) if type(given) is int else given


def _check_code(code: str) -> str:
    if code and canonical_code(code) is None:
        raise ValueError(f"{code!r} is not a valid code: an integer, or 1 to 64 letters")
    return code


def _check_keys_of_map(words: dict[str, str]) -> dict[str, str]:
    if any(not key.strip() for key in words):
        raise ValueError(f"empty text counts as absent; use the key {MISSING_KEY!r}")
    return words


def _words_as_json(given: list[object]) -> list[object]:
    """Convert numbers and booleans to their JSON text."""
    words = [str(word).lower() if isinstance(word, bool | int) else word for word in given]
    if any(isinstance(word, str) and not word.strip() for word in words):
        raise ValueError("empty text counts as absent; items without a value are always skipped")
    return words


def _wanted(given: object) -> object:
    if isinstance(given, dict):
        if len(given) > MAX_PATHS:
            raise ValueError(f"expected at most {MAX_PATHS} paths")
        if wrong := [path for path, words in given.items() if not isinstance(words, list)]:
            raise ValueError(f"{wrong[0]}: Input should be an array")
        return {_item_path(path): _words_as_json(words) for path, words in given.items()}
    return given


Words = dict[str, tuple[str, ...]]
ItemsPath = Annotated[Path, BeforeValidator(_items_path)]
PathsTo = Annotated[Value, BeforeValidator(_value)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_paths)]
CountOf = Annotated[Value | Size, BeforeValidator(_count)]
WantedWords = Annotated[dict[Path, tuple[str, ...]], BeforeValidator(_wanted)]
Code = Annotated[str, BeforeValidator(_code), AfterValidator(_check_code)]
WordMap = Annotated[dict[str, T], AfterValidator(_check_keys_of_map)]
"""A map from the gateway's words to the exporter's."""
