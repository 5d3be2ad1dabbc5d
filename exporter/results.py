"""The results of pushes, before and after classification."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from exporter.errors import ItemReason
from exporter.redaction import LONG_WORD

MAX_CODE_LENGTH = 64

_MAX_TEXT_LENGTH = 256
"""Characters of a text that are parsed; bounds CPU time and the memory of the cache."""

_INTEGER = re.compile(r"[+-]?[0-9]+(?:\.0+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_TOKEN = re.compile(
    r"(?=(?:[A-Za-z]*[0-9]){4})[A-Za-z0-9]{20}"
    r"|[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
    re.ASCII,
)
"""What no name of an error contains: 20 letters and digits, four of them digits, or a UUID."""
_OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9_.-]+", re.ASCII)

_SEQUENCE = re.compile(
    r"""[(\[]\s*                          # a tuple of Python, or an array of JSON
    (?:[bu]?(?P<quote>['"])(?P<text>(?:(?!(?P=quote)).)+)(?P=quote)|(?P<number>[+-]?[0-9]+))
    \s*(?:,.*)?[)\]]?""",
    re.VERBOSE | re.DOTALL,
)


class Severity(StrEnum):
    """The extent of the damage, least first; `unknown` is for codes without a row."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class Category(StrEnum):
    """The kind of outcome."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    DELIVERED = "delivered"
    OPENED = "opened"
    UNREACHABLE = "unreachable"
    UNREGISTERED = "unregistered"
    TOKEN_INVALID = "token_invalid"  # noqa: S105 - a category, not a credential
    TARGET = "target"
    AUTH = "auth"
    PERMISSION = "permission"
    CONFIG = "config"
    PAYLOAD = "payload"
    POLICY = "policy"
    THROTTLED = "throttled"
    QUOTA = "quota"
    VENDOR_OUTAGE = "vendor_outage"
    CONNECTION = "connection"
    UNKNOWN = "unknown"


class Retry(StrEnum):
    """Whether and when repeating the push can help."""

    NO = "no"
    BACKOFF = "backoff"
    AFTER_REFRESH = "after_refresh"
    NEXT_WINDOW = "next_window"
    AUTO = "auto"


class PushResult(msgspec.Struct, frozen=True, gc=False):
    """The result of a push as the gateway reports it, its code in canonical form."""

    code: str
    hint: str | None = None
    """The sender's own word for the channel, if any."""
    message: str | None = None
    ios: bool = False
    app: str | None = None
    """The sender's own word for the app, if any."""


class ResultGroup(msgspec.Struct):
    """Identical items of a body, which are classified once.

    A body of a hundred results seldom has more than a dozen distinct results.
    """

    result: PushResult
    count: int = 1
    """Pushes per item."""
    anonymous: int = 0
    """The number of items without an identity."""
    ids: list[str | int | bytes] = []
    """The identities of the others: message ids, or several values as bytes."""
    exemplar: str | None = None
    """The last message id, for the exemplar; never a token or a target id."""

    @property
    def items(self) -> int:
        """The number of results in the group."""
        return self.anonymous + len(self.ids)


class Series(NamedTuple):
    """The key of a count in the ledger."""

    channel: str
    code: str
    table: str
    """The channel of the table whose row matched, empty for an unknown code. It distinguishes the
    two meanings of `-1` under OPPO without storing a severity."""
    app: str = ""
    """The declared app. Empty if results have no label `app`; that is not the app `other`."""


class ClassifiedResult(msgspec.Struct, frozen=True):
    """A series with the meaning of its code: one shared instance per known series."""

    series: Series
    name: str
    severity: Severity
    category: Category
    retry: Retry

    @property
    def known(self) -> bool:
        """Whether a table has the code."""
        return bool(self.series.table)

    def of_app(self, app: str) -> "ClassifiedResult":
        """Return a copy whose series has an app."""
        return msgspec.structs.replace(self, series=self.series._replace(app=app))

    @classmethod
    def unknown(cls, channel: str, code: str) -> "ClassifiedResult":
        """Classify a code that has no row on this channel."""
        return cls(
            Series(channel, code, ""), "Unknown", Severity.UNKNOWN, Category.UNKNOWN, Retry.NO
        )


class Rejection(msgspec.Struct, frozen=True):
    """An invalid item of a body, by its position from 0."""

    index: int
    reason: ItemReason
    detail: str


class DecodedItems(msgspec.Struct):
    """The results and the invalid items of a body, or of a part of it."""

    groups: list[ResultGroup] = []
    rejected: list[Rejection] = []
    skipped: int = 0
    """Items skipped by the description's items.only."""
    defaulted: int = 0
    """Results with the description's default code, because no path of the code has a value."""

    @property
    def items(self) -> int:
        """The number of items."""
        results = sum([group.items for group in self.groups])
        return results + len(self.rejected) + self.skipped

    @property
    def without_code(self) -> int:
        """The number of items without a value at any path of the code."""
        if not self.rejected:
            return self.defaulted
        return self.defaulted + sum(item.reason in _WITHOUT_CODE for item in self.rejected)


_WITHOUT_CODE = (ItemReason.CODE_MISSING, ItemReason.CODE_NULL)


class Identified(StrEnum):
    """What an identity identifies."""

    REQUEST = "request"
    RESULT = "result"


class Scope(NamedTuple):
    """Where identities are unique: equal identities in two scopes are different deliveries."""

    credential: int
    """The scope of the credential that authenticated the request."""
    kind: Identified
    channel: str = ""
    """The channel of a result, or the sender's word for an unknown channel; empty for a request."""
    code: str = ""
    """The code of a result; empty for a request."""


Identity = str | bytes | int
"""Identifies a delivery within its scope; an integer equals its decimal digits."""


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """Results that are counted once; with several identities, once per identity."""

    counts: dict[Series, int]
    """Counts per identity; in total if there are no identities."""
    results: int
    """Number of results per identity; in total if there are no identities."""
    scope: Scope | None = None
    identities: Sequence[Identity] = ()
    """Empty for anonymous results, which are never duplicates."""
    content: bytes | None = None
    """The body of a request, if a different body under the same identity is a conflict. Such a
    delivery has one identity, and is the only delivery of its request."""


def results_of(deliveries: Iterable[Delivery]) -> int:
    """Return the number of results in deliveries, duplicates included."""
    results = 0
    for delivery in deliveries:
        results += delivery.results * (len(delivery.identities) or 1)
    return results


def canonical_code(code: object) -> str | None:
    """Return the code as canonical text, or None if it cannot be a code.

    An integer becomes plain decimal digits. Any other text becomes a name of 1 to 64 characters of
    `[A-Za-z0-9_.-]`, in which `_` replaces each run of other characters:
    `messaging/internal-error` becomes `messaging_internal-error`. A longer text is truncated.
    Device tokens and ids are removed, since the code becomes a label. The code of a list or tuple,
    or of its text, is its first element.
    """
    if isinstance(code, str):
        text = code.strip()
        if len(text) > _MAX_TEXT_LENGTH:  # at a word boundary: part of a token looks like a word
            text = text[:_MAX_TEXT_LENGTH].rsplit(maxsplit=1)[0]
        return _canonical_text(text)
    if isinstance(code, list | tuple) and code and not isinstance(code[0], list | tuple):
        return canonical_code(code[0])
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool) and abs(code) < 10**MAX_CODE_LENGTH:
        return _canonical_text(str(code))
    return None


def text_of_code(code: object) -> str | None:
    """Return the text of a code whose canonical form is lossy, else None.

    It is the message of a result without a message.
    """
    if not isinstance(code, str):
        return None
    text = code.strip()
    name = canonical_code(text)
    lossless = name in (None, text) or _INTEGER.fullmatch(name or "")
    return None if lossless else text


@lru_cache(maxsize=4096)
def _canonical_text(text: str) -> str | None:
    if _INTEGER.fullmatch(text):
        digits = str(int(text.partition(".")[0]))
        return digits if len(digits) <= MAX_CODE_LENGTH else None
    if element := _SEQUENCE.fullmatch(text):
        return _canonical_text((element["text"] or element["number"]).strip())
    if not _NAME.fullmatch(text) or _TOKEN.search(text):
        text = LONG_WORD.sub(_without_token, text)
    name = _OTHER_CHARACTERS.sub("_", text)[:MAX_CODE_LENGTH]
    return name or None


def _without_token(word: re.Match[str]) -> str:
    """Remove the parts with digits from a long word; names of errors and paths have no digits."""
    parts = word[0].split("/")
    return "/".join(" " if any(map(str.isdigit, part)) else part for part in parts)
