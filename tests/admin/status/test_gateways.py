"""Gateways on the status page: requests, refused ones with their runbooks, missing codes."""

from tests.support.exporter import Exporter
from tests.support.pages import get, status_json


async def test_status_of_the_gateways(exporter: Exporter) -> None:
    """Each gateway has its requests, refusals, rejected items and duplicates, used or not."""
    batch = b'[{"channel": "vivo", "code": 2, "id": 1}, {"code": []}]'
    for body in (batch, batch, b"[]x"):
        await exporter.results(body)
    await exporter.post("/nowhere", b"{}")
    gateways = {row.pop("gateway"): row for row in (await status_json(exporter))["gateways"]}
    received = {"requests": 3, "refused": 1, "rejected_items": 2}
    assert gateways["results"] == {
        "title": exporter.current.snapshot.gateways["results"].title,
        "since_start": received,
        "last_hour": received,
        "skipped_items": 0,
        "duplicates": 1,
        "finding": None,
    }
    assert gateways["mps"]["since_start"] == dict.fromkeys(received, 0)
    assert gateways.keys() == exporter.current.snapshot.gateways.keys()
    _, page = await get(exporter, "/")
    assert 'id="gateway-results"' in page


async def test_a_gateway_without_codes(exporter: Exporter) -> None:
    """A gateway none of whose items had a code is a finding, until one has."""

    async def finding() -> str | None:
        rows = (await status_json(exporter))["gateways"]
        [text] = [row["finding"] for row in rows if row["gateway"] == "results"]
        assert (
            "No item so far has a valid code (3 rejected)" in (await get(exporter, "/"))[1]
        ) is bool(text)
        return str(text) if text else None

    assert await finding() is None
    await exporter.results(b'[{"status": 2}, {"code": []}, {"status": 3}]')
    assert "explain --gateway results" in (await finding() or "")
    await exporter.results(b'[{"code": 2}, {"code": []}]')
    assert await finding() is None


async def test_reasons_have_their_runbooks(exporter: Exporter) -> None:
    """A refused request leads to the runbook of the alert that watches its reason."""
    await exporter.post("/webhooks/mps?sign=x", b"{}")
    path = exporter.current.settings.ledger_path
    path.rename(path.with_suffix(".gone"))
    await exporter.results(b'{"code": 2}')
    await exporter.post("/nowhere", b"{}")
    alerts = {
        row["reason"]: row["alert"] and row["alert"]["name"]
        for row in (await status_json(exporter))["refused"]
    }
    assert alerts == {
        "bad_signature": "PushWebhookRejecting",
        "ledger_unavailable": "PushLedgerFailing",
        "not_found": None,
    }
