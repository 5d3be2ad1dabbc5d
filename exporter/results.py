"""What a gateway says of one push, before and after classification."""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from exporter.errors import ItemReason

MAX_CODE_LENGTH = 64

_INTEGER = re.compile(r"[+-]?[0-9]+(?:\.0+)?", re.ASCII)
_OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9_.-]+", re.ASCII)


class Severity(StrEnum):
    """How far the damage reaches, least first; `unknown` stands for a code in no table."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class Category(StrEnum):
    """What kind of outcome a code stands for."""

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
    """Whether sending again can help, and when."""

    NO = "no"
    BACKOFF = "backoff"
    AFTER_REFRESH = "after_refresh"
    NEXT_WINDOW = "next_window"
    AUTO = "auto"


class PushResult(msgspec.Struct, frozen=True, gc=False):
    """The result of a push as its gateway reports it, with its code in canonical form."""

    code: str
    hint: str | None = None
    """The sender's name for the channel, if it gave one."""
    message: str | None = None
    ios: bool = False
    app: str | None = None
    """The app that the request names, declared or not."""


class ResultGroup(msgspec.Struct):
    """Identical items, so that they are classified once.

    A body of a hundred results seldom has more than a dozen different ones.
    """

    result: PushResult
    count: int = 1
    """How many pushes each item stands for."""
    anonymous: int = 0
    """How many items have no identity."""
    ids: list[str | int] = []
    """The identities of the others: message ids, or hashes where a gateway has no such id."""
    exemplar: str | None = None
    """The last message id, to be shown; never a token or a target id."""

    @property
    def items(self) -> int:
        """How many results the group holds."""
        return self.anonymous + len(self.ids)


class Series(NamedTuple):
    """What the ledger counts by.

    `table` is the channel of the table whose row matched, empty for an unknown code.
    It tells apart the two meanings of `-1` under OPPO without storing a severity.
    """

    channel: str
    code: str
    table: str


class ClassifiedResult(msgspec.Struct, frozen=True):
    """What a result means: one shared instance for each known series."""

    series: Series
    name: str
    severity: Severity
    category: Category
    retry: Retry

    @property
    def known(self) -> bool:
        """Whether a table has the code."""
        return bool(self.series.table)

    @classmethod
    def unknown(cls, channel: str, code: str) -> "ClassifiedResult":
        """Stand for a code that no table has on this channel."""
        return cls(
            Series(channel, code, ""), "Unknown", Severity.UNKNOWN, Category.UNKNOWN, Retry.NO
        )


class Rejection(msgspec.Struct, frozen=True):
    """One item of a batch that is not a result, by its position from 0."""

    index: int
    reason: ItemReason
    detail: str


class DecodedItems(msgspec.Struct):
    """The results and the invalid items of a body, or of a part of it."""

    groups: list[ResultGroup] = []
    rejected: list[Rejection] = []
    skipped: int = 0
    """Items that the gateway's description leaves out: results of something else."""
    defaulted: int = 0
    """Results for which no path had a code, so that the description's default counts."""

    def add(self, other: "DecodedItems") -> None:
        """Add the items of another part of the same body."""
        self.groups += other.groups
        self.rejected += other.rejected
        self.skipped += other.skipped
        self.defaulted += other.defaulted

    @property
    def items(self) -> int:
        """How many items these are."""
        results = sum([group.items for group in self.groups])
        return results + len(self.rejected) + self.skipped

    @property
    def without_code(self) -> int:
        """How many items have no value at the path of the code."""
        if not self.rejected:
            return self.defaulted
        return self.defaulted + sum(one.reason in _WITHOUT_CODE for one in self.rejected)


_WITHOUT_CODE = (ItemReason.CODE_MISSING, ItemReason.CODE_NULL)


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """The unit that is counted once, or several that count the same, each with a key."""

    keys: list[int]
    """64-bit deduplication keys; none for results that nothing identifies."""
    counts: dict[Series, int]
    """What each new key counts; without keys, what is counted."""
    results: int
    """How many results each new key stands for; without keys, how many there are."""
    content: int = 0
    """A 64-bit hash of the key and the body; the same key with another content is a conflict.
    0 where there can be none: else it stands beside the only key of the only delivery of a
    request."""


def results_of(deliveries: Iterable[Delivery]) -> int:
    """Count the results that deliveries hold, new or not."""
    results = 0
    for delivery in deliveries:
        results += delivery.results * (len(delivery.keys) or 1)
    return results


def canonical_code(code: object) -> str | None:
    """Return the code as canonical text, or None if it cannot be a code.

    An integer is plain decimal digits. Any other text is a name of 1 to 64 of `[A-Za-z0-9_.-]`,
    in which `_` stands for each run of other characters: `messaging/internal-error` is
    `messaging_internal-error`.
    """
    if isinstance(code, str):
        # Bound before the cache, so that it cannot be filled with megabytes.
        return _canonical_text(code) if len(code) <= 2 * MAX_CODE_LENGTH else None
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool) and abs(code) < 10**MAX_CODE_LENGTH:
        return _canonical_text(str(code))
    return None


@lru_cache(maxsize=4096)
def _canonical_text(code: str) -> str | None:
    text = code.strip()
    if _INTEGER.fullmatch(text):
        text = str(int(text.partition(".")[0]))
    else:
        text = _OTHER_CHARACTERS.sub("_", text)
    return text if 0 < len(text) <= MAX_CODE_LENGTH else None
