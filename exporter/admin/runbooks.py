"""`GET /runbooks` and `GET /runbooks/<alert>`: the runbooks, with live values of their alerts."""

import asyncio
from collections.abc import Container, Iterator, Mapping
from operator import attrgetter

import msgspec
from aiohttp import web

from exporter.admin.findings.finding import Finding
from exporter.admin.findings.health import findings_of
from exporter.admin.findings.requests import refusal, watches_request
from exporter.admin.history import MINUTE, WINDOW
from exporter.admin.pace import Steps
from exporter.admin.reading import MAX_SELECTED, CountedSeries, Reading, Selection
from exporter.admin.rendering import Pages, relocated, root_of
from exporter.admin.runbook_texts import Runbook, filled_in, load_runbooks
from exporter.admin.status.codes import guidance, row_id
from exporter.admin.view import View
from exporter.classification.alerts import ACCEPTED, AlertName
from exporter.classification.classifier import Classifier
from exporter.errors import UNROUTED
from exporter.results import ClassifiedResult, Series

MAX_CODES = 20

MAX_NAME = 100
"""Maximum length of an unknown alert's name on the page."""


class WatchedCode(msgspec.Struct, frozen=True):
    """A code that an alert watches, with its results in the window."""

    channel: str
    code: str
    table: str
    """The channel of the table with the row; empty for an unknown code."""
    app: str
    """Empty for results without an app."""
    name: str
    severity: str
    results: int
    description: str
    action: str

    @property
    def series(self) -> Series:
        """The series of this code."""
        return Series(self.channel, self.code, self.table, self.app)


class WatchedReason(msgspec.Struct, frozen=True):
    """A reason that an alert watches, with its requests in the window."""

    gateway: str
    reason: str
    requests: int
    meaning: str


_NOT_JUDGED = (AlertName.EXPORTER_DOWN, AlertName.DELIVERY_RATIO_LOW)
"""Alerts without findings: an exporter that is down has none, and receipts come late."""


class Live(msgspec.Struct, frozen=True):
    """The live values of an alert, the most frequent first."""

    findings: list[Finding]
    codes: list[WatchedCode]
    """The first MAX_CODES."""
    more_codes: int
    reasons: list[WatchedReason]
    since: float | None
    """Unix time of the start, if less than WINDOW minutes ago."""
    is_judged: bool
    """Whether there are findings of this alert at all."""


def live_values(reading: Reading, alert: str, source: str = "") -> Live:
    """Collect the live values of an alert, for the selection and a gateway; by default for all."""
    findings = [
        finding
        for finding in findings_of(reading)
        if finding.alert
        and finding.alert.name == alert
        and reading.selection.shows(finding.channel, finding.app or None)
        and source in ("", finding.gateway or source)
    ]
    dead = {(finding.channel, finding.app or "") for finding in findings if finding.channel}
    codes = sorted(_codes(reading, alert, dead), key=attrgetter("results"), reverse=True)
    observed = reading.view.history.results.seconds
    return Live(
        findings,
        codes[:MAX_CODES],
        max(0, len(codes) - MAX_CODES),
        sorted(_reasons(reading, alert, source), key=attrgetter("requests"), reverse=True),
        reading.now - observed if observed < WINDOW * MINUTE else None,
        alert not in _NOT_JUDGED,
    )


def _codes(
    reading: Reading, alert: str, found: Container[tuple[str, str]]
) -> Iterator[WatchedCode]:
    """Yield the codes that an alert counts; `found` are the channels and apps of its findings."""
    classifier = reading.view.classifier
    counts: dict[tuple[ClassifiedResult, str], int] = {}
    for entry in reading.counted:
        # After a reload that added its row, a code has two series.
        if entry.window and _counts(classifier, alert, entry, found):
            key = entry.meaning, entry.series.app
            counts[key] = counts.get(key, 0) + entry.window
    for (meaning, app), count in counts.items():
        description, action = guidance(classifier, meaning)
        yield WatchedCode(
            channel=meaning.series.channel,
            code=meaning.series.code,
            table=meaning.series.table,
            app=app,
            name=meaning.name,
            severity=meaning.severity,
            results=count,
            description=description,
            action=action,
        )


def _counts(
    classifier: Classifier, alert: str, entry: CountedSeries, found: Container[tuple[str, str]]
) -> bool:
    """Whether an alert counts the results of a series."""
    if alert in (AlertName.NOTHING_ACCEPTED, AlertName.ALL_CODES_UNKNOWN):  # any code
        return (entry.series.channel, entry.series.app) in found
    if alert == AlertName.DELIVERY_RATIO_LOW:  # counts receipts of undelivered pushes
        return entry.meaning.category not in ACCEPTED and classifier.has_receipts(
            entry.series.channel
        )
    return alert in entry.alerts


def _reasons(reading: Reading, alert: str, source: str) -> Iterator[WatchedReason]:
    for (gateway, status), count in reading.requests.counts(WINDOW).items():
        reason = refusal(status)
        is_asked = gateway != UNROUTED and source in ("", gateway)
        if reason and is_asked and watches_request(alert, status):
            yield WatchedReason(gateway, status, count, reason.meaning)


class RunbookPages:
    """The pages of the runbooks."""

    def __init__(self, view: View, pages: Pages) -> None:
        self._view, self._pages = view, pages
        self._loading = asyncio.Lock()

    async def index(self, request: web.Request) -> web.Response:
        """Respond with the list of runbooks, with current findings."""
        return await self._index(request)

    async def page(self, request: web.Request) -> web.Response:
        """Respond with a runbook and live values of its alert; with 404 and the list if unknown."""
        alert = request.match_info["alert"].removesuffix(".md")  # the suffix of the files
        runbook = (await self._runbooks()).get(alert)
        if runbook is None:
            return await self._index(request, alert[:MAX_NAME])
        root = root_of(request)
        selection = Selection.of(request.query)
        source = request.query.get("source", "").strip()[:MAX_SELECTED]
        labels = selection._asdict() | {"source": source}

        def values() -> Steps[Mapping[str, object]]:
            reading = Reading(self._view, selection)
            yield
            return {
                "alert": alert,
                "summary": relocated(runbook.summary, root),
                "sections": filled_in(relocated(runbook.sections, root), labels),
                "live": live_values(reading, alert, source),
                "labels": {label: value for label, value in labels.items() if value},
                "now": reading.now,
                "window": WINDOW,
                "row_id": row_id,
            }

        key = alert, selection, source
        return await self._pages.respond(request, "runbook.html", values, key, cacheable=True)

    async def _runbooks(self) -> Mapping[str, Runbook]:
        """Return the runbooks; the first call parses them, in a thread."""
        async with self._loading:
            return await asyncio.to_thread(load_runbooks)

    async def _index(self, request: web.Request, missing: str = "") -> web.Response:
        runbooks = await self._runbooks()
        root = root_of(request)

        def values() -> Steps[Mapping[str, object]]:
            found: dict[str, list[Finding]] = {}
            reading = Reading(self._view)
            yield
            for finding in findings_of(reading):
                if finding.alert:
                    found.setdefault(finding.alert.name, []).append(finding)
            rows = [
                (alert, relocated(runbook.summary, root), found.get(alert, []))
                for alert, runbook in runbooks.items()
            ]
            return {"rows": rows, "missing": missing, "address": f"{root}runbooks/"}

        status = 404 if missing else 200
        return await self._pages.respond(
            request, "runbooks.html", values, missing, status=status, cacheable=not missing
        )
