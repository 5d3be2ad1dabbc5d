"""Loads the code tables: the shipped tables, with the operator's merged over them."""

import datetime as dt
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from exporter.classification.schema import (
    COMMON_CHANNEL,
    HOW_TO_MATCH,
    OTHER,
    CodeRow,
    CodeTable,
    Tables,
    check_table,
    fold,
)
from exporter.configuration.files import data_folder, read_toml
from exporter.configuration.problems import file_error
from exporter.errors import ConfigurationError

__all__ = [  # with the names of the schema that users of tables need
    "COMMON_CHANNEL",
    "HOW_TO_MATCH",
    "OTHER",
    "CodeRow",
    "CodeTable",
    "Tables",
    "fold",
    "load_tables",
    "shared_words",
]


_ROW = TypeAdapter(CodeRow)


def load_tables(
    operator_files: Iterable[Path] = (), extra_channels: Mapping[str, str] = MappingProxyType({})
) -> Tables:
    """Read the shipped tables, merge the operator's files over them in turn, and sort by `order`.

    `extra_channels` maps channels to the gateway descriptions that name them; each gets an empty
    table unless it is a name or alias of a table. Raises ConfigurationError with the file, the row
    and the field of a mistake.
    """
    tables = dict(_shipped_tables())
    operators: dict[str, Path] = {}
    for path in operator_files:
        data = read_toml("code table", path)
        base = tables.get(str(data.get("channel")))
        table = _validate(path, _overlay(base, data, path))
        tables[table.channel] = table
        _check_names(tables, path)
        operators[table.channel] = path
    known = {OTHER}.union(*(table.hints() for table in tables.values()))
    for channel, gateway in extra_channels.items():
        if fold(channel) not in known:
            tables[channel] = _empty(channel, gateway)
    for channel, path in operators.items():
        _check_receipts(tables, tables[channel], path)
    return dict(sorted(tables.items(), key=lambda item: item[1].order))


@cache
def _shipped_tables() -> Tables:
    """Read the shipped tables once: a reload changes only the operator's tables."""
    paths = sorted(data_folder("codes").glob("*.toml"))
    tables = [_validate(path, read_toml("code table", path)) for path in paths]
    return {table.channel: table for table in sorted(tables, key=lambda table: table.order)}


@cache
def shared_words() -> Mapping[str, tuple[str, ...]]:
    """Read the lists of words with the same meaning on every channel, by name of the list."""
    lists = read_toml("list of words", data_folder("codes") / "shared" / "words.toml")
    return {name: tuple(words) for name, words in lists.items()}


def _defaults(channel: object) -> dict[str, Any]:
    """Return the defaults of a new table."""
    title = str(channel)[:100] or "?"  # valid, so that an invalid channel is one mistake
    return {"title": title, "aliases": (), "checked": dt.datetime.now(dt.UTC).date()}


def _empty(channel: str, gateway: str) -> CodeTable:
    try:
        return CodeTable.model_validate({**_defaults(channel), "channel": channel, "codes": {}})
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise ConfigurationError(
            f"gateway description {gateway}.toml: channel or map.channel: {channel!r} is not a "
            f"known channel, nor a valid name for a new one: {problem}"
        ) from None


def _overlay(base: CodeTable | None, data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Merge an operator's table over the shipped table; a row needs only the fields it changes."""
    codes = data.get("codes", {})
    if not isinstance(codes, dict):
        raise ConfigurationError(f"code table {path}: codes: write each row as [codes.CODE]")
    defaults = {"origin": "operator", "source": f"operator's file {path.name}"}
    table = base.model_dump() if base else _defaults(data.get("channel"))
    merged: dict[str, Any] = dict(table.get("codes", {}))
    for code, row in codes.items():
        known = merged.get(code, {})
        merged[code] = (
            {**known, **defaults, **row, **_added(known, row)} if isinstance(row, dict) else row
        )
    return {**table, **data, **_added(table, data), "codes": merged}


def _added(known: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the known aliases with the given ones added, and the known name if it is replaced.

    Otherwise an operator's file could make known results unknown.
    """
    name = known.get("name")
    renamed = [name] if name and given.get("name", name) != name else []
    merged = {}
    for field, more in (("aliases", renamed), ("exact_aliases", [])):
        aliases = given.get(field, ())
        if field in known and isinstance(aliases, list | tuple):
            others = [*known[field], *(alias for alias in more if alias not in known[field])]
            # The given ones first: an error has the index of an alias in the file.
            merged[field] = [*aliases, *(alias for alias in others if alias not in aliases)]
    return merged


def _validate(path: Path, data: dict[str, Any]) -> CodeTable:
    try:
        table = CodeTable.model_validate(data)
    except ValidationError as error:
        raise file_error("code table", path, error, CodeTable) from None
    try:
        check_table(table)
    except ValueError as error:
        raise ConfigurationError(f"code table {path}: {error}") from None
    return table


def _check_names(tables: Tables, path: Path) -> None:
    """Refuse a file if two tables then claim the same hint."""
    owners: dict[str, str] = {}
    for table in tables.values():
        folded = [(fold(word), word) for word in (table.channel, *table.aliases)]
        # An exact alias may equal another channel's word in capitals, which is compared folded.
        exact = [(f"={word}", word) for word in table.exact_aliases]
        for key, word in folded + exact:
            owner = owners.setdefault(key, table.channel)
            if owner != table.channel:
                claim = f"{owner} and {table.channel} both claim the name {word!r}"
                raise ConfigurationError(f"code table {path}: aliases: {claim}")


def _check_receipts(tables: Tables, table: CodeTable, path: Path) -> None:
    """Refuse receipts of receipts; the channel in `receipts_of` may have no table."""
    sending = tables.get(table.receipts_of)
    if sending and sending.receipts_of:
        claim = f"{table.receipts_of!r} is a channel of receipts itself"
        raise ConfigurationError(f"code table {path}: receipts_of: {claim}")


def code_rows(tables: Tables) -> list[dict[str, Any]]:
    """Return all rows of the code tables; all fields are strings, except the list of aliases."""
    return [
        {"channel": table.channel, "code": code}
        | _ROW.dump_python(row, mode="json", exclude=HOW_TO_MATCH)
        | {"aliases": list(row.aliases)}
        for table in tables.values()
        for code, row in table.codes.items()
    ]
