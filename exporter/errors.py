"""The two ways in which input from outside is refused."""

from collections.abc import Mapping
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
