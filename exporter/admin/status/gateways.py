"""The gateways of the status page: what they sent, what was refused of it, and why."""

from collections.abc import Mapping

import msgspec

from exporter.admin.view import View
from exporter.errors import UNROUTED, ItemReason, Reason

ACCEPTED = "accepted"

_WITHOUT_CODE = tuple(reason for reason in ItemReason if reason.startswith("code_"))

Totals = Mapping[tuple[str, ...], int]
"""By source and status or reason."""


class Received(msgspec.Struct, frozen=True):
    """What came of a gateway in some time."""

    requests: int
    refused: int
    """Requests of which nothing was counted."""
    rejected_items: int
    """Items of accepted requests that were not results."""


class GatewayStatus(msgspec.Struct, frozen=True):
    """A gateway since the start and in the last hour."""

    gateway: str
    title: str
    """Its name for people."""
    since_start: Received
    last_hour: Received
    skipped_items: int
    """Items since the start that the gateway's description leaves aside."""
    duplicates: int
    """Results since the start that had been counted before."""
    finding: str | None
    """What is wrong with the way in which the gateway's format is described."""


class Refused(msgspec.Struct, frozen=True):
    """Requests that were refused, or items that were rejected, for one reason."""

    kind: str
    """`request` or `item`."""
    source: str
    reason: str
    meaning: str
    """The reason in a sentence."""
    since_start: int
    """How often since the exporter started."""
    last_hour: int


class RequestsHour(msgspec.Struct, frozen=True):
    """The requests of the last hour to all gateways, other paths left out."""

    requests: int
    refused: int
    """Those of which nothing was counted."""


def gateways_of(view: View) -> list[GatewayStatus]:
    """Sum up each gateway: those that are configured, then those that a reload has removed."""
    metrics, gateways = view.hub.metrics.webhooks, view.current.snapshot.gateways
    start = metrics.requests(), metrics.rejections()
    hour = view.history.requests.counts(), view.history.rejections.counts()
    skipped, duplicates = metrics.skipped(), metrics.duplicates()
    names = dict.fromkeys([*gateways, *sorted({source for source, _ in start[0]})])
    return [
        GatewayStatus(
            gateway=name,
            title=gateways[name].title if name in gateways else "Its description was removed",
            since_start=_received(name, *start),
            last_hour=_received(name, *hour),
            skipped_items=skipped.get((name,), 0),
            duplicates=duplicates.get((name,), 0),
            finding=_finding(name, *start),
        )
        for name in names
        if name != UNROUTED
    ]


def _received(gateway: str, requests: Totals, rejections: Totals) -> Received:
    statuses = {status: count for (source, status), count in requests.items() if source == gateway}
    total = sum(statuses.values())
    items = sum(count for (source, _), count in rejections.items() if source == gateway)
    return Received(total, total - statuses.get(ACCEPTED, 0), items)


def _finding(gateway: str, requests: Totals, rejections: Totals) -> str | None:
    """Say that no item has had a code so far: the format is not the one that is expected."""
    without = sum(rejections.get((gateway, reason), 0) for reason in _WITHOUT_CODE)
    if not without or requests.get((gateway, ACCEPTED)):
        return None
    return (
        f"No item has had a code so far, of {without:,}. See where the code is looked for: "
        f"push-result-exporter explain --gateway {gateway} --payload FILE"
    )


def requests_of(gateways: list[GatewayStatus]) -> RequestsHour:
    """Add up the last hour of all gateways."""
    return RequestsHour(
        sum(gateway.last_hour.requests for gateway in gateways),
        sum(gateway.last_hour.refused for gateway in gateways),
    )


def refused_of(view: View) -> list[Refused]:
    """List what was refused since the start, the most frequent of the last hour first."""
    requests, items = view.hub.metrics.webhooks.requests(), view.hub.metrics.webhooks.rejections()
    recent_requests, recent_items = view.history.requests.counts(), view.history.rejections.counts()
    rows = [
        Refused(kind, source, reason, kinds(reason).meaning, total, hour.get((source, reason), 0))
        for kind, totals, hour, kinds in (
            ("request", requests, recent_requests, Reason),
            ("item", items, recent_items, ItemReason),
        )
        for (source, reason), total in totals.items()
        if total and reason != ACCEPTED
    ]
    return sorted(rows, key=lambda row: (-row.last_hour, -row.since_start))
