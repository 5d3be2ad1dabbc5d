"""The two ways in which input from outside is refused, and a help for their messages."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from exporter.reasons import Reason


class ConfigurationError(ValueError):
    """A setting, key, token or code table is unusable; the message names it and where it is."""


class RequestError(Exception):
    """A request to a webhook that gets an error response.

    `detail` is a sentence for the sender and never repeats a secret or a target id; `headers` are
    those that the response needs besides (`Allow`, `WWW-Authenticate`, `Accept-Encoding`), and
    `extra` is what its JSON says besides.
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


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about a word that is not known: the one that is most like it."""
    near = get_close_matches(word, list(known), 1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
