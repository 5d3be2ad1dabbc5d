"""Reasons for refusing requests and rejecting items, and the exceptions that carry them."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Self

UNROUTED = "unknown"
"""The label `source` of requests without a gateway; reserved, so no gateway can have this name."""

ACCEPTED = "accepted"
"""The label `status` of requests that were counted."""
VERIFIED = "verified"
"""The label `status` of handshakes, with which a sender verifies the address."""

SUCCEEDED = (ACCEPTED, VERIFIED)


class Reason(StrEnum):
    """Why a request is refused: the `error` of its response, and the label `status`.

    `status` is the HTTP status and `meaning` the sentence in the manual. `retry_after` is the
    number of seconds after which the request may be repeated, None if it must change first.
    `closes` is True if the connection is closed because the rest of the body is not read.
    """

    status: int
    meaning: str
    retry_after: int | None
    closes: bool

    def __new__(
        cls,
        value: str,
        status: int = 0,  # a lookup by value calls `__new__` with the value alone
        meaning: str = "",
        retry_after: int | None = None,
        closes: bool = False,
    ) -> Self:
        """Create a member; its value is the public name."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.status = status
        member.meaning = meaning
        member.retry_after = retry_after
        member.closes = closes
        return member

    MALFORMED_BODY = (
        "malformed_body",
        400,
        "the body is empty, incomplete, not UTF-8, not in the format, or has over 10,000 bad items",
    )
    INVALID_RESULTS = (
        "invalid_results",
        400,
        "no item is a valid result; the response lists the reasons",
    )
    MALFORMED_REQUEST = ("malformed_request", 400, "not HTTP/1.1", None, True)
    MISSING_CREDENTIALS = (
        "missing_credentials",
        401,
        "the request has no credentials of a scheme that is configured for this webhook",
    )
    BAD_SIGNATURE = (
        "bad_signature",
        401,
        "no configured key, token or secret verifies the request",
    )
    STALE_TIMESTAMP = (
        "stale_timestamp",
        401,
        "the signed timestamp is too far from the exporter's clock: compare both clocks",
    )
    NOT_FOUND = ("not_found", 404, "no webhook has this path")
    METHOD_NOT_ALLOWED = ("method_not_allowed", 405, "only POST is accepted")
    BODY_TIMEOUT = (
        "body_timeout",
        408,
        "no byte of the body arrived for BODY_TIMEOUT_SECONDS, or the body took over a minute",
        2,
        True,
    )
    CONFLICT = (
        "conflict",
        409,
        "this webhook-id was already used with a different body; a changed body needs its own id",
    )
    TOO_LARGE = (
        "too_large",
        413,
        "the body is larger than MAX_BODY_BYTES, as sent or unpacked",
        None,
        True,
    )
    UNSUPPORTED_ENCODING = (
        "unsupported_encoding",
        415,
        "the Content-Encoding is not gzip; use gzip or no encoding",
        None,
        True,
    )
    INTERNAL_ERROR = ("internal_error", 500, "a fault of the exporter; its log has the traceback")
    OVERLOADED = (
        "overloaded",
        503,
        "the commit queue is full (MAX_PENDING_RESULTS), or request bodies exceed the memory bound",
        2,
    )
    LEDGER_UNAVAILABLE = (
        "ledger_unavailable",
        503,
        "results cannot be stored at present; `/-/ready` and the log have the cause",
        2,
    )
    DRAINING = ("draining", 503, "the exporter is stopping", 2, True)

    @property
    def of_exporter(self) -> bool:
        """Whether the cause is the state of the exporter and not the content of the request."""
        return self.status >= 500  # noqa: PLR2004 - HTTP's class of server errors


class ItemReason(StrEnum):
    """Why an item of a request is rejected."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """Create a member; its value is the public name."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    CODE_MISSING = ("code_missing", "there is no status code")
    CODE_NULL = ("code_null", "the status code is null at the path that the description names")
    CODE_INVALID = ("code_invalid", "the code is neither an integer nor a name")
    CHANNEL_INVALID = ("channel_invalid", "the channel is not a string")
    COUNT_INVALID = ("count_invalid", "the count is not an integer from 1 to 1,000,000,000")
    ID_INVALID = (
        "id_invalid",
        "the id is neither a string nor an integer, or has over 256 characters",
    )
    MESSAGE_INVALID = ("message_invalid", "the message is not a string")
    NOT_AN_OBJECT = ("not_an_object", "the item is not a JSON object")
    MALFORMED_JSON = ("malformed_json", "the item is not JSON")


class ConfigurationError(ValueError):
    """A setting, or a file named by a setting, is unusable; the message names it and the place."""


class ListenError(Exception):
    """An address cannot be bound: perhaps not yet, so the start is worth repeating."""


class RequestError(Exception):
    """A request to a webhook is refused.

    `detail` is a sentence for the sender, without secrets and target ids. `headers` are additional
    response headers (`Allow`, `WWW-Authenticate`, `Accept-Encoding`), `extra` additional members
    of the JSON body.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.headers = headers or {}
        self.extra = extra or {}


def did_you_mean(
    word: str, known: Iterable[str], prefix: str = "", *, similarity: float = 0.5
) -> str:
    """Return a suggestion for an unknown word, to append to a message; empty if none is similar.

    `prefix`, which all known words share, is prepended to the suggestion and not compared.
    """
    near = get_close_matches(word, list(known), 1, similarity)
    return f"; did you mean {prefix + near[0]!r}?" if near else ""
