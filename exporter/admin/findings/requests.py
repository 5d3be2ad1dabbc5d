"""Findings about requests, by gateway: those that are refused, and those that overload."""

from collections.abc import Callable, Iterator, Mapping

from exporter.admin.findings.finding import Finding, declared, describe, reaches
from exporter.admin.history import WINDOW
from exporter.admin.reading import Reading
from exporter.classification.alerts import Alert, AlertName
from exporter.errors import UNROUTED, Reason

ACCEPTED = "accepted"

_REASONS = frozenset(Reason)

WATCHED_REASONS: Mapping[str, Callable[[Reason], bool]] = {
    AlertName.WEBHOOK_REJECTING: lambda reason: not reason.of_exporter,
    AlertName.EXPORTER_OVERLOADED: lambda reason: reason is Reason.OVERLOADED,
    AlertName.LEDGER_FAILING: lambda reason: reason is Reason.LEDGER_UNAVAILABLE,
}
"""The alerts about requests, and the reasons that each counts."""

JUDGED = (AlertName.WEBHOOK_REJECTING, AlertName.EXPORTER_OVERLOADED)
"""Those that are judged by the requests, in the order in which they are shown."""


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
    """Judge the requests of the window to each gateway."""
    requests = reading.requests.counts(WINDOW)
    for gateway in sorted({source for source, _ in requests} - {UNROUTED}):
        statuses = {status: count for (source, status), count in requests.items()
                    if source == gateway}  # fmt: skip
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
