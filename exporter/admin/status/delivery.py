"""From accepted to delivered: what the receipts of the last hour say of each channel of sending."""

from collections.abc import Iterator

import msgspec

from exporter.admin.view import View
from exporter.results import Category


class DeliveryStatus(msgspec.Struct):
    """The pushes of a channel in the last hour: what came of them as far as receipts say.

    Receipts come later than acceptances, so that at the start delivered may be more than accepted.
    """

    channel: str
    accepted: int = 0
    """By the vendor, for delivery."""
    delivered: int = 0
    """To the device, as receipts say."""
    opened: int = 0
    """By the user, as receipts say."""


def deliveries_of(view: View) -> list[DeliveryStatus]:
    """Sum up each channel of which there were receipts in the last hour, in the tables' order."""
    tables = view.tables
    current = view.classifier.current
    rows: dict[str, DeliveryStatus] = {}
    for series, count in view.history.results.counts().items():
        table = tables.get(series.channel)
        sending = (table.receipts_of if table else "") or series.channel
        row = rows.setdefault(sending, DeliveryStatus(sending))
        match current(series).category:
            case Category.ACCEPTED:
                row.accepted += count
            case Category.DELIVERED:
                row.delivered += count
            case Category.OPENED:
                row.opened += count
    return [row for row in _ordered(view, rows) if row.delivered or row.opened]


def _ordered(view: View, rows: dict[str, DeliveryStatus]) -> Iterator[DeliveryStatus]:
    """Order the rows as the channels are; a receipt may be of a channel without a table."""
    channels = view.classifier.channels()
    yield from (rows[channel] for channel in channels if channel in rows)
    yield from (row for channel, row in rows.items() if channel not in channels)
