"""Translates pydantic's validation errors to the terms of settings and TOML files."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from exporter.errors import ConfigurationError, did_you_mean


class Problem(NamedTuple):
    """A mistake at a location."""

    location: tuple[str, ...]
    message: str
    known: tuple[str, ...] | None = None
    """The valid keys, if the mistake is an unknown key; else None."""
    value: Any = None
    """The value of an unknown key."""


def problems_of(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    """Yield the mistakes in data for a model."""
    for detail in error.errors():
        location = tuple(map(str, detail["loc"]))
        if detail["type"] in _UNKNOWN_KEY:
            path, keys = _resolve(model, location[:-1])
            yield Problem((*path, location[-1]), "unknown key", keys, detail["input"])
        else:
            path, _ = _resolve(model, location)
            yield Problem(path, _message(detail, path))


def file_error(
    kind: str, path: Path, error: ValidationError, model: type[BaseModel]
) -> ConfigurationError:
    """Return the error for a file of a kind, with all its mistakes."""
    problems = "; ".join(map(_text, problems_of(error, model)))
    return ConfigurationError(f"{kind} {path}: {problems}")


def _text(problem: Problem) -> str:
    where = ".".join(problem.location)
    hint = did_you_mean(problem.location[-1], problem.known) if problem.known else ""
    return f"{where}: {problem.message}{hint}" if where else problem.message


def _resolve(
    model: type[BaseModel], location: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a location without the tags of unions, and the valid keys of the table there."""
    path: list[str] = []
    models: list[type] = [model]
    for part in location:
        fields = [_fields(found)[part] for found in models if part in _fields(found)]
        if fields:
            path.append(part)
            models = [found for field in fields for found in _models_in(field.annotation)]
        elif tagged := [found for found in models if _has_tag(found, part)]:
            models = tagged
        else:  # the key of a map, or an index
            path.append(part)
    return tuple(path), tuple({name: None for found in models for name in _fields(found)})


def _models_in(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or is_pydantic_dataclass(annotation)
    ):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _fields(model: type) -> Mapping[str, FieldInfo]:
    """Return the fields of a model or dataclass."""
    fields: Mapping[str, FieldInfo] = model.__pydantic_fields__  # type: ignore[attr-defined]
    return fields


def _has_tag(model: type, tag: str) -> bool:
    """Whether a model is the member of a union with a tag."""
    types = (field.annotation for field in _fields(model).values())
    return any(get_origin(type_) is Literal and tag in get_args(type_) for type_ in types)


_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")  # of a model, of a dataclass

_KINDS = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "path_type": "text",
}
"""The expected kind of value, by the type of pydantic's error."""

_UNITS = {"seconds": " of seconds, such as 600", "bytes": " of bytes, such as 1048576"}
_DICTIONARY = re.compile(r"an? (valid )?dictionary( or (an )?instance of \w+)?")
_QUOTED = re.compile(r"""(["']).*\1""")
_SHOWN = 40
"""Maximum number of characters of a value in an error."""


def _message(detail: ErrorDetails, path: tuple[str, ...]) -> str:
    kind = _KINDS.get(detail["type"])
    value = detail["input"]
    if kind and not (isinstance(value, str) and len(value) > _SHOWN):
        if isinstance(value, str) and _QUOTED.fullmatch(value):
            return f"{value} is not {kind}: remove the quotes"
        unit = _UNITS.get(path[-1].rpartition("_")[2], "") if path else ""
        return f"{value!r} is not {kind}{unit}"
    message = detail["msg"].removeprefix("Value error, ").replace("a valid tuple", "an array")
    return _DICTIONARY.sub("a table", message)
