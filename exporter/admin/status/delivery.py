"""From accepted to delivered: the receipts of the last hour, by the channel that sends pushes."""

from collections.abc import Iterator

import msgspec

from exporter.admin.reading import Reading
from exporter.classification.alerts import ACCEPTED
from exporter.results import Category


class DeliveryStatus(msgspec.Struct):
    """The pushes of a channel in the last hour: accepted, and confirmed by receipts.

    Receipts arrive later than acceptances: after a start, more may be delivered than accepted.
    """

    channel: str
    accepted: int = 0
    """By the vendor, for delivery."""
    delivered: int = 0
    """To the device, according to receipts."""
    opened: int = 0
    """By the user, according to receipts."""


def deliveries_of(reading: Reading) -> list[DeliveryStatus]:
    """Summarize each selected channel with receipts in the last hour, in the tables' order."""
    tables = reading.view.tables
    rows: dict[str, DeliveryStatus] = {}
    for entry in reading.all:  # including the channels of receipts
        if not entry.hour or entry.meaning.category not in ACCEPTED:
            continue
        if not reading.selection.shows(None, entry.series.app):
            continue
        table = tables.get(entry.series.channel)
        sending = (table.receipts_of if table else "") or entry.series.channel
        row = rows.setdefault(sending, DeliveryStatus(sending))
        match entry.meaning.category:
            case Category.ACCEPTED:
                row.accepted += entry.hour
            case Category.DELIVERED:
                row.delivered += entry.hour
            case Category.OPENED:
                row.opened += entry.hour
    return [
        row
        for row in _ordered(reading, rows)
        if (row.delivered or row.opened) and reading.selection.shows(row.channel)
    ]


def _ordered(reading: Reading, rows: dict[str, DeliveryStatus]) -> Iterator[DeliveryStatus]:
    """Yield rows in the order of the channels; those without a table come last."""
    channels = reading.view.classifier.channels()
    yield from (rows[channel] for channel in channels if channel in rows)
    yield from (row for channel, row in rows.items() if channel not in channels)
