"""The code tables as data: channels, rows and their fields, and the checks of a whole table."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

from exporter.results import Category, Retry, Severity, canonical_code

COMMON_CHANNEL = "mps"
"""The channel whose table holds the common codes."""

OTHER = "other"
"""The channel of a result that cannot be placed, and the label of unknown codes over the bound."""

MAX_HINT_LENGTH = 64
"""Characters of a hint; a longer one is the name of no channel."""

HTTP_ERRORS = range(400, 600)

SUCCESS = frozenset({Category.ACCEPTED, Category.PENDING, Category.DELIVERED, Category.OPENED})
"""The categories of rows that report no failure."""

CLASS_SUFFIXES = ("Error", "Exception")
"""What the name of an exception adds to that of a code, as in `UnregisteredError`."""

ANY_TEXT = "*"
"""In an alias: stands for any run of characters."""

Channel = Annotated[str, Field(pattern="^[a-z][a-z0-9_-]{0,31}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _known(severity: Severity) -> Severity:
    if severity is Severity.UNKNOWN:
        raise ValueError("'unknown' is reserved for codes without a row")
    return severity


class CodeRow(_Strict):
    """What one code means and what to do about it."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    aliases: tuple[Text, ...] = ()
    """Other codes with the same meaning, counted under this row's code, as its name is."""
    aliases_from: Literal["success", "connection", "unexplained"] | None = None
    """A list of `shared/words.toml` whose words are aliases of this row, too, unless another row
    of the channel has them; they need a hint."""
    messages: tuple[Text, ...] = ()
    """Other texts with which the vendor reports the code."""
    narrows: tuple[Text, ...] = ()
    """Vaguer codes that mean this row where the message contains its name, an alias, or one of
    its messages."""
    description: Text
    severity: Annotated[Severity, AfterValidator(_known)]
    category: Category
    retry: Retry
    action: Text
    source: Text
    origin: Annotated[str, Field(pattern="^(status-page|vendor|integrator|operator)$")]
    http_status: bool = False
    """Whether the code is a bare HTTP status: any service may send it, so that it needs a hint,
    and a message that names another row takes precedence."""
    overrides_common: bool = False
    """Whether this row takes precedence over the common row of the same code where the message
    fits neither."""


HOW_TO_MATCH = {
    "aliases",
    "aliases_from",
    "messages",
    "narrows",
    "http_status",
    "overrides_common",
}
"""The fields by which a row is found; the others describe its meaning."""


class CodeTable(_Strict):
    """The codes of one channel."""

    channel: Channel
    title: Text
    order: int = 1000
    """The position of the channel in lists, ascending; equal ones in the order of the files."""
    aliases: tuple[Text, ...]
    """Other hints for the channel, whatever their case and spacing."""
    exact_aliases: tuple[Text, ...] = ()
    """Other hints for the channel, as they are spelled."""
    common_codes: bool = False
    """Whether MPS reports its common codes on this channel, too."""
    hint_only: bool = False
    """Whether a result must name the channel to be looked up here, so that these codes never
    make those of other tables ambiguous."""
    receipts_of: Channel | Literal[""] = ""
    """The channel whose pushes these receipts are of; empty for a channel of sending."""
    checked: dt.date
    """The day on which the rows were last compared with their sources."""
    codes: dict[str, CodeRow]

    def hints(self) -> set[str]:
        """Return the folded hints for the channel."""
        return {fold(word) for word in (self.channel, *self.aliases)}


Tables = Mapping[str, CodeTable]
"""Tables by channel."""


def fold(word: str) -> str:
    """Return a channel's name or alias in the form in which they are compared."""
    return re.sub(r"\s+", "", word).casefold()


def check_table(table: CodeTable) -> None:
    """Check what no single field shows; ValueError names the place and the problem."""
    _check_reserved(table)
    _check_rows(table)
    _check_aliases(table)


def _check_reserved(table: CodeTable) -> None:
    """Refuse `other` as the name of a channel or as a code."""
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
    """Refuse a code that is not canonical, and a field that contradicts the code or another row."""
    names: dict[str, str] = {}
    for code, row in table.codes.items():
        where = f"codes.{code}"
        if (canonical := canonical_code(code)) != code:
            fix = f"write the code as {canonical!r}" if canonical else "this cannot be a code"
            raise ValueError(f"{where}: {fix}")
        if (twin := names.setdefault(row.name.casefold(), code)) != code:
            raise ValueError(f"{where}.name: {row.name!r} is the name of {twin} too")
        if row.http_status and not is_http_error(code):
            raise ValueError(f"{where}.http_status: {code} is no HTTP status of an error")
        for vague in row.narrows:
            if not table.common_codes and vague not in table.codes:
                raise ValueError(f"{where}.narrows: {vague!r} is no code of this table")


def _check_aliases(table: CodeTable) -> None:
    """Refuse an alias that cannot be a code, or is a code, name or alias of another row."""
    owners = {canonical_code(row.name) or code: code for code, row in table.codes.items()}
    owners |= {code: code for code in table.codes}
    for code, row in table.codes.items():
        for alias in row.aliases:
            spelling = canonical_code(alias)
            if spelling is None or not any(map(str.isalnum, spelling)):
                raise ValueError(f"codes.{code}.aliases: {alias!r} cannot be a code")
            if (twin := owners.setdefault(spelling, code)) != code:
                raise ValueError(f"codes.{code}.aliases: {alias!r} already means {twin}")


def is_http_error(code: str) -> bool:
    """Whether a code is an HTTP status from 400 to 599."""
    return len(code) == len("400") and code.isdecimal() and int(code) in HTTP_ERRORS
