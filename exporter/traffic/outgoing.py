"""Signed requests, for `simulate`, `replay` and `demo`."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Outgoing(NamedTuple):
    """The URL, the headers and perhaps the body of a signed request."""

    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    """The body, if the signature is inside it."""


class Signer(Protocol):
    """Signs requests as one gateway does."""

    def __call__(self, url: str, body: bytes, identity: str) -> Outgoing:
        """Return URL and headers with the signature; `identity` is the same for a retry."""


def unsigned(url: str, body: bytes, identity: str) -> Outgoing:
    """Send a request without any credentials."""
    del body, identity
    return Outgoing(url, {})
