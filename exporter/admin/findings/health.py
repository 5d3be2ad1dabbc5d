"""The overall state of an exporter, by its findings.

Unlike Prometheus' alerts, findings have no `for`, and no history before the exporter's start.
"""

from collections.abc import Iterator

from exporter.admin.findings.exporter import exporter_findings
from exporter.admin.findings.finding import Finding, Health, Level
from exporter.admin.findings.requests import first_day_findings, request_findings
from exporter.admin.findings.results import result_findings
from exporter.admin.history import MINUTE, WINDOW
from exporter.admin.reading import Reading

_LEVELS = list(Level)


def health_of(reading: Reading, findings: list[Finding] | None = None) -> Health:
    """Return the overall state, by the findings of the selection."""
    shown: list[Finding] = []
    hidden: list[Finding] = []
    for finding in findings_of(reading) if findings is None else findings:
        selected = reading.selection.shows(finding.channel, finding.app or None)
        (shown if selected else hidden).append(finding)
    observed = min(reading.view.history.results.seconds, WINDOW * MINUTE)
    state, headline = _state(reading, shown)
    return Health(
        state,
        headline,
        shown,
        elsewhere=next(iter(_urgent(hidden)), None),
        caveat=_caveat(observed) if state == "ok" and observed < WINDOW * MINUTE else None,
    )


def findings_of(reading: Reading) -> list[Finding]:
    """Return all findings, the most urgent first."""
    findings = sorted(_findings(reading), key=lambda finding: _LEVELS.index(finding.level))
    return reading.view.first_seen.note(findings, reading.now)


def _findings(reading: Reading) -> Iterator[Finding]:
    yield from exporter_findings(reading)
    is_first_day = reading.view.hub.ledger.loaded and not reading.all
    yield from first_day_findings(reading) if is_first_day else request_findings(reading)
    yield from result_findings(reading)


def _state(reading: Reading, findings: list[Finding]) -> tuple[str, str]:
    if urgent := _urgent(findings):
        level = urgent[0].level
        more = f", and {len(urgent) - 1} more" if len(urgent) > 1 else ""
        return level, f"{level.capitalize()}: {urgent[0].title}{more}"
    last = max((entry.last_at for entry in reading.counted), default=None)
    channel, app = reading.selection
    on = (f" on {channel}" if channel else "") + (f" for {app}" if app else "")
    if last is None:
        is_ready = reading.view.service.not_ready() is None
        return "quiet", f"Ready: no results yet{on}" if is_ready else "Not ready: not scraped yet"
    if not _heard(reading, last):
        return "quiet", f"Quiet: no result{on} in the last {WINDOW} minutes"
    return "ok", f"All is well{on}"


def _heard(reading: Reading, last: float) -> bool:
    """Whether the window has a result; shortly after a start, the ledger knows the last one."""
    if any(entry.window for entry in reading.counted):
        return True
    is_observed = reading.view.history.results.seconds >= WINDOW * MINUTE
    return not is_observed and last >= reading.now - WINDOW * MINUTE


def _urgent(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level is not Level.NOTE]


def _caveat(observed: float) -> str:
    """Describe the observed time, in whole minutes, since screen readers announce changes."""
    minutes = int(observed // MINUTE)
    return f"judging by only {minutes} minutes" if minutes > 1 else "judging by only one minute"
