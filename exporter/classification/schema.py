"""The schema of code tables: channels, rows and fields, and the checks of a whole table."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic.dataclasses import dataclass

from exporter.results import Category, Retry, Severity, canonical_code

COMMON_CHANNEL = "mps"
"""The channel whose table holds the common codes."""

OTHER = "other"
"""The channel of results without a known channel, and the label of unknown codes over the bound."""

MAX_HINT_LENGTH = 64
"""Maximum number of characters of a hint; a longer hint is unknown."""

HTTP_ERRORS = range(400, 600)

SUCCESS = frozenset({Category.ACCEPTED, Category.PENDING, Category.DELIVERED, Category.OPENED})
"""The categories that are not failures."""

CLASS_SUFFIXES = ("Error", "Exception")
"""Suffixes of exceptions that are named after a code, such as `UnregisteredError`."""

ANY_TEXT = "*"
"""The wildcard of aliases: matches any run of characters."""

_CHANNEL = "[a-z][a-z0-9_-]{0,31}"

Channel = Annotated[str, Field(pattern=f"^{_CHANNEL}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _known(severity: object) -> object:
    if severity == Severity.UNKNOWN:
        raise ValueError("'unknown' is reserved for codes without a row")
    if severity not in list(Severity):
        raise ValueError("Input should be 'info', 'warning', 'error' or 'critical'")
    return severity


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
class CodeRow:
    """The meaning of one code, and the action to take."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    aliases: tuple[Text, ...] = ()
    """Other spellings of the code, which, like the name, are counted under it."""
    aliases_from: Literal["success", "connection", "unexplained"] | None = None
    """A list in `shared/words.toml` whose words are also aliases of this row, unless another row
    of the channel has them; they need a hint."""
    messages: tuple[Text, ...] = ()
    """Other texts with which the vendor reports the code."""
    narrows: tuple[Text, ...] = ()
    """Vaguer codes that are classified as this row if the message contains its name, an alias, or
    one of its messages."""
    description: Text
    severity: Annotated[Severity, BeforeValidator(_known)]
    category: Category
    retry: Retry
    action: Text
    source: Text
    origin: Annotated[str, Field(pattern="^(status-page|vendor|integrator|operator)$")]
    http_status: bool = False
    """Whether the code is a bare HTTP status. Any service may send it, so it needs a hint, and a
    message that names another row takes precedence."""
    overrides_common: bool = False
    """Whether this row takes precedence over the common row of the same code if the message matches
    neither."""


HOW_TO_MATCH = {
    "aliases",
    "aliases_from",
    "messages",
    "narrows",
    "http_status",
    "overrides_common",
}
"""The fields that define which codes match a row; the others describe its meaning."""


class CodeTable(_Strict):
    """The codes of one channel."""

    channel: Channel
    title: Text
    order: int = 1000
    """The sort key of the channel in lists; tables with equal keys keep the order of the files."""
    aliases: tuple[Text, ...]
    """Other hints for the channel; case and spacing are ignored."""
    exact_aliases: tuple[Text, ...] = ()
    """Other hints for the channel, matched exactly."""
    common_codes: bool = False
    """Whether MPS also reports its common codes on this channel."""
    hint_only: bool = False
    """Whether only results with a hint are looked up in this table, so that its codes do not make
    those of other tables ambiguous."""
    receipts_of: Annotated[str, Field(pattern=f"^({_CHANNEL})?$")] = ""
    """The channel whose pushes the receipts confirm; empty for a channel that sends pushes."""
    checked: dt.date
    """The date on which the rows were last compared with their sources."""
    codes: dict[str, CodeRow]

    def hints(self) -> set[str]:
        """Return the folded hints for the channel."""
        return {fold(word) for word in (self.channel, *self.aliases)}


Tables = Mapping[str, CodeTable]
"""Tables by channel."""


def fold(word: str) -> str:
    """Normalize a channel's name or alias for comparison."""
    return re.sub(r"\s+", "", word).casefold()


def check_table(table: CodeTable) -> None:
    """Check a table as a whole; ValueError names the place and the problem."""
    _check_reserved(table)
    _check_rows(table)
    _check_aliases(table)


def _check_reserved(table: CodeTable) -> None:
    """Refuse the reserved word `other`."""
    used = {
        "channel": [table.channel],
        "aliases": map(fold, table.aliases),
        "exact_aliases": map(fold, table.exact_aliases),
        "codes": table.codes,
    }
    for field, words in used.items():
        if OTHER in words:
            raise ValueError(f"{field}: {OTHER!r} is reserved for unknown channels and codes")


def _check_rows(table: CodeTable) -> None:
    """Refuse codes that are not canonical, and fields that contradict the code or another row."""
    names: dict[str, str] = {}
    for code, row in table.codes.items():
        where = f"codes.{code}"
        if (canonical := canonical_code(code)) != code:
            fix = f"write the code as {canonical!r}" if canonical else "not a valid code"
            raise ValueError(f"{where}: {fix}")
        if (twin := names.setdefault(row.name.casefold(), code)) != code:
            raise ValueError(f"{where}.name: {row.name!r} is also the name of {twin}")
        if row.http_status and not is_http_error(code):
            raise ValueError(f"{where}.http_status: {code} is not an HTTP error status")
        for vague in row.narrows:
            if not table.common_codes and vague not in table.codes:
                raise ValueError(f"{where}.narrows: {vague!r} is not a code of this table")


def _check_aliases(table: CodeTable) -> None:
    """Refuse invalid aliases, and those that are a code, name or alias of another row."""
    owners = {canonical_code(row.name) or code: code for code, row in table.codes.items()}
    owners |= {code: code for code in table.codes}
    for code, row in table.codes.items():
        for alias in row.aliases:
            spelling = canonical_code(alias)
            if spelling is None or not any(map(str.isalnum, spelling)):
                raise ValueError(f"codes.{code}.aliases: {alias!r} is not a valid code")
            if (twin := owners.setdefault(spelling, code)) != code:
                raise ValueError(f"codes.{code}.aliases: {alias!r} already means {twin}")


def is_http_error(code: str) -> bool:
    """Whether a code is an HTTP status from 400 to 599."""
    return len(code) == len("400") and code.isdecimal() and int(code) in HTTP_ERRORS
