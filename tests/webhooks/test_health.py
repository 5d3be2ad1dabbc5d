"""Health answers on the public port, as load balancers ask for them."""

import pytest

from tests.support.exporter import Exporter

READY = ["/", "/-/ready", "/-/ready/", "//-//ready"]
HEALTHY = ["/-/healthy", "/-/healthy/"]


async def statuses(exporter: Exporter, method: str, paths: list[str]) -> set[tuple[int, bytes]]:
    """Ask each path on the public port; return statuses and bodies."""
    found = set()
    for path in paths:
        async with exporter.client.request(method, exporter.ingest + path) as response:
            found.add((response.status, await response.read()))
    return found


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_health_of_a_running_exporter(exporter: Exporter, method: str) -> None:
    """Ready and healthy are 200 without a body, and counted nowhere."""
    before = await exporter.series("push_webhook_requests_total")
    assert await statuses(exporter, method, READY + HEALTHY) == {(200, b"")}
    assert await exporter.series("push_webhook_requests_total") == before


async def test_health_of_an_exporter_that_refuses_results(exporter: Exporter) -> None:
    """While results are refused, ready is 503 and healthy 200."""
    exporter.service.draining = True
    assert await statuses(exporter, "GET", READY) == {(503, b"")}
    assert await statuses(exporter, "GET", HEALTHY) == {(200, b"")}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/"), ("POST", "/-/ready"), ("GET", "/?echostr=x"), ("GET", "/ready"), ("PUT", "/")],
)
async def test_other_requests_are_not_found(exporter: Exporter, method: str, path: str) -> None:
    """Requests other than health checks get the response of an unknown path."""
    async with exporter.client.request(method, exporter.ingest + path) as response:
        assert response.status == 404
        assert (await response.json())["error"] == "not_found"
    requests = await exporter.series("push_webhook_requests_total")
    assert requests["unknown", "not_found"] == 1
