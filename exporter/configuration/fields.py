"""The types of settings."""

import json
import re
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

T = TypeVar("T")

OTHER_APP = "other"
"""The app of results of no declared app."""

_APP = re.compile("[a-z0-9][a-z0-9_.-]{0,62}")


def split_list(value: object) -> object:
    """Split a list that is written as JSON or separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def is_app_name(name: str) -> bool:
    """Whether APPS can declare a name."""
    return bool(_APP.fullmatch(name)) and name != OTHER_APP


def _check_app(name: str) -> str:
    if not _APP.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a valid app: use up to 63 lower-case letters, digits, _ . and -, "
            "starting with a letter or digit"
        )
    if name == OTHER_APP:
        raise ValueError("'other' is reserved for results without a declared app")
    return name


def _check_distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(f"{name!r} is declared twice")
    return names


def _check_link_base(url: str) -> str:
    """Check that links can be made by appending a path; the error omits a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", url):
        raise ValueError("it must be http:// or https:// and a host, with an optional path")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("links need a URL without a user, password, query and fragment")
    return url


Files = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(split_list)]
LinkBase = Annotated[str, AfterValidator(_check_link_base)]
Port = Annotated[int, Field(ge=0, le=65535)]
AnyCase = Annotated[T, BeforeValidator(_lower)]
"""A choice that may be written in upper case."""

Apps = Annotated[
    tuple[Annotated[str, AfterValidator(_check_app)], ...],
    NoDecode,
    BeforeValidator(split_list),
    AfterValidator(_check_distinct),
    Field(max_length=100),
]


class Group(BaseModel):
    """A group of settings, frozen."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, defer_build=True)
