"""`GET /` and `GET /api/v1/status`: the state of the exporter, without secrets."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from exporter.admin.findings.finding import Health
from exporter.admin.findings.health import findings_of, health_of
from exporter.admin.history import MINUTE, MINUTES
from exporter.admin.pace import Steps
from exporter.admin.reading import Reading, Selection
from exporter.admin.rendering import Pages
from exporter.admin.responses import Content, json_content
from exporter.admin.status.apps import AppStatus, UndeclaredApp, apps_of, undeclared_apps
from exporter.admin.status.channels import ChannelStatus, channels_of, channels_with_results
from exporter.admin.status.codes import CodeStatus, failing_codes, row_id
from exporter.admin.status.delivery import DeliveryStatus, deliveries_of
from exporter.admin.status.gateways import (
    GatewayStatus,
    Refused,
    RequestsHour,
    gateways_of,
    refused_of,
    requests_of,
)
from exporter.admin.status.setup import Setup, setup_of
from exporter.admin.status.unknown import (
    OtherCodeStatus,
    OtherResults,
    UnknownCodeStatus,
    UnknownHintStatus,
    number_of_other,
    other_codes,
    other_results,
    unknown_by_channel,
    unknown_codes,
    unknown_hints,
)
from exporter.admin.view import View
from exporter.configuration.version import VERSION
from exporter.metrics.results import UNKNOWN_CODE_SECONDS
from exporter.runtime.unknown_codes import MAX_PER_CHANNEL

MAX_UNKNOWN_CODES = 10
"""Maximum number on the page, unless a channel is selected; the JSON has all."""


class LedgerStatus(msgspec.Struct, frozen=True):
    """Whether results can be stored."""

    store: str
    """The path of a file, or the address of a database."""
    problem: str | None
    """The cause if results cannot be stored."""
    pending_results: int
    """Results waiting to be committed."""


class Status(msgspec.Struct, frozen=True):
    """The state of the exporter, with the results of the selection."""

    health: Health
    ready: bool
    """Whether `/-/ready` responds with 200."""
    problem: str | None
    """The cause if not: `ledger_unavailable`, `draining` or `not_scraped`; with the last, results
    are accepted."""
    now: float
    """Unix time of this status."""
    version: str
    name: str
    """The name of this exporter."""
    host: str
    """The host name."""
    process: int
    """The process id."""
    ports: dict[str, int]
    """Of the listeners: `ingest` and `admin`."""
    started_at: float
    """Unix time."""
    uptime_seconds: float
    ledger: LedgerStatus
    hour_seconds: float
    """Seconds of the last hour since the start."""
    setup: Setup | None
    """Help until the first result; then null."""
    requests_last_hour: RequestsHour
    gateways: list[GatewayStatus]
    channels: list[ChannelStatus]
    deliveries_last_hour: list[DeliveryStatus]
    failing_codes: list[CodeStatus]
    """The most frequent of all time."""
    failing_codes_last_hour: list[CodeStatus]
    """The failing codes of the last hour, the worst severity first."""
    unknown_codes: list[UnknownCodeStatus]
    """Most recently seen first."""
    other_results: list[OtherResults]
    """The channels with results under the code `other`, the most of the last hour first."""
    other_codes: list[OtherCodeStatus]
    """The latest codes of each channel counted as `other`, most recently seen first."""
    unknown_hints: list[UnknownHintStatus]
    """Unknown channel names, most recently seen first."""
    refused: list[Refused]
    settings: dict[str, Any]
    """The effective settings by name; secrets are file paths."""
    apps: list[AppStatus] | UnsetType = UNSET
    """Each app, the most urgent first; absent without apps."""
    undeclared_apps: list[UndeclaredApp] | UnsetType = UNSET
    """App names that APPS does not declare, the most frequent first; absent without APPS."""


def status_of(reading: Reading, newest: int | None = None) -> Steps[Status]:
    """Summarize the state, with the newest (or all) unknown codes."""
    view = reading.view
    problem = view.service.not_ready()
    yield
    findings = findings_of(reading)
    yield
    of_all_time, of_last_hour = failing_codes(reading)
    yield
    channels = channels_of(reading)
    yield
    apps = apps_of(reading, findings)
    gateways = gateways_of(reading)
    return Status(
        health=health_of(reading, findings),
        ready=problem is None,
        problem=problem,
        now=reading.now,
        version=VERSION,
        name=view.name,
        host=view.service.host,
        process=view.service.process_id,
        ports={"ingest": view.service.ingest_port, "admin": view.service.admin_port},
        started_at=view.service.started_at,
        uptime_seconds=view.service.uptime_seconds,
        ledger=LedgerStatus(view.hub.ledger.name, view.hub.ledger.problem, view.hub.ledger.pending),
        hour_seconds=view.history.results.seconds,
        setup=setup_of(reading),
        requests_last_hour=requests_of(gateways),
        gateways=gateways,
        channels=channels,
        deliveries_last_hour=deliveries_of(reading),
        failing_codes=of_all_time,
        failing_codes_last_hour=of_last_hour,
        unknown_codes=unknown_codes(reading, newest),
        other_results=other_results(reading),
        other_codes=other_codes(reading, newest),
        unknown_hints=unknown_hints(reading),
        refused=refused_of(reading),
        settings=view.settings,
        apps=apps or UNSET,
        undeclared_apps=undeclared_apps(reading) if view.current.settings.apps else UNSET,
    )


def _page_values(reading: Reading) -> Steps[Mapping[str, object]]:
    selection = reading.selection
    status = yield from status_of(reading, None if selection.channel else MAX_UNKNOWN_CODES)
    yield
    return {
        "status": status,
        "selection": selection,
        "selectable": channels_with_results(reading),
        "selectable_apps": reading.apps,
        "unknown_by_channel": unknown_by_channel(reading),
        "number_other": number_of_other(reading),
        "max_labels": MAX_PER_CHANNEL,
        "unused_days": UNKNOWN_CODE_SECONDS // 86400,
        "hour": MINUTES * MINUTE,
        "row_id": row_id,
    }


class StatusPages:
    """The status page and its JSON."""

    def __init__(self, view: View, pages: Pages) -> None:
        self._view, self._pages = view, pages

    async def page(self, request: web.Request) -> web.Response:
        """Respond with the page."""
        selection = Selection.of(request.query)

        def values() -> Steps[Mapping[str, object]]:
            reading = Reading(self._view, selection)
            return (yield from _page_values(reading))

        return await self._pages.respond(request, "status.html", values, selection)

    async def json(self, request: web.Request) -> web.Response:
        """Respond with the JSON."""
        selection = Selection.of(request.query)

        def steps() -> Steps[Content]:
            status = yield from status_of(Reading(self._view, selection))
            yield
            return json_content(status)

        async def make() -> Content:
            return await self._pages.pace.finish(steps())

        content = await self._pages.pace.share(("status.json", selection), make)
        return content.response(request)
