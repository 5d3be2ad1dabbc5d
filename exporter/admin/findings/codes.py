"""Findings that name codes: their figures, and the action of the most frequent code."""

from collections.abc import Sequence
from operator import itemgetter

from exporter.admin.findings.finding import Finding, declared, describe
from exporter.admin.reading import AppChannel, CountedSeries, Reading
from exporter.classification.alerts import AlertName

Results = Sequence[tuple[CountedSeries, int]]
"""Series with their results in a period."""


def recent(counted: list[CountedSeries]) -> Results:
    """Return the results of the window."""
    return [(entry, entry.window) for entry in counted if entry.window]


def watched_by(alert: AlertName, results: Results) -> Results:
    """Select the results that an alert counts."""
    return [(entry, count) for entry, count in results if alert in entry.alerts]


def number_of(results: Results) -> int:
    """Add up results."""
    return sum([count for _, count in results])


def finding_of_codes(
    reading: Reading,
    alert: AlertName,
    group: AppChannel,
    affected: Results,
    total: int,
    *,
    causes: Results | None = None,
    period: str = "",
) -> Finding:
    """Make a finding about codes, with the action of the most frequent (possible) cause."""
    codes: dict[str, int] = {}
    for entry, count in affected:
        codes[_named(entry)] = codes.get(_named(entry), 0) + count
    most, _ = max(causes or affected, key=itemgetter(1))
    row = reading.view.classifier.row(most.meaning.series)
    return declared(
        alert,
        group.subject,
        describe(codes, total, "results") + period,
        row.action if row else None,
        channel=group.channel,
        app=group.app,
    )


def _named(entry: CountedSeries) -> str:
    code = entry.meaning.series.code
    return f"{code} {entry.meaning.name}" if entry.meaning.known else code
