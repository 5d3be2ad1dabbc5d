"""Findings about requests, by gateway."""

from collections.abc import Callable, Iterator, Mapping

from exporter.admin.findings.finding import Finding, Level, declared, describe, reaches
from exporter.admin.history import WINDOW
from exporter.admin.reading import Reading, Totals
from exporter.classification.alerts import Alert, AlertName
from exporter.errors import UNROUTED, Reason

ACCEPTED = "accepted"

_REASONS = frozenset(Reason)

WATCHED_REASONS: Mapping[str, Callable[[Reason], bool]] = {
    AlertName.WEBHOOK_REJECTING: lambda reason: not reason.of_exporter,
    AlertName.EXPORTER_OVERLOADED: lambda reason: reason is Reason.OVERLOADED,
    AlertName.LEDGER_FAILING: lambda reason: reason is Reason.LEDGER_UNAVAILABLE,
}
"""Alerts about requests, with the reasons that each counts."""

JUDGED = (AlertName.WEBHOOK_REJECTING, AlertName.EXPORTER_OVERLOADED)
"""Alerts with thresholds on requests, in the order of the page."""


def refusal(status: str) -> Reason | None:
    """Return the reason of a status, or None for a request that was not refused."""
    return Reason(status) if status in _REASONS else None


def watches_request(alert: str, status: str) -> bool:
    """Whether an alert counts the requests that ended with a status."""
    watch, reason = WATCHED_REASONS.get(alert), refusal(status)
    return watch is not None and reason is not None and watch(reason)


def alert_of(reason: str) -> Alert | None:
    """Return the alert that watches a reason."""
    return next((Alert.named(one) for one in WATCHED_REASONS if watches_request(one, reason)), None)


def request_findings(reading: Reading) -> Iterator[Finding]:
    """Yield the findings about the requests of the window."""
    requests = reading.requests.counts(WINDOW)
    for gateway in sorted({source for source, _ in requests} - {UNROUTED}):
        statuses = _statuses(requests, gateway)
        total = sum(statuses.values())
        for alert in JUDGED:
            affected = {
                status: count
                for status, count in statuses.items()
                if watches_request(alert, status)
            }
            if reaches(alert, sum(affected.values()), total):
                detail = describe(affected, total, "requests")
                yield declared(alert, gateway, detail, gateway=gateway)


def first_day_findings(reading: Reading) -> Iterator[Finding]:
    """Yield the findings before the first result: refused requests, requests to other paths."""
    if reading.all:
        return
    requests = reading.requests.totals
    for gateway in sorted({source for source, _ in requests} - {UNROUTED}):
        statuses = {one: count for one, count in _statuses(requests, gateway).items() if count}
        refused = {
            status: count
            for status, count in statuses.items()
            if watches_request(AlertName.WEBHOOK_REJECTING, status)
        }
        if refused:
            most = Reason(max(refused, key=lambda status: refused[status]))
            detail = describe(refused, sum(statuses.values()), "requests")
            yield declared(
                AlertName.WEBHOOK_REJECTING,
                gateway,
                f"{detail} {most}: {most.meaning}.",
                gateway=gateway,
            )
    yield from _other_paths(reading)


def _other_paths(reading: Reading) -> Iterator[Finding]:
    others = {one.name: one.count for one in reading.view.hub.other_paths.most_frequent()}
    if others:
        total = reading.requests.totals.get((UNROUTED, Reason.NOT_FOUND), 0)
        webhooks = [f"/webhooks/{name}" for name in reading.view.current.snapshot.gateways]
        yield Finding(
            Level.ATTENTION,
            "requests come to paths that no webhook has",
            describe(others, max(total, sum(others.values())), "such requests"),
            "Correct the URL at the sender, or in the proxy that changes it. Webhooks are: "
            f"{', '.join(webhooks)}.",
        )


def _statuses(requests: Totals, gateway: str) -> dict[str, int]:
    return {status: count for (source, status), count in requests.items() if source == gateway}
