"""Deliveries as requests make them, by identities that are easy to write."""

from exporter.ledger.keys import Keys
from exporter.results import Delivery, Identified, Identity, Scope, Series

ACKED = Series("apns", "2", "mps")
BAD_TOKEN = Series("apns", "2009", "apns")
SCOPE = Scope(0x1234_5678_9ABC_DEF0, Identified.RESULT, "apns", "2")

SECRET = bytes(range(32))
"""The secret of ledgers that are made beforehand."""


def delivery(
    *identities: Identity,
    results: int = 1,
    series: Series = ACKED,
    content: int = 0,
    scope: Scope = SCOPE,
) -> Delivery:
    """Make a delivery whose identities each stand for `results` results of a series.

    With a `content` the delivery may conflict.
    """
    body = str(content).encode() if content else None
    return Delivery({series: results}, results, scope, identities, body)


def keys_of(*identities: Identity, secret: bytes = SECRET) -> list[int]:
    """Return the keys of identities."""
    return Keys(secret).of(delivery(*identities))
