"""Load and validate the code tables: the shipped ones, then the operator's merged over them."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from exporter.configuration.files import data_folder, read_toml
from exporter.configuration.problems import file_error
from exporter.errors import ConfigurationError
from exporter.results import Category, Retry, Severity, canonical_code

GATEWAY = "mps"
"""The channel whose table holds the common codes."""

OTHER = "other"
"""The channel of a result that cannot be placed, and the code past the bound on unknown codes."""

CHANNELS = ("mps", "apns", "huawei", "honor", "harmonyos", "mipush", "oppo", "vivo", "fcm")
"""The channels of sending, in the order in which people read them; the common codes are theirs."""

RECEIPT_CHANNELS = (
    "huawei-receipts",
    "harmonyos-receipts",
    "honor-receipts",
    "oppo-receipts",
    "vivo-receipts",
    "mipush-receipts",
    "meizu-receipts",
    "getui",
)
"""The channels of receipts: each a space of codes of its own."""

HTTP_ERRORS = range(400, 600)

Channel = Annotated[str, Field(pattern="^[a-z][a-z0-9_-]{0,31}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _known(severity: Severity) -> Severity:
    if severity is Severity.UNKNOWN:
        raise ValueError("'unknown' is kept for codes without a row")
    return severity


class CodeRow(_Strict):
    """What one code means and what to do about it."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    aliases: tuple[Text, ...] = ()
    """Other codes that mean the same, counted under this row's code, as its name is."""
    messages: tuple[Text, ...] = ()
    """Other texts by which the vendor reports the code, to tell it from a namesake."""
    narrows: tuple[Text, ...] = ()
    """Vaguer codes that mean this row where the message contains a text of it."""
    description: Text
    severity: Annotated[Severity, AfterValidator(_known)]
    category: Category
    retry: Retry
    action: Text
    source: Text
    origin: Annotated[str, Field(pattern="^(status-page|vendor|integrator|operator)$")]
    http_status: bool = False
    """Whether the code is a bare HTTP status: it says nothing about the vendor, so that it needs
    a hint, and a message that is the name of another row is more specific."""
    overrides_common: bool = False
    """Whether it is this row that counts where a common row has the code, too, and the message
    fits neither."""


HOW_TO_MATCH = {"aliases", "messages", "narrows", "http_status", "overrides_common"}
"""The fields by which a row is found; the others say what it means."""


class CodeTable(_Strict):
    """The codes of one channel."""

    channel: Channel
    title: Text
    aliases: tuple[Text, ...]
    common_codes: bool = False
    """Whether the gateway reports its own, common codes on this channel, too."""
    hint_only: bool = False
    """Whether a result must name the channel to be looked up here, so that these codes never
    make those of other tables ambiguous."""
    receipts_of: Channel | Literal[""] = ""
    """The channel whose pushes these receipts are of, if that is what they are."""
    checked: dt.date
    """The day on which the rows were last held against their sources."""
    codes: dict[str, CodeRow]


Tables = Mapping[str, CodeTable]
"""Tables by channel."""


def load_tables(
    operator_files: Iterable[Path] = (), extra_channels: Mapping[str, str] = MappingProxyType({})
) -> Tables:
    """Read the shipped tables and merge the operator's files over them, in order.

    Each of `extra_channels`, which the description of the gateway behind it names, gets an empty
    table, unless it is a name or alias of a table already.
    Raises ConfigurationError naming the file, the row and the field that is wrong.
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
    known = {OTHER} | {
        fold(word) for one in tables.values() for word in (one.channel, *one.aliases)
    }
    for channel, gateway in extra_channels.items():
        if fold(channel) not in known:
            tables[channel] = _empty(channel, gateway)
    for channel, path in operators.items():
        _check_receipts(tables, tables[channel], path)
    return tables


@cache
def _shipped_tables() -> Tables:
    """Read the tables that come with this version; they stay the same, also at a reload."""
    folder = data_folder("codes")
    paths = {channel: folder / f"{channel}.toml" for channel in CHANNELS + RECEIPT_CHANNELS}
    return {
        channel: _validate(path, read_toml("code table", path)) for channel, path in paths.items()
    }


def _new_table(channel: object) -> dict[str, Any]:
    """Return what a table has that does not say it itself."""
    return {"title": channel, "aliases": (), "checked": dt.datetime.now(dt.UTC).date()}


def _empty(channel: str, gateway: str) -> CodeTable:
    try:
        return CodeTable.model_validate({**_new_table(channel), "channel": channel, "codes": {}})
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise ConfigurationError(
            f"gateway description {gateway}.toml: channel or map.channel: {channel!r} is the name "
            f"of no channel, and cannot become one: {problem}"
        ) from None


def _overlay(base: CodeTable | None, data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Merge an operator's table over ours: a row may give only the fields that it changes."""
    codes = data.get("codes", {})
    if not isinstance(codes, dict):
        raise ConfigurationError(f"code table {path}: codes: write each row as [codes.CODE]")
    defaults = {"origin": "operator", "source": f"operator's file {path.name}"}
    table = base.model_dump() if base else _new_table(data.get("channel"))
    merged: dict[str, Any] = dict(table.get("codes", {}))
    for code, row in codes.items():
        known = merged.get(code, {})
        merged[code] = (
            {**known, **defaults, **row, **_added(known, row)} if isinstance(row, dict) else row
        )
    return {**table, **data, **_added(table, data), "codes": merged}


