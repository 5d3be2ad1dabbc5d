"""Findings about the exporter itself: its ledger, its configuration, its shutdown."""

from collections.abc import Iterator, Mapping
from itertools import islice

from exporter.admin.findings.finding import Finding, Level, declared
from exporter.admin.formats import age, clock
from exporter.admin.reading import Reading
from exporter.admin.view import View
from exporter.classification.alerts import DECLARATIONS, AlertName
from exporter.classification.thresholds import THRESHOLDS
from exporter.errors import Reason
from exporter.runtime.code_matches import FIRST_ITEMS

_LOCKED = (
    "Another process holds the ledger's lock: a second exporter on the same file, a backup or an "
    "open sqlite3 shell. Stop it."
)
_LEDGER_HINTS = {
    "database is locked": _LOCKED,
    "another process holds": _LOCKED,
    "database or disk is full": "The disk is full: free some space, or enlarge the volume.",
    "attempt to write a readonly database": "The file or its file system is read-only: mount it "
    "for writing, and make the exporter's user its owner.",
    "unable to open database file": "The file or its folder is missing or inaccessible: "
    "restore it, and make the exporter's user its owner.",
    "disk I/O error": "The disk is failing: check the kernel's log, and move the ledger to "
    "another disk.",
    "no such table": "The file was replaced while the exporter ran: restore it from the backup.",
}
"""Actions by a substring of SQLite's message."""

_NO_RESTART = "The exporter recovers by itself; until then it responds to every request with 503."


_FAILING_MINUTES = 5
"""Minutes in which the ledger fails repeatedly, as of the alert."""


def exporter_findings(reading: Reading) -> Iterator[Finding]:
    """Yield the findings about the exporter."""
    view = reading.view
    yield from _ledger(reading)
    yield from _shutdown(view)
    yield from _reload(view)
    yield from _dedupe_reach(view)
    yield from _certificates(view, reading.now)
    yield from _descriptions(view)


def _ledger(reading: Reading) -> Iterator[Finding]:
    """Yield a finding if the ledger fails now, or has failed in several of the last minutes."""
    ledger = reading.view.hub.ledger
    alert = declared(AlertName.LEDGER_FAILING, "", "").alert
    refused = [
        number
        for minute in islice(reading.requests.steps(), _FAILING_MINUTES)
        if (number := _refused_by_ledger(minute))
    ]
    if problem := ledger.problem:
        yield Finding(
            Level.TROUBLE,
            "not accepting results, the ledger cannot be used",
            f"{ledger.name}: {problem}.",
            f"{ledger_hint(problem)} {_NO_RESTART}",
            alert,
        )
    elif len(refused) > 1:
        yield Finding(
            Level.TROUBLE,
            "the ledger fails repeatedly",
            f"{ledger.name}: commits succeed now, but in the last {_FAILING_MINUTES} minutes "
            f"{sum(refused):,} requests were refused.",
            DECLARATIONS[AlertName.LEDGER_FAILING].advice,
            alert,
        )


def _refused_by_ledger(requests: Mapping[tuple[str, ...], int]) -> int:
    """Return how many requests the ledger has refused, of those by source and status."""
    return sum(
        count for (_, status), count in requests.items() if status == Reason.LEDGER_UNAVAILABLE
    )


def ledger_hint(problem: str) -> str:
    """Return the action for a problem of the ledger."""
    hints = (hint for part, hint in _LEDGER_HINTS.items() if part in problem)
    return next(hints, "Fix the cause; no restart is needed.")


def _shutdown(view: View) -> Iterator[Finding]:
    if view.service.draining:
        yield Finding(
            Level.TROUBLE,
            "not accepting results, the exporter is stopping",
            "It finishes the requests in flight.",
            "Start it again unless it was stopped on purpose.",
        )


def _reload(view: View) -> Iterator[Finding]:
    if problem := view.current.problem:
        yield declared(
            AlertName.RELOAD_FAILED,
            "",
            f"{problem}. The previous configuration remains in effect.",
            "Fix the file and reload; a restart reads the same file and would fail.",
        )


def _dedupe_reach(view: View) -> Iterator[Finding]:
    """Yield a finding if keys are evicted before the end of the deduplication window."""
    window = view.current.settings.dedupe_window_seconds
    reach = view.hub.ledger.dedupe_reach_seconds
    if 0 < reach < window:
        yield declared(
            AlertName.DEDUPE_REACH_LOW,
            "",
            f"A request that is repeated after {age(reach)} is counted again; "
            f"DEDUPE_WINDOW_SECONDS is {window:,.0f} ({age(window)}).",
        )


def _certificates(view: View, now: float) -> Iterator[Finding]:
    """Yield a finding for each certificate that expires soon or has expired."""
    for listener, expiry in view.current.snapshot.certificates.items():
        left = expiry - now
        if left < THRESHOLDS["certificate_seconds"]:
            when = f"It expires in {age(left)}" if left > 0 else "It has expired"
            yield declared(AlertName.CERTIFICATE_EXPIRING, listener, f"{when}: {clock(expiry)}.")


def _descriptions(view: View) -> Iterator[Finding]:
    """Yield a finding for each description whose path of the code matches nothing."""
    for name in view.current.snapshot.gateways:
        if view.hub.code_matches.is_silent(name):
            yield Finding(
                Level.ATTENTION,
                f"/webhooks/{name}: fields.code matches nothing",
                f"Neither the first {FIRST_ITEMS} items nor any later item has a value there.",
                f"Run `push-result-exporter explain --payload FILE --gateway {name}` on a record "
                "(setting RECORD): it shows the value at each path.",
                gateway=name,
            )
