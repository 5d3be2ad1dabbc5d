"""The status page and its JSON: what was counted, what fails, and how senders are served."""

import json
from pathlib import Path

from exporter.classification.drafts import draft_row
from tests.support.exporter import TOKEN, Exporter, MakeSettings, started
from tests.support.pages import get, status_json

ROW = """
name = "Flat"
description = "The battery of the pager is empty."
severity = "error"
category = "unreachable"
retry = "no"
action = "Change it."
"""


async def test_status_as_json_and_page(exporter: Exporter) -> None:
    """Both show what was counted, and the page escapes what came from outside."""
    batch = [
        {"channel": "vivo", "code": 10072, "count": 7},
        {"channel": "vivo", "code": "NEW", "message": "<script>alert(1)</script>"},
    ]
    await exporter.results(json.dumps(batch).encode())
    _, text = await get(exporter, "/api/v1/status")
    status = json.loads(text)
    assert status["ready"]
    [vivo] = [row for row in status["channels"] if row["channel"] == "vivo"]
    assert vivo["results"] == 8
    assert vivo["severities"]["warning"] == 7
    assert status["failing_codes"][0]["code"] == "10072"
    assert status["unknown_codes"][0]["message"] == "<script>alert(1)</script>"
    async with exporter.client.get(exporter.admin) as response:
        page = await response.text()
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "10072" in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


async def test_status_of_the_last_hour(make_settings: MakeSettings) -> None:
    """Old totals of the ledger are not results of the hour that a restart begins."""
    batch = [{"channel": "vivo", "code": 10072, "count": 7}, {"channel": "vivo", "code": "NEW"}]
    async with started(make_settings()) as exporter:
        await exporter.results(json.dumps(batch).encode())
        before = await status_json(exporter)
    async with started(make_settings()) as exporter:
        await exporter.results(b'{"channel": "vivo", "code": 2, "count": 3}')
        _, page = await get(exporter, "/")
        after = await status_json(exporter)
    [one], [two] = (
        [row for row in status["channels"] if row["channel"] == "vivo"]
        for status in (before, after)
    )
    assert (one["results"], one["last_hour"]["results"]) == (8, 8)
    assert one["last_hour"]["per_minute"] == [0] * 59 + [8]
    assert one["last_hour"]["failing_per_minute"] == [0] * 59 + [8]
    assert (two["results"], two["last_hour"]["results"]) == (11, 3)
    assert two["last_hour"]["failing_per_minute"] == [0] * 60
    assert [row["code"] for row in before["failing_codes_last_hour"]] == ["10072"]
    assert [row["results_last_hour"] for row in before["unknown_codes"]] == [1]
    assert after["failing_codes_last_hour"] == []
    assert [row["code"] for row in after["failing_codes"]] == ["10072"]
    assert 0 < after["hour_seconds"] < 60
    assert "of all time: none in the last hour" in page
    assert "not seen since the start" in page


async def test_status_says_who_and_how(exporter: Exporter) -> None:
    """Identity, the ports that were taken, settings, and what was refused, without a secret."""
    await exporter.post("/webhooks/results", b"{}", {"Authorization": "Bearer of another"})
    await exporter.results(b'[{"code": 2}, {"code": []}]')
    status = await status_json(exporter)
    assert exporter.ingest.endswith(f":{status['ports']['ingest']}")
    assert exporter.admin.endswith(f":{status['ports']['admin']}")
    assert status["settings"]["RESULTS_TOKEN_FILES"] == [
        str(path) for path in exporter.current.settings.results_token_files
    ]
    assert {(one["kind"], one["reason"], one["last_hour"]) for one in status["refused"]} == {
        ("request", "bad_signature", 1),
        ("item", "code_invalid", 1),
    }
    assert status["requests_last_hour"] == {"requests": 2, "refused": 1}
    _, page = await get(exporter, "/")
    assert str(exporter.current.settings.results_token_files[0]) in page
    assert TOKEN not in page


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
        assert ("None of 3 items so far has a code" in (await get(exporter, "/"))[1]) is bool(text)
        return str(text) if text else None

    assert await finding() is None
    await exporter.results(b'[{"status": 2}, {"code": []}, {"status": 3}]')
    assert "explain --gateway results" in (await finding() or "")
    await exporter.results(b'[{"code": 2}, {"code": []}]')
    assert await finding() is None


