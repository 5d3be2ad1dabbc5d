"""Findings about the results of each channel and app."""

from collections.abc import Iterator

from exporter.admin.findings.codes import finding_of_codes, number_of, recent, watched_by
from exporter.admin.findings.dead import dead_finding
from exporter.admin.findings.finding import Finding, reaches
from exporter.admin.findings.silence import silence_findings
from exporter.admin.findings.unknown import unknown_findings
from exporter.admin.reading import AppChannel, CountedSeries, Reading
from exporter.classification.alerts import WATCHES, AlertName

OF_SHARES = tuple(
    alert for alert in WATCHES if alert not in (AlertName.CHANNEL_REJECTED, AlertName.UNKNOWN_CODE)
)
"""Alerts about shares of failing codes, the most specific first."""


def result_findings(reading: Reading) -> Iterator[Finding]:
    """Yield the findings about results, by channel and app."""
    day = reading.day
    for group in sorted(reading.groups):  # in a fixed order, so that the headline is stable
        counted = reading.groups[group]
        if any(entry.series in day for entry in counted):
            yield from _failures(reading, group, counted)
    yield from unknown_findings(reading)
    yield from silence_findings(reading)


def _failures(
    reading: Reading, group: AppChannel, counted: list[CountedSeries]
) -> Iterator[Finding]:
    """Yield the findings about failures; on a dead channel, without those about shares."""
    if dead := dead_finding(reading, group, counted):
        yield dead
        return
    results = recent(counted)
    total = number_of(results)
    for alert in OF_SHARES:
        affected = watched_by(alert, results)
        if affected and reaches(alert, number_of(affected), total):
            results = [(entry, count) for entry, count in results if alert not in entry.alerts]
            yield finding_of_codes(reading, alert, group, affected, total)
