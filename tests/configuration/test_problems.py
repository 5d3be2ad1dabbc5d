"""Mistakes in files: each is named by the keys that lead to it."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from exporter.configuration.problems import file_error


class Strict(BaseModel):
    """A table without unknown keys."""

    model_config = ConfigDict(extra="forbid")


class Basic(Strict):
    """One member of a union."""

    scheme: Literal["basic"]
    user: str


class Hmac(Strict):
    """The other one."""

    scheme: Literal["hmac"]
    signature: str


class Row(Strict):
    """A table in a map of tables."""

    name: str
    words: tuple[int, ...] = ()


@dataclass(kw_only=True, config=ConfigDict(extra="forbid"))
class Light:
    """A table that is a dataclass."""

    name: str


class File(Strict):
    """A whole file."""

    title: str = ""
    auth: Annotated[Basic | Hmac, Field(discriminator="scheme")] | None = None
    rows: dict[str, Row] = {}
    table: dict[str, int] = {}
    lights: dict[str, Light] = {}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"titel": ""}, "titel: unknown key; did you mean 'title'?"),
        ({"qqqqqq": ""}, "qqqqqq: unknown key"),
        ({"title": 1}, "title: Input should be a valid string"),
        ({"title": 1, "rows": {"5": {}}},
         "title: Input should be a valid string; rows.5.name: Field required"),
        ({"rows": {"5": {"name": "", "nme": ""}}}, "rows.5.nme: unknown key; did you mean 'name'?"),
        ({"rows": {"5": {"name": "", "words": 3}}}, "rows.5.words: Input should be an array"),
        ({"rows": {"5": {"name": "", "words": [1, None]}}},
         "rows.5.words.1: None is not a whole number"),
        ({"auth": {"scheme": "hmac", "signature": "", "usr": ""}}, "auth.usr: unknown key"),
        ({"auth": {"scheme": "basic", "user": "", "usr": ""}},
         "auth.usr: unknown key; did you mean 'user'?"),
        ({"auth": {"scheme": "hmac"}}, "auth.signature: Field required"),
        ({"table": []}, "table: Input should be a table"),
        ({"rows": {"5": "x"}}, "rows.5: Input should be a table"),
        ({"lights": {"5": "x"}}, "lights.5: Input should be a table"),
        ({"lights": {"5": {"nme": ""}}},
         "lights.5.name: Field required; lights.5.nme: unknown key; did you mean 'name'?"),
    ],
)  # fmt: skip
def test_mistake_is_named_by_its_keys(data: dict[str, Any], text: str) -> None:
    """The keys are those of the file, and a near one is suggested from the same table."""
    with pytest.raises(ValidationError) as caught:
        File.model_validate(data)
    error = file_error("file", Path("a.toml"), caught.value, File)
    assert str(error) == f"file a.toml: {text}"
