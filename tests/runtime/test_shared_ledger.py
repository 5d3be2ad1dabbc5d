"""A replica over PostgreSQL in one process with the test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.metrics.metrics import EXPIRY_SECONDS
from tests.support.exporter import Exporter, MakeSettings, started
from tests.support.postgres import PASSWORD, Server, running_server
from tests.support.watched import Watched, accepted


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server."""
    with running_server() as server:
        yield server


@pytest.fixture
def over(server: Server, tmp_path: Path) -> dict[str, Any]:
    """Give the settings of a ledger in the server."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    return {"ledger_url": server.url(), "ledger_password_file": password}


async def ready(exporter: Exporter) -> tuple[int, str]:
    """Ask whether a replica is ready."""
    async with exporter.client.get(f"{exporter.admin}/-/ready") as response:
        return response.status, await response.text()


async def test_replica_is_ready_after_its_first_scrape(
    make_settings: MakeSettings, over: dict[str, Any]
) -> None:
    """A replica becomes ready with its first scrape, which has the metrics of the database."""
    async with started(make_settings(**over)) as exporter:
        async with exporter.client.head(f"{exporter.admin}/metrics") as response:
            assert response.status == 200
        status, text = await ready(exporter)
        assert (status, "scrape" in text) == (503, True)
        assert Watched(exporter).health().headline == "Not ready: not scraped yet"
        assert EXPIRY_SECONDS in await exporter.samples()
        assert await ready(exporter) == (200, "ready\n")
        assert Watched(exporter).health().headline == "Ready: no results yet"


async def test_replica_without_results(make_settings: MakeSettings, over: dict[str, Any]) -> None:
    """Results that stop on one of several replicas may have moved to another."""
    async with started(make_settings(**over)) as exporter:
        watched = Watched(exporter)
        for _ in range(2):
            await watched.count(accepted("apns", 20), accepted("vivo", 30))
            watched.pass_minutes(15)
        health = watched.health()
        assert health.headline == "Quiet: no result in the last 15 minutes"
        [finding] = health.findings
        assert (finding.level, finding.title) == (
            "note",
            "all results have stopped on this replica",
        )


async def test_refused_requests_to_a_new_replica(
    make_settings: MakeSettings, over: dict[str, Any]
) -> None:
    """A refused request is a finding until the first result, or for the window of a replica."""
    async with started(make_settings(**over)) as exporter:
        watched = Watched(exporter)
        await watched.refuse(1)
        assert watched.titles() == ["requests to /webhooks/results are refused"]
        watched.pass_minutes(16)
        assert watched.titles() == []
