"""Gateways: their requests, refused requests and rejected items."""

from collections.abc import Iterator

import msgspec

from exporter.admin.findings.requests import alert_of, refusal
from exporter.admin.reading import Reading, Totals
from exporter.classification.alerts import Alert
from exporter.errors import ACCEPTED, UNROUTED, ItemReason

_WITHOUT_CODE = tuple(reason for reason in ItemReason if reason.startswith("code_"))


class Received(msgspec.Struct, frozen=True):
    """The requests of a gateway in a period."""

    requests: int
    refused: int
    """Requests without counted results."""
    rejected_items: int
    """Invalid items."""


class GatewayStatus(msgspec.Struct, frozen=True):
    """A gateway since the start and in the last hour."""

    gateway: str
    title: str
    """Its display name."""
    since_start: Received
    last_hour: Received
    skipped_items: int
    """Items skipped by the description's items.only since the start."""
    duplicates: int
    """Duplicate results since the start."""
    finding: str | None
    """A problem of the gateway's description, or null."""


class Refused(msgspec.Struct, frozen=True):
    """Requests refused, or items rejected, for a reason."""

    kind: str
    """`request` or `item`."""
    source: str
    reason: str
    meaning: str
    """The meaning of the reason."""
    since_start: int
    """Since the start of the exporter."""
    last_hour: int
    alert: Alert | None
    """The alert that watches the reason."""


class RequestsHour(msgspec.Struct, frozen=True):
    """The requests of the last hour to all gateways; other paths do not count."""

    requests: int
    refused: int
    """Requests without counted results."""


def gateways_of(reading: Reading) -> list[GatewayStatus]:
    """Summarize the configured gateways, then the removed ones."""
    gateways, metrics = reading.view.current.snapshot.gateways, reading.view.hub.metrics.webhooks
    start = reading.requests.totals, reading.rejections.totals
    hour = reading.requests.counts(), reading.rejections.counts()
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
    refused = sum(count for status, count in statuses.items() if refusal(status))
    items = sum(count for (source, _), count in rejections.items() if source == gateway)
    return Received(sum(statuses.values()), refused, items)


def _finding(gateway: str, requests: Totals, rejections: Totals) -> str | None:
    """Report that no item has had a valid code: the format differs from the expected one."""
    without = sum(rejections.get((gateway, reason), 0) for reason in _WITHOUT_CODE)
    if not without or requests.get((gateway, ACCEPTED)):
        return None
    return (
        f"No item so far has a valid code ({without:,} rejected). To see the paths: "
        f"push-result-exporter explain --gateway {gateway} --payload FILE"
    )


def requests_of(gateways: list[GatewayStatus]) -> RequestsHour:
    """Add up the last hour of all gateways."""
    return RequestsHour(
        sum(gateway.last_hour.requests for gateway in gateways),
        sum(gateway.last_hour.refused for gateway in gateways),
    )


def refused_of(reading: Reading) -> list[Refused]:
    """List the refusals since the start, the most frequent of the last hour first."""
    rows = [*_refused_requests(reading), *_rejected_items(reading)]
    return sorted(rows, key=lambda row: (-row.last_hour, -row.since_start))


def _refused_requests(reading: Reading) -> Iterator[Refused]:
    hour = reading.requests.counts()
    for (source, status), total in reading.requests.totals.items():
        if total and (reason := refusal(status)):
            last = hour.get((source, status), 0)
            alert = alert_of(status) if source != UNROUTED else None
            yield Refused("request", source, status, reason.meaning, total, last, alert)


def _rejected_items(reading: Reading) -> Iterator[Refused]:
    hour = reading.rejections.counts()
    for (source, reason), total in reading.rejections.totals.items():
        if total:
            last = hour.get((source, reason), 0)
            yield Refused("item", source, reason, ItemReason(reason).meaning, total, last, None)
