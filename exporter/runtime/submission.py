"""Submissions, which the edge passes to the hub, and their receipts."""

import msgspec

from exporter.results import Delivery, Rejection, Series

UnknownCodes = dict[tuple[Series, str | None], str | None]
"""The last message for each unknown code, as a series with the code as sent, and its hint."""


class Submission(msgspec.Struct, gc=False):
    """All results and statistics of a request, to be committed and then counted."""

    source: str
    """The gateway's name."""
    deliveries: list[Delivery] = []
    exemplars: dict[Series, str] = {}
    """The message id of the exemplar, by series."""
    unknown: UnknownCodes = {}
    """Unknown codes, before the bound on their number is applied."""
    rejected: list[Rejection] = []
    """Invalid items."""
    skipped: int = 0
    """Items skipped by the description's items.only."""
    without_code: int = 0
    """Items without a value at any path of the code."""
    undeclared_apps: dict[str, int] = {}
    """The number of items by undeclared app."""


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The numbers of new and duplicate results of a submission, which are durable."""

    accepted: int
    duplicates: int
