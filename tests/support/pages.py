"""The admin listener over HTTP."""

import json
from typing import Any

from aiohttp import ClientResponse
from yarl import URL

from tests.support.exporter import Exporter


async def get(exporter: Exporter, path: str) -> tuple[int, str]:
    """Get a page as text."""
    response, body = await respond(exporter, "GET", path)
    return response.status, body.decode()


async def status_json(exporter: Exporter, query: str = "") -> dict[str, Any]:
    """Get the status as JSON."""
    status, text = await get(exporter, f"/api/v1/status{query}")
    assert status == 200
    parsed: dict[str, Any] = json.loads(text)
    return parsed


async def respond(
    exporter: Exporter, method: str, path: str, **headers: str
) -> tuple[ClientResponse, bytes]:
    """Send a request to a path as it is written; return the response and its body."""
    url = URL(exporter.admin + path, encoded=True)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with exporter.client.request(method, url, headers=given) as response:
        return response, await response.read()


async def count(exporter: Exporter, *results: dict[str, Any]) -> None:
    """Post results to the generic webhook; all of them have to be accepted."""
    status, body = await exporter.results(json.dumps(results).encode())
    assert (status, body.get("rejected", [])) == (200, []), body
