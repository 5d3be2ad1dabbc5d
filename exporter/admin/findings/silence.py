"""Findings about channels whose results have stopped."""

from collections.abc import Iterator, Mapping

import msgspec

from exporter.admin.findings.finding import Finding, Level, declared
from exporter.admin.findings.requests import refused_now
from exporter.admin.history import MINUTES, WINDOW
from exporter.admin.reading import AppChannel, Reading, of_app
from exporter.classification.alerts import AlertName
from exporter.classification.thresholds import THRESHOLDS

STEADY_RESULTS = THRESHOLDS["steady_results"]
"""Minimum of results in each of two quarters of an hour before the silence."""

_Silent = Mapping[AppChannel, int]
"""The results of the last hour of the silent channels."""


def silence_findings(reading: Reading) -> Iterator[Finding]:
    """Yield findings about channels with steady results before, and none in the window.

    A single campaign is not steady. Receipts are not watched, since they depend on the phones. Of
    several replicas, one may have none although its senders go on: that is a note.
    """
    shared = reading.view.hub.ledger.shared
    return map(_of_replica, _findings(reading)) if shared else _findings(reading)


def _of_replica(finding: Finding) -> Finding:
    return msgspec.structs.replace(
        finding,
        level=Level.NOTE,
        title=f"{finding.title} on this replica",
        action="Look at the other replicas: the senders may have moved there. The alert adds them "
        "up.",
    )


def _findings(reading: Reading) -> Iterator[Finding]:
    silent = {
        group: sum(quarters)
        for group, minutes in sorted(reading.minutes.items())
        if not any(minutes.results[MINUTES - WINDOW :]) and not _has_receipts(reading, group)
        for quarters in [_quarters(minutes.results)]
        if sum(results >= STEADY_RESULTS for results in quarters) > 1
    }
    heard = [group for group in reading.groups if _is_heard(reading, group)]
    if len(silent) > 1 and not heard:
        yield _all_stopped(reading, silent, "")
        return
    for app in dict.fromkeys(group.app for group in silent):
        of_this = {group: count for group, count in silent.items() if group.app == app}
        if app and len(of_this) > 1 and app not in {group.app for group in heard}:
            yield _all_stopped(reading, of_this, app)
        else:
            for group, count in of_this.items():
                yield _stopped(reading, group, count)


def _has_receipts(reading: Reading, group: AppChannel) -> bool:
    return reading.view.classifier.has_receipts(group.channel)


def _is_heard(reading: Reading, group: AppChannel) -> bool:
    """Whether a channel had a result in the window; receipts do not count."""
    has_result = any(entry.window for entry in reading.groups[group])
    return has_result and not _has_receipts(reading, group)


def _all_stopped(reading: Reading, silent: _Silent, app: str) -> Finding:
    alert = AlertName.ALL_RESULTS_STOPPED
    found = declared(alert, "", _detail(reading, silent), app=app)
    return msgspec.structs.replace(found, title=f"{of_app('all results', app)} have stopped")


def _stopped(reading: Reading, group: AppChannel, count: int) -> Finding:
    detail = _detail(reading, {group: count})
    alert = AlertName.RESULTS_STOPPED
    return declared(alert, group.subject, detail, channel=group.channel, app=group.app)


def _detail(reading: Reading, silent: _Silent) -> str:
    had = ", ".join(f"{group.subject} ({count:,})" for group, count in silent.items())
    return (
        f"No results in the last {WINDOW} minutes. In the {60 - WINDOW} minutes before: {had}."
        f"{refused_now(reading)}"
    )


def _quarters(minutes: list[int]) -> list[int]:
    """Sum the minutes before the window into quarters of an hour."""
    before = minutes[: MINUTES - WINDOW]
    return [sum(before[start : start + WINDOW]) for start in range(0, len(before), WINDOW)]