def _added(known: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Add the given aliases to the known ones, and the known name if another one is given.

    Otherwise a file of one's own could make results unknown that were known before.
    """
    aliases = given.get("aliases", ())
    if not known or not isinstance(aliases, list | tuple):
        return {}
    name = known.get("name")
    renamed = [name] if name and given.get("name", name) != name else []
    kept = [*known["aliases"], *(one for one in renamed if one not in known["aliases"])]
    return {"aliases": kept + [alias for alias in aliases if alias not in kept]}


def _validate(path: Path, data: dict[str, Any]) -> CodeTable:
    try:
        table = CodeTable.model_validate(data)
    except ValidationError as error:
        raise file_error("code table", path, error, CodeTable) from None
    _keep_other_free(path, table)
    try:
        _check_rows(table)
        _check_aliases(table)
    except ValueError as error:
        raise ConfigurationError(f"code table {path}: codes.{error}") from None
    return table


def _check_rows(table: CodeTable) -> None:
    """Refuse a code that is not canonical, and what does not fit the code or the other rows."""
    names: dict[str, str] = {}
    for code, row in table.codes.items():
        if (canonical := canonical_code(code)) != code:
            fix = f"write the code as {canonical!r}" if canonical else "this cannot be a code"
            raise ValueError(f"{code}: {fix}")
        if (twin := names.setdefault(row.name.casefold(), code)) != code:
            raise ValueError(f"{code}.name: {row.name!r} is the name of {twin} too")
        if row.http_status and not (code.isdecimal() and int(code) in HTTP_ERRORS):
            raise ValueError(f"{code}.http_status: {code} is no HTTP status of an error")
        for vague in row.narrows:
            if not table.common_codes and vague not in table.codes:
                raise ValueError(f"{code}.narrows: {vague!r} is no code of this table")


def _check_aliases(table: CodeTable) -> None:
    """Refuse an alias that is no code, or is a code, name or alias of another row."""
    owners = {canonical_code(row.name) or code: code for code, row in table.codes.items()}
    owners |= {code: code for code in table.codes}
    for code, row in table.codes.items():
        for alias in row.aliases:
            spelling = canonical_code(alias)
            if spelling is None or not any(map(str.isalnum, spelling)):
                raise ValueError(f"{code}.aliases: {alias!r} cannot be a code")
            if (twin := owners.setdefault(spelling, code)) != code:
                raise ValueError(f"{code}.aliases: {alias!r} means {twin} already")


def _keep_other_free(path: Path, table: CodeTable) -> None:
    """Refuse the word that stands for channels and codes without a table."""
    used = {"channel": [table.channel], "aliases": map(fold, table.aliases), "codes": table.codes}
    for field, words in used.items():
        if OTHER in words:
            msg = f"code table {path}: {field}: {OTHER!r} stands for what no table has"
            raise ConfigurationError(msg)


def _check_names(tables: Tables, path: Path) -> None:
    """Refuse a file by which two tables claim a word as the name of their channel."""
    owners: dict[str, str] = {}
    for table in tables.values():
        for word in (table.channel, *table.aliases):
            owner = owners.setdefault(fold(word), table.channel)
            if owner != table.channel:
                claim = f"{owner} and {table.channel} both claim the name {word!r}"
                raise ConfigurationError(f"code table {path}: aliases: {claim}")


def _check_receipts(tables: Tables, table: CodeTable, path: Path) -> None:
    """Refuse receipts of receipts; the channel of sending may have no table."""
    sending = tables.get(table.receipts_of)
    if sending and sending.receipts_of:
        claim = f"{table.receipts_of!r} is a channel of receipts itself"
        raise ConfigurationError(f"code table {path}: receipts_of: {claim}")


def fold(word: str) -> str:
    """Bring a channel's name or alias into the form in which they are compared."""
    return re.sub(r"\s+", "", word).casefold()


def code_rows(tables: Tables) -> list[dict[str, Any]]:
    """List every row of the code tables: all fields are texts but the aliases, a list of them."""
    return [
        {"channel": table.channel, "code": code}
        | row.model_dump(mode="json", exclude=HOW_TO_MATCH)
        | {"aliases": list(row.aliases)}
        for table in tables.values()
        for code, row in table.codes.items()
    ]
