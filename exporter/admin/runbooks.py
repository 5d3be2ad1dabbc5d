"""`GET /runbooks` and `GET /runbooks/<alert>`: what to do, beside what raises the alert now."""

from collections.abc import Container, Iterator
from operator import attrgetter

import msgspec
from aiohttp import web

from exporter.admin.findings.health import WINDOW, Finding, health_of, watches_requests
from exporter.admin.history import MINUTE
from exporter.admin.keys import PAGES, RUNBOOKS, VIEW
from exporter.admin.rendering import root_of
from exporter.admin.status.codes import guidance
from exporter.admin.view import View
from exporter.classification.alerts import ACCEPTED, AlertName, alerts_for
from exporter.classification.classifier import Classifier
from exporter.errors import Reason
from exporter.results import ClassifiedResult

MAX_CODES = 20

MAX_NAME = 100
"""Characters of an unknown alert's name that are shown."""


class WatchedCode(msgspec.Struct, frozen=True):
    """A code that raises an alert, and how many results of the window had it."""

    channel: str
    code: str
    table: str
    """The channel of the table that has the row; empty if none has."""
    name: str
    severity: str
    results: int
    description: str
    action: str


class WatchedReason(msgspec.Struct, frozen=True):
    """A reason of refused requests that raises an alert, and how many there were."""

    gateway: str
    reason: str
    requests: int
    meaning: str


class Live(msgspec.Struct, frozen=True):
    """What of the last minutes belongs to an alert; the most frequent first."""

    findings: list[Finding]
    codes: list[WatchedCode]
    """The first MAX_CODES."""
    more_codes: int
    reasons: list[WatchedReason]
    seconds: float
    """How far back it goes: WINDOW minutes, less after a restart."""


def live_values(view: View, alert: str) -> Live:
    """Collect what raises an alert now."""
    findings = _findings(view, alert)
    dead = {one.channel for one in findings if one.channel}
    codes = sorted(_codes(view, alert, dead), key=attrgetter("results"), reverse=True)
    return Live(
        findings,
        codes[:MAX_CODES],
        max(0, len(codes) - MAX_CODES),
        sorted(_reasons(view, alert), key=attrgetter("requests"), reverse=True),
        min(view.history.results.seconds, WINDOW * MINUTE),
    )


def _findings(view: View, alert: str) -> list[Finding]:
    findings = health_of(view).findings
    return [one for one in findings if one.alert and one.alert.name == alert]


def _codes(view: View, alert: str, found: Container[str]) -> Iterator[WatchedCode]:
    """List what the alert counts; `found` are the channels of its findings."""
    classifier = view.classifier
    counts: dict[ClassifiedResult, int] = {}
    for series, count in view.history.results.counts(WINDOW).items():
        # A code that a reload gave a row was counted under two series.
        meaning = classifier.current(series)
        counts[meaning] = counts.get(meaning, 0) + count
    for meaning, count in counts.items():
        if _counts(classifier, alert, meaning, found):
            description, action = guidance(classifier, meaning)
            yield WatchedCode(
                *meaning.series, meaning.name, meaning.severity, count, description, action
            )


def _counts(
    classifier: Classifier, alert: str, meaning: ClassifiedResult, found: Container[str]
) -> bool:
    """Whether results of a meaning are what an alert is about."""
    if alert == AlertName.NOTHING_ACCEPTED:  # whatever a dead channel says
        return meaning.series.channel in found
    if alert == AlertName.DELIVERY_RATIO_LOW:  # receipts of what has not arrived
        return meaning.category not in ACCEPTED and classifier.has_receipts(meaning.series.channel)
    return alert in {one.name for one in alerts_for(meaning)}


def _reasons(view: View, alert: str) -> Iterator[WatchedReason]:
    for (gateway, status), count in view.history.requests.counts(WINDOW).items():
        if watches_requests(alert, status):
            yield WatchedReason(gateway, status, count, Reason(status).meaning)


async def runbooks_page(request: web.Request) -> web.Response:
    """List the runbooks, those of alerts with findings marked."""
    return _index(request)


async def runbook_page(request: web.Request) -> web.Response:
    """Show a runbook and what raises its alert now; 404 and the list if there is none."""
    alert = request.match_info["alert"].removesuffix(".md")  # as the files are called
    runbook = request.app[RUNBOOKS].get(alert)
    if runbook is None:
        return _index(request, missing=alert)
    address = f"{root_of(request)}runbooks/"
    return request.app[PAGES].html(
        request,
        "runbook.html",
        alert=alert,
        summary=runbook.html(runbook.summary, address),
        sections=runbook.html(runbook.sections, address),
        live=live_values(request.app[VIEW], alert),
        window=WINDOW * MINUTE,
    )


def _index(request: web.Request, missing: str = "") -> web.Response:
    app, address = request.app, f"{root_of(request)}runbooks/"
    rows = [
        (alert, runbook.html(runbook.summary, address), findings)
        for alert, runbook in app[RUNBOOKS].items()
        for findings in [_findings(app[VIEW], alert)]
    ]
    return app[PAGES].html(
        request,
        "runbooks.html",
        code=404 if missing else 200,
        missing=missing[:MAX_NAME],
        address=address,
        rows=rows,
    )
