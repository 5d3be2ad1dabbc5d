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
"""Characters of a text that are looked at, which bounds the work and what the cache holds."""

_INTEGER = re.compile(r"[+-]?[0-9]+(?:\.0+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
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

    A body of a hundred results seldom has more than a dozen different ones.
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
    """What the ledger counts by."""

    channel: str
    code: str
    table: str
    """The channel of the table whose row matched, empty for an unknown code: it tells apart the
    two meanings of `-1` under OPPO without storing a severity."""
    app: str = ""
    """The declared app; empty where results have no label `app`, which is not the app `other`."""


class ClassifiedResult(msgspec.Struct, frozen=True):
    """The meaning of a result: one shared instance for each known series."""

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
        """Return the same meaning, of an app."""
        return msgspec.structs.replace(self, series=self.series._replace(app=app))

    @classmethod
    def unknown(cls, channel: str, code: str) -> "ClassifiedResult":
        """Make the meaning of a code that has no row on this channel."""
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
    """Results whose code is the description's default, since no path has one."""

    def add(self, other: "DecodedItems") -> None:
        """Add the items of another part of the same body."""
        self.groups += other.groups
        self.rejected += other.rejected
        self.skipped += other.skipped
        self.defaulted += other.defaulted

    @property
    def items(self) -> int:
        """The number of items."""
        results = sum([group.items for group in self.groups])
        return results + len(self.rejected) + self.skipped

    @property
    def without_code(self) -> int:
        """The number of items without a value at a path of the code."""
        if not self.rejected:
            return self.defaulted
        return self.defaulted + sum(one.reason in _WITHOUT_CODE for one in self.rejected)


_WITHOUT_CODE = (ItemReason.CODE_MISSING, ItemReason.CODE_NULL)


class Identified(StrEnum):
    """What an identity identifies; a code is a single result's alone."""

    REQUEST = "request"
    RESULT = "result"


class Scope(NamedTuple):
    """Where identities are unique: equal ones of different scopes are different deliveries."""

    credential: int
    """The scope of the credential that let the request in."""
    kind: Identified
    channel: str = ""
    """Of a result: its channel, or the sender's own word for one that no table has."""
    code: str = ""


Identity = str | bytes | int
"""What identifies a delivery within its scope; an integer is the same as its digits."""


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """Results that are counted once; with several identities, once for each."""

    counts: dict[Series, int]
    """What each identity counts; without identities, what is counted."""
    results: int
    """How many results each identity stands for; without identities, how many there are."""
    scope: Scope | None = None
    identities: Sequence[Identity] = ()
    """None for results that nothing identifies."""
    content: bytes | None = None
    """The body of a request, where a different body under the same identity is a conflict. Such a
    delivery has one identity, and is the only one of its request."""


def results_of(deliveries: Iterable[Delivery]) -> int:
    """Count the results of deliveries, new or not."""
    results = 0
    for delivery in deliveries:
        results += delivery.results * (len(delivery.identities) or 1)
    return results


def canonical_code(code: object) -> str | None:
    """Return the code as canonical text, or None if it cannot be a code.

    An integer is plain decimal digits. Any other text is a name of 1 to 64 of `[A-Za-z0-9_.-]`,
    in which `_` stands for each run of other characters: `messaging/internal-error` is
    `messaging_internal-error`. A longer text is cut. Device tokens and ids in such texts are left
    out: the code becomes a label. Of a list or tuple, and of the text of one, the first element is
    the code.
    """
    if isinstance(code, str):
        text = code.strip()
        if len(text) > _MAX_TEXT_LENGTH:  # in whole words, for a part of a token looks like none
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
    """Return the text of a code of which the canonical form loses something, None for any other.

    It stands in for the message of a result that has none.
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
    if not _NAME.fullmatch(text):
        text = LONG_WORD.sub(_without_token, text)
    name = _OTHER_CHARACTERS.sub("_", text)[:MAX_CODE_LENGTH]
    return name or None


def _without_token(word: re.Match[str]) -> str:
    """Leave the parts with digits out of a long word; the names of errors and paths have none."""
    parts = word[0].split("/")
    return "/".join(" " if any(map(str.isdigit, part)) else part for part in parts)
