"""Findings that name codes: their figures, and the action of the most frequent one."""

from collections.abc import Sequence
from operator import itemgetter

from exporter.admin.findings.finding import Finding, declared, describe
from exporter.admin.reading import AppChannel, Counted, Reading
from exporter.classification.alerts import AlertName

Results = Sequence[tuple[Counted, int]]
"""Series with their results in a period."""


def recent(counted: list[Counted]) -> Results:
    """Return the results of the window."""
    return [(one, one.window) for one in counted if one.window]


def watched_by(alert: AlertName, results: Results) -> Results:
    """Select the results that an alert counts."""
    return [one for one in results if alert in one[0].alerts]


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
    period: str = "",
) -> Finding:
    """Make a finding about codes, with the action of the most frequent one."""
    codes: dict[str, int] = {}
    for one, count in affected:
        codes[_named(one)] = codes.get(_named(one), 0) + count
    most, _ = max(affected, key=itemgetter(1))
    row = reading.view.classifier.row(most.meaning.series)
    return declared(
        alert,
        group.subject,
        describe(codes, total, "results") + period,
        row.action if row else None,
        channel=group.channel,
        app=group.app,
    )


def _named(one: Counted) -> str:
    code = one.meaning.series.code
    return f"{code} {one.meaning.name}" if one.meaning.known else code
