"""`GET /` and `GET /api/v1/status`: the state of the exporter; times in Unix seconds, no secret."""

import time
from typing import Any

import msgspec
from aiohttp import web

from exporter import VERSION
from exporter.admin.findings import Health, health_of
from exporter.admin.history import MINUTE, MINUTES, History
from exporter.admin.keys import HISTORY, PAGES, RUNTIME
from exporter.admin.rendering import json_response
from exporter.admin.status_channels import ChannelStatus, channels_of
from exporter.admin.status_codes import (
    CodeStatus,
    UnknownCodeStatus,
    UnknownHintStatus,
    counted_codes,
    most_frequent,
    unknown_codes,
    unknown_hints,
    worst_of_hour,
)
from exporter.admin.status_delivery import DeliveryStatus, deliveries_of
from exporter.admin.status_gateways import (
    GatewayStatus,
    Refused,
    RequestsHour,
    gateways_of,
    refused_of,
    requests_of,
)
from exporter.runtime.runtime import Runtime

MAX_UNKNOWN_CODES = 20
"""On the page; the JSON has all of them."""


class LedgerStatus(msgspec.Struct, frozen=True):
    """Whether results can be stored."""

    store: str
    """The path of a file, or the address of a database."""
    problem: str | None
    """Why results cannot be stored now."""
    pending_results: int
    """Items that wait for their commit."""


class Status(msgspec.Struct, frozen=True):
    """Everything."""

    health: Health
    ready: bool
    """Whether results are accepted."""
    problem: str | None
    """`ledger_unavailable` or `draining`, where they are not."""
    now: float
    """Unix time of this status."""
    version: str
    host: str
    """The name of the machine."""
    process: int
    """The process id."""
    ports: dict[str, int]
    """Of the listeners: `ingest` and `admin`."""
    started_at: float
    """Unix time."""
    uptime_seconds: float
    ledger: LedgerStatus
    hour_seconds: float
    """How far back the last hour goes: a restart begins a new one."""
    requests_last_hour: RequestsHour
    gateways: list[GatewayStatus]
    channels: list[ChannelStatus]
    deliveries_last_hour: list[DeliveryStatus]
    failing_codes: list[CodeStatus]
    """The most frequent of all time."""
    failing_codes_last_hour: list[CodeStatus]
    """Those of the last hour, the worst severity first."""
    unknown_codes: list[UnknownCodeStatus]
    """The last seen first."""
    unknown_hints: list[UnknownHintStatus]
    """Words for a channel that no table knows, the last seen first."""
    refused: list[Refused]
    settings: dict[str, Any]
    """The effective ones by name; secrets are paths of files."""


def status_of(runtime: Runtime, history: History) -> Status:
    """Sum up the exporter's state."""
    now = time.time()
    problem = runtime.not_ready()
    hour = history.results.counts()
    codes = list(counted_codes(runtime, hour))
    gateways = gateways_of(runtime, history)
    return Status(
        health=health_of(runtime, history),
        ready=problem is None,
        problem=problem,
        now=now,
        version=VERSION,
        host=runtime.host,
        process=runtime.process,
        ports={"ingest": runtime.ingest_port, "admin": runtime.admin_port},
        started_at=runtime.started_at,
        uptime_seconds=now - runtime.started_at,
        ledger=LedgerStatus(runtime.ledger.name, runtime.ledger.problem, runtime.ledger.pending),
        hour_seconds=history.results.seconds,
        requests_last_hour=requests_of(gateways),
        gateways=gateways,
        channels=channels_of(runtime, history),
        deliveries_last_hour=deliveries_of(runtime, history),
        failing_codes=most_frequent(codes),
        failing_codes_last_hour=worst_of_hour(codes),
        unknown_codes=unknown_codes(runtime, hour),
        unknown_hints=unknown_hints(runtime),
        refused=refused_of(runtime, history),
        settings={
            name.upper(): value for name, value in runtime.settings.model_dump(mode="json").items()
        },
    )


async def status_page(request: web.Request) -> web.Response:
    """Show the state of the exporter to a person."""
    status = status_of(request.app[RUNTIME], request.app[HISTORY])
    return request.app[PAGES].html(
        request,
        "status.html",
        status=status,
        max_unknown=MAX_UNKNOWN_CODES,
        hour=MINUTES * MINUTE,
    )


async def status_json(request: web.Request) -> web.Response:
    """Give the state of the exporter to a program."""
    return json_response(status_of(request.app[RUNTIME], request.app[HISTORY]))
