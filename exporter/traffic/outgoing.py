"""Requests as a gateway makes them: for `simulate`, `replay` and `demo`."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Outgoing(NamedTuple):
    """Where a body goes, and what goes with it."""

    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    """The body with its signature, where that stands within."""


class Signer(Protocol):
    """Signs requests as one gateway does."""

    def __call__(self, url: str, body: bytes, identity: str) -> Outgoing:
        """Return URL and headers with the signature; `identity` is the same for a retry."""


def unsigned(url: str, body: bytes, identity: str) -> Outgoing:
    """Send a request without any credentials."""
    del body, identity
    return Outgoing(url, {})
