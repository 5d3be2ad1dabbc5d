"""Signed requests, for `simulate`, `replay` and `demo`."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Outgoing(NamedTuple):
    """The parts of a signed request."""

    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    """The signed body; None if it is unchanged."""


class Signer(Protocol):
    """Signs requests as a gateway does."""

    def __call__(self, url: str, body: bytes, identity: str) -> Outgoing:
        """Return the signed request; `identity` does not change for a retry."""


def unsigned(url: str, body: bytes, identity: str) -> Outgoing:
    """Return a request without credentials."""
    del body, identity
    return Outgoing(url, {})
