"""Findings about requests, by gateway."""

from collections.abc import Callable, Iterator, Mapping

from exporter.admin.findings.finding import Finding, Level, declared, describe, reaches
from exporter.admin.findings.outcomes import LAST_HOURS, Outcomes
from exporter.admin.history import WINDOW
from exporter.admin.reading import Reading
from exporter.classification.alerts import Alert, AlertName
from exporter.classification.thresholds import THRESHOLDS
from exporter.errors import SUCCEEDED, UNROUTED, Reason

_REASONS = frozenset(Reason)

WATCHED_REASONS: Mapping[str, Callable[[Reason], bool]] = {
    AlertName.WEBHOOK_REJECTING: lambda reason: not reason.of_exporter,
    AlertName.ALL_REQUESTS_REFUSED: (
        lambda reason: not reason.of_exporter or reason is Reason.INTERNAL_ERROR
    ),
    AlertName.EXPORTER_ERRORS: lambda reason: reason is Reason.INTERNAL_ERROR,
    AlertName.EXPORTER_OVERLOADED: lambda reason: reason is Reason.OVERLOADED,
    AlertName.LEDGER_FAILING: lambda reason: reason is Reason.LEDGER_UNAVAILABLE,
}
"""Alerts about requests, with the reasons counted by each."""

_OF_REASON = (
    AlertName.WEBHOOK_REJECTING,
    AlertName.EXPORTER_ERRORS,
    AlertName.EXPORTER_OVERLOADED,
    AlertName.LEDGER_FAILING,
)
"""The alerts linked from reasons."""


def refusal(status: str) -> Reason | None:
    """Return the reason of a status, or None for a request that was not refused."""
    return Reason(status) if status in _REASONS else None


def watches_request(alert: str, status: str) -> bool:
    """Whether an alert counts the requests that ended with a status."""
    watch, reason = WATCHED_REASONS.get(alert), refusal(status)
    return watch is not None and reason is not None and watch(reason)


def alert_of(reason: str) -> Alert | None:
    """Return the alert that watches a reason."""
    return next(
        (Alert.named(alert) for alert in _OF_REASON if watches_request(alert, reason)), None
    )


def request_findings(reading: Reading) -> Iterator[Finding]:
    """Yield the findings about the requests of the window."""
    for gateway in _gateways(reading):
        outcomes = Outcomes(reading, gateway)
        yield from _refused(outcomes)
        yield from _failed(outcomes)
        yield from _rejected_items(reading, outcomes)


def first_day_findings(reading: Reading) -> Iterator[Finding]:
    """Yield the findings before the first result: refused or failed requests, other paths."""
    for gateway in _gateways(reading):
        outcomes = Outcomes(reading, gateway)
        yield from _failed(outcomes)
        # Other replicas may have had results for long.
        statuses = outcomes.window if reading.view.hub.ledger.shared else outcomes.since_start
        refused = _watched(AlertName.WEBHOOK_REJECTING, statuses)
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


def refused_now(reading: Reading) -> str:
    """Describe the refused requests of the window; empty if there are none."""
    refused = {
        f"{source} {status}": count
        for (source, status), count in sorted(reading.requests.counts(WINDOW).items())
        if source != UNROUTED and status not in SUCCEEDED
    }
    named = ", ".join(f"{name} ({count:,})" for name, count in refused.items())
    return f" Requests are refused meanwhile: {named}." if refused else ""


def _gateways(reading: Reading) -> list[str]:
    return sorted({source for source, _ in reading.requests.totals} - {UNROUTED})


def _watched(alert: AlertName, statuses: Mapping[str, int]) -> dict[str, int]:
    return {status: count for status, count in statuses.items() if watches_request(alert, status)}


def _refused(outcomes: Outcomes) -> Iterator[Finding]:
    """Yield the finding about refused requests; trouble if the gateway had accepted requests."""
    alert = AlertName.ALL_REQUESTS_REFUSED
    lost = outcomes.all_lost(lambda status: watches_request(AlertName.ALL_REQUESTS_REFUSED, status))
    if lost and outcomes.had_accepted:
        more = f" These are requests of the last {lost.period}. {_keys(outcomes)}".rstrip()
        yield _of(outcomes, alert, lost.statuses, lost.total, more)
        return
    alert = AlertName.WEBHOOK_REJECTING
    refused, total = _watched(alert, outcomes.window), sum(outcomes.window.values())
    if reaches(alert, sum(refused.values()), total):
        yield _of(outcomes, alert, refused, total)
        return
    refused = _watched(alert, outcomes.hours)
    if outcomes.none_accepted and sum(refused.values()) >= THRESHOLDS["min_affected"]:
        period = f" These are requests of the last {LAST_HOURS} hours, none of which was accepted."
        yield _of(outcomes, alert, refused, sum(outcomes.hours.values()), period)


def _keys(outcomes: Outcomes) -> str:
    fingerprints = ", ".join(outcomes.fingerprints)
    return f"The exporter verifies with the public key {fingerprints}." if fingerprints else ""


def _failed(outcomes: Outcomes) -> Iterator[Finding]:
    """Yield the findings about requests that failed in the exporter."""
    total = sum(outcomes.window.values())
    for alert in (AlertName.EXPORTER_ERRORS, AlertName.EXPORTER_OVERLOADED):
        affected = _watched(alert, outcomes.window)
        if affected and reaches(alert, sum(affected.values()), total):
            yield _of(outcomes, alert, affected, total)


def _rejected_items(reading: Reading, outcomes: Outcomes) -> Iterator[Finding]:
    """Yield the finding about rejected items, with their share of all items.

    Counted results are not attributed to gateways.
    """
    alert = AlertName.ITEMS_REJECTED
    counts = reading.rejections.counts(WINDOW)
    reasons = {
        reason: count for (source, reason), count in counts.items() if source == outcomes.gateway
    }
    items = sum(counts.values()) + sum(entry.window for entry in reading.all)
    if reasons and reaches(alert, sum(reasons.values()), items):
        yield declared(
            alert, outcomes.gateway, describe(reasons, items, "items"), gateway=outcomes.gateway
        )


def _of(
    outcomes: Outcomes, alert: AlertName, affected: Mapping[str, int], total: int, more: str = ""
) -> Finding:
    detail = describe(affected, total, "requests") + more
    return declared(alert, outcomes.gateway, detail, gateway=outcomes.gateway)


def _other_paths(reading: Reading) -> Iterator[Finding]:
    others = {path.name: path.count for path in reading.view.hub.other_paths.most_frequent()}
    if others:
        total = reading.requests.totals.get((UNROUTED, Reason.NOT_FOUND), 0)
        webhooks = [f"/webhooks/{name}" for name in reading.view.current.snapshot.gateways]
        yield Finding(
            Level.ATTENTION,
            "requests to paths without a webhook",
            describe(others, max(total, sum(others.values())), "such requests"),
            "Correct the URL at the sender, or in the proxy that rewrites it. Webhooks: "
            f"{', '.join(webhooks)}.",
        )
