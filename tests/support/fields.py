"""Types in the words of TOML and JSON, and the fields of what is sent as JSON."""

import ast
import inspect
import types
import typing
from collections.abc import Iterator
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

_TYPES = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    Path: "file",
    Any: "any",
}

_NOTHING = (types.NoneType, msgspec.UnsetType)
"""Null, and a field that is absent."""


def words(annotation: Any) -> str:
    """Name a type in the terms of TOML and JSON."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        named = words(arguments[0])
    elif origin in (typing.Union, types.UnionType):
        named = " or ".join(words(argument) for argument in arguments if argument not in _NOTHING)
    elif origin in (list, tuple):
        named = f"list of {words(arguments[0])}s" if arguments[0] in _TYPES else "list"
    elif origin is dict:
        named = f"object of {words(arguments[1])}s" if arguments[1] is not Any else "object"
    elif origin is typing.Literal or (
        isinstance(annotation, type) and issubclass(annotation, Enum)
    ):
        named = ", ".join(f"`{argument}`" for argument in arguments or annotation)
    else:
        named = _TYPES.get(annotation, "object")
    return named


def fields(
    struct: type[msgspec.Struct], prefix: str, seen: dict[type, str]
) -> Iterator[tuple[str, str, str]]:
    """List the fields of a struct, and once those of each struct inside it."""
    texts = docstrings(struct)
    for field in msgspec.structs.fields(struct):
        inner = next((part for part in _parts(field.type) if _is_struct(part)), None)
        options = (field.type, *_options(field.type))
        is_list = any(typing.get_origin(option) is list for option in options)
        path = prefix + field.name + ("[]" if is_list else "")
        meaning = texts.get(field.name) or (_summary(inner) if inner else "")
        if inner in seen:
            meaning += f" Fields as of `{seen[inner]}`."
        optional = " or null" if types.NoneType in _options(field.type) else ""
        yield f"`{path}`", words(field.type) + optional, meaning.strip()
        if inner and inner not in seen:
            seen[inner] = path
            yield from fields(inner, f"{path}.", seen)


def _options(kind: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    return typing.get_args(kind) if is_union else ()


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _parts(kind: Any) -> Iterator[Any]:
    yield kind
    for argument in typing.get_args(kind):
        yield from _parts(argument)


def _summary(struct: type[msgspec.Struct]) -> str:
    return (struct.__doc__ or "").partition("\n\n")[0]


def docstrings(kind: type) -> dict[str, str]:
    """Read the strings that stand below the fields of a class, which Python does not keep."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    found = {}
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for field, text in pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str())):
                found[name] = " ".join(text.value.value.split())  # type: ignore[attr-defined]
    return found
