"""What the edge hands to the hub: all that is to be counted of one request."""

import msgspec

from exporter.results import Delivery, Rejection, Series

UnknownCodes = dict[tuple[Series, str | None], str | None]
"""The last message of each series, under the code as sent, and each hint that came with it."""


class Submission(msgspec.Struct, gc=False):
    """What a request holds: to be committed, and then counted."""

    source: str
    """The gateway's name."""
    deliveries: list[Delivery] = []
    exemplars: dict[Series, str] = {}
    """The message id to show for each series."""
    unknown: UnknownCodes = {}
    """Results whose code no table has, before the bound on their number."""
    rejected: list[Rejection] = []
    """Items that are not valid results."""
    skipped: int = 0
    """Items that the gateway's description leaves aside."""
    without_code: int = 0
    """Items without a value where the gateway's description expects the code."""
    undeclared_apps: dict[str, int] = {}
    """Items that name an app which is not declared, by that name."""


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What became of a submission's results, which are durable now."""

    accepted: int
    duplicates: int