async def test_unknown_hints(make_settings: MakeSettings, tmp_path: Path) -> None:
    """A name that no table knows is shown with the lines that make it an alias, until they do."""
    table = tmp_path / "own.toml"
    table.write_text('channel = "vivo"\n')
    async with started(make_settings(code_table_files=[table])) as exporter:
        _, page = await get(exporter, "/")
        assert "Unknown channel names" not in page
        body = b'{"channel": "VIVOPUSH\\u202e<b>", "code": 10206}'
        await exporter.results(body)
        [hint] = (await status_json(exporter))["unknown_hints"]
        assert (hint["hint"], hint["code"]) == ("VIVOPUSH\u202e<b>", "10206")
        _, page = await get(exporter, "/")
        assert "<q><bdi>VIVOPUSH\u202e&lt;b&gt;</bdi></q>" in page
        table.write_text(hint["toml"].replace('"?"', '"vivo"'))
        await exporter.client.post(exporter.admin + "/-/reload")
        await exporter.results(body)
        assert (await status_json(exporter))["unknown_hints"] == []
        assert ("vivo", "10206") in {one[:2] for one in await exporter.counted()}


async def test_from_accepted_to_delivered(make_settings: MakeSettings, tmp_path: Path) -> None:
    """Receipts are held against what the channel that they are of accepted in the last hour."""
    table = tmp_path / "own.toml"
    row = ROW.replace('"error"', '"info"')
    rows = {
        "7": row.replace('"unreachable"', '"delivered"'),
        "8": row.replace('"unreachable"', '"opened"').replace("Flat", "Read"),
    }
    table.write_text(
        'channel = "pager-receipts"\nreceipts_of = "vivo"\n'
        + "".join(f"[codes.{code}]\n{text}" for code, text in rows.items())
    )
    async with started(make_settings(code_table_files=[table])) as exporter:
        await exporter.results(b'{"channel": "vivo", "code": 2, "count": 200}')
        assert "From accepted to delivered" not in (await get(exporter, "/"))[1]
        batch = [
            {"channel": "pager-receipts", "code": 7, "count": 150},
            {"channel": "pager-receipts", "code": 8, "count": 10},
        ]
        await exporter.results(json.dumps(batch).encode())
        status = await status_json(exporter)
        assert status["deliveries_last_hour"] == [
            {"channel": "vivo", "accepted": 200, "delivered": 150, "opened": 10}
        ]
        _, page = await get(exporter, "/")
        assert "150 (75%)" in page
        assert "10 (5%)" in page


async def test_a_code_that_got_a_row_is_listed_once(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Results from before a code had its row are added up; it is unknown again without the row."""
    table = tmp_path / "own.toml"
    table.write_text('channel = "vivo"\n')
    async with started(make_settings(code_table_files=[table])) as exporter:
        body = b'{"channel": "vivo", "code": 77}'
        await exporter.results(body)
        row = draft_row("vivo", "77", "full")
        for name, value in (("severity", "error"), ("category", "quota"), ("retry", "no")):
            row = row.replace(f'{name} = "?"', f'{name} = "{value}"')
        table.write_text('channel = "vivo"\n' + row)
        await exporter.client.post(exporter.admin + "/-/reload")
        await exporter.results(body)
        status = await status_json(exporter)
        table.write_text('channel = "vivo"\n')
        await exporter.client.post(exporter.admin + "/-/reload")
        later = await status_json(exporter)
    [one] = status["failing_codes_last_hour"]
    assert (one["code"], one["severity"], one["results"], one["results_last_hour"]) == (
        "77",
        "error",
        2,
        2,
    )
    assert status["unknown_codes"] == []
    assert [one["code"] for one in later["unknown_codes"]] == ["77"]


async def test_a_channel_whose_table_is_gone(make_settings: MakeSettings, tmp_path: Path) -> None:
    """What was counted on an operator's own channel is shown after its table was emptied."""
    table = tmp_path / "own.toml"
    table.write_text('channel = "pager"\ntitle = "Pagers"\n[codes.7]\n' + ROW)
    async with started(make_settings(code_table_files=[table])) as exporter:
        await exporter.results(b'{"channel": "pager", "code": 7}')
        assert "Pagers" in (await get(exporter, "/"))[1]
        table.write_text('channel = "vivo"\n')
        await exporter.client.post(exporter.admin + "/-/reload")
        status, page = await get(exporter, "/")
        assert status == 200
        assert 'id="channel-pager"' in page
        assert "Its table was removed" in page
        assert 'id="unknown-pager-7"' in page
