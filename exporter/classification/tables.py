"""Load and validate the code tables: ours, then the operator's own on top."""

import datetime as dt
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from exporter.canonical import canonical_code
from exporter.errors import ConfigurationError
from exporter.results import Category, Retry, Severity

GATEWAY = "mps"
"""The channel whose table holds the common codes, valid on every channel."""

OTHER = "other"
"""The channel of a result that no table claims, and the code past the bound on unknown codes."""

CHANNELS = ("mps", "apns", "huawei", "honor", "harmonyos", "mipush", "oppo", "vivo", "fcm")
"""The channels of our own tables, in the order in which people read them."""

_HERE = Path(__file__).parent.parent
_FOLDERS = (_HERE / "codes", _HERE.parent / "codes")  # in a wheel, in a checkout

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CodeRow(_Strict):
    """What one code means and what to do about it."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    messages: tuple[Text, ...] = ()
    """Other texts by which the vendor reports the code, to tell it from a namesake."""
    description: Text
    severity: Severity
    category: Category
    retry: Retry
    action: Text
    source: Text
    origin: Annotated[str, Field(pattern="^(status-page|vendor|operator)$")]


class CodeTable(_Strict):
    """The codes of one channel."""

    channel: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,31}$")]
    title: Text
    aliases: tuple[Text, ...]
    checked: dt.date
    """The day on which the rows were last held against their sources."""
    codes: dict[str, CodeRow]


Tables = Mapping[str, CodeTable]
"""Tables by channel."""


def load_tables(operator_files: Iterable[Path] = ()) -> Tables:
    """Read our tables and merge the operator's files over them, in order.

    Raises ConfigurationError naming the file, the row and the field that is wrong.
    """
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])
    tables: dict[str, CodeTable] = {}
    for channel in CHANNELS:
        path = folder / f"{channel}.toml"
        tables[channel] = _validate(path, _read(path))
    for path in operator_files:
        data = _read(path)
        base = tables.get(str(data.get("channel")))
        table = _validate(path, _overlay(base, data, path))
        tables[table.channel] = table
        _check_names(tables, path)
    return tables


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"code table {path}: {getattr(error, 'strerror', None) or error}"
        raise ConfigurationError(msg) from error


def _overlay(base: CodeTable | None, data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Lay an operator's table over ours: a row may give only the fields that it changes."""
    codes = data.get("codes", {})
    if not isinstance(codes, dict):
        return data
    defaults = {"origin": "operator", "source": f"operator's file {path.name}"}
    table: dict[str, Any] = {
        "title": data.get("channel"),
        "aliases": (),
        "checked": dt.datetime.now(dt.UTC).date(),
    }
    merged: dict[str, Any] = {}
    if base:
        table = base.model_dump()
        merged = dict(table["codes"])
        if isinstance(given := data.get("aliases"), list):
            new = [alias for alias in given if alias not in base.aliases]
            data = {**data, "aliases": [*base.aliases, *new]}
    for code, row in codes.items():
        known = merged.get(code, {})
        merged[code] = {**known, **defaults, **row} if isinstance(row, dict) else row
    return {**table, **data, "codes": merged}


def _validate(path: Path, data: dict[str, Any]) -> CodeTable:
    try:
        table = CodeTable.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(
            f"{_where(problem['loc'])}: {problem['msg']}" for problem in error.errors()
        )
        msg = f"code table {path}: {problems}"
        raise ConfigurationError(msg) from None
    _keep_other_free(path, table)
    names: dict[str, str] = {}
    for code, row in table.codes.items():
        if (canonical := canonical_code(code)) != code:
            mend = f"write the code as {canonical!r}" if canonical else "this cannot be a code"
            msg = f"code table {path}: codes.{code}: {mend}"
            raise ConfigurationError(msg)
        if (twin := names.setdefault(row.name.casefold(), code)) != code:
            msg = f"code table {path}: codes.{code}.name: {row.name!r} is the name of {twin} too"
            raise ConfigurationError(msg)
    return table


def _keep_other_free(path: Path, table: CodeTable) -> None:
    """Refuse the word that stands for channels and codes without a table."""
    used = {"channel": [table.channel], "aliases": map(fold, table.aliases), "codes": table.codes}
    for field, words in used.items():
        if OTHER in words:
            msg = f"code table {path}: {field}: {OTHER!r} stands for what no table has"
            raise ConfigurationError(msg)


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _check_names(tables: Tables, path: Path) -> None:
    """Refuse a file by which two tables claim a word as the name of their channel."""
    owners: dict[str, str] = {}
    for table in tables.values():
        for word in (table.channel, *table.aliases):
            owner = owners.setdefault(fold(word), table.channel)
            if owner != table.channel:
                claim = f"{owner} and {table.channel} both claim the name {word!r}"
                raise ConfigurationError(f"code table {path}: aliases: {claim}")


def fold(word: str) -> str:
    """Bring a channel's name or alias into the form in which they are compared."""
    return re.sub(r"\s+", "", word).casefold()


def draft_row(channel: str, code: str, message: str | None) -> str:
    """Write the row of a code that no table has, as TOML: each `?` is for the operator to fill.

    It does not load before that, and may follow other rows in a file.
    """
    key = code if re.fullmatch("[A-Za-z0-9_-]+", code) else _quoted(code)
    known = channel if channel != OTHER else "?"
    severities, categories, retries = (
        ", ".join(one for one in kind if one != "unknown") for kind in (Severity, Category, Retry)
    )
    return f"""# In a file that begins with: channel = "{known}"
[codes.{key}]
name = {_quoted(f"Code {code}")}  # a short one of your own
description = {_quoted(message.strip() if message and message.strip() else "?")}
severity = "?"  # {severities}
category = "?"  # {categories}
retry = "?"  # {retries}
action = "?"
"""


def _quoted(text: str) -> str:
    """Write text as a TOML string in which nothing is invisible."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\U{ord(character):08X}"
