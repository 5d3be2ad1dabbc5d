"""The private edge: metrics, health, reload, pages."""

import json
import logging
from pathlib import Path

import pytest

from exporter.classification.drafts import draft_row
from exporter.classification.tables import load_tables
from tests.support.exporter import TOKEN, Exporter, MakeSettings, started
from tests.webhooks.test_handler import RESULTS

ROW = """
name = "Flat"
description = "The battery of the pager is empty."
severity = "error"
category = "unreachable"
retry = "no"
action = "Change it."
"""


async def get(exporter: Exporter, path: str) -> tuple[int, str]:
    """Get a page as text."""
    async with exporter.client.get(exporter.admin + path) as response:
        return response.status, await response.text()


async def test_health_of_a_running_exporter(exporter: Exporter) -> None:
    """A running exporter is healthy and ready."""
    assert await get(exporter, "/-/healthy") == (200, "healthy\n")
    assert await get(exporter, "/-/ready") == (200, "ready\n")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Basic c2VjcmV0\x01\r\n\r\n",
        b"GET /codes?q=c2VjcmV0\xff HTTP/1.1\r\n\r\n",
        b"GET /c2VjcmV0 HTTP/9.9\r\n\r\n",
        b"GET /%s HTTP/1.1\r\n\r\n" % (b"c2VjcmV0" * 2000),
    ],
    ids=["header", "query", "version", "long"],
)
async def test_malformed_request_is_refused_discreetly(
    exporter: Exporter, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it gets into the response or the log: it may hold a password."""
    caplog.set_level(logging.DEBUG)
    response = await exporter.exchange(sent, exporter.admin)
    assert b" 400 " in response.splitlines()[0]
    assert b"c2VjcmV0" not in response
    assert "c2VjcmV0" not in caplog.text
    assert (await get(exporter, "/-/healthy"))[0] == 200


async def test_listeners_are_apart(exporter: Exporter) -> None:
    """The webhooks are not on the private listener."""
    async with exporter.client.post(exporter.admin + RESULTS, data=b'{"code": 2}') as response:
        assert response.status == 404


async def test_codes_as_json(exporter: Exporter) -> None:
    """All rows of all tables are listed with their fields."""
    status, text = await get(exporter, "/api/v1/codes")
    rows = json.loads(text)
    assert status == 200
    assert len(rows) == sum(len(table.codes) for table in load_tables().values())
    fields = (
        "channel code name description severity category retry action source origin aliases alerts"
    )
    assert {" ".join(row) for row in rows} == {fields}


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
        before = json.loads((await get(exporter, "/api/v1/status"))[1])
    async with started(make_settings()) as exporter:
        await exporter.results(b'{"channel": "vivo", "code": 2, "count": 3}')
        _, page = await get(exporter, "/")
        after = json.loads((await get(exporter, "/api/v1/status"))[1])
    [one], [two] = (
        [row for row in status["channels"] if row["channel"] == "vivo"]
        for status in (before, after)
    )
    assert (one["results"], one["last_hour"]["results"]) == (8, 8)
    assert one["last_hour"]["per_minute"] == [0] * 59 + [8]
    assert one["last_hour"]["failing_per_minute"] == [0] * 59 + [8]
    assert (two["results"], two["last_hour"]["results"]) == (11, 3)
    assert two["last_hour"]["failing_per_minute"] == [0] * 60
    assert [row["code"] for row in before["failing_codes_last_hour"]] == ["10072", "NEW"]
    assert after["failing_codes_last_hour"] == []
    assert [row["code"] for row in after["failing_codes"]] == ["10072", "NEW"]
    assert 0 < after["hour_seconds"] < 60
    assert "of all time: none in the last hour" in page
    assert "not seen since the start" in page


async def test_status_says_who_and_how(exporter: Exporter) -> None:
    """Identity, the ports that were taken, settings, and what was refused, without a secret."""
    await exporter.post(RESULTS, b"{}", {"Authorization": "Bearer of another"})
    await exporter.results(b'[{"code": 2}, {"code": []}]')
    status = json.loads((await get(exporter, "/api/v1/status"))[1])
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
    gateways = {
        row.pop("gateway"): row
        for row in json.loads((await get(exporter, "/api/v1/status"))[1])["gateways"]
    }
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
        rows = json.loads((await get(exporter, "/api/v1/status"))[1])["gateways"]
        [text] = [row["finding"] for row in rows if row["gateway"] == "results"]
        assert ("No item has had a code" in (await get(exporter, "/"))[1]) is bool(text)
        return str(text) if text else None

    assert await finding() is None
    await exporter.results(b'[{"status": 2}, {"code": []}, {"status": 3}]')
    assert "of 3." in (await finding() or "")
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
        [hint] = json.loads((await get(exporter, "/api/v1/status"))[1])["unknown_hints"]
        assert (hint["hint"], hint["code"]) == ("VIVOPUSH\u202e<b>", "10206")
        _, page = await get(exporter, "/")
        assert "<q><bdi>VIVOPUSH\u202e&lt;b&gt;</bdi></q>" in page
        table.write_text(hint["toml"].replace('"?"', '"vivo"'))
        await exporter.client.post(exporter.admin + "/-/reload")
        await exporter.results(body)
        assert json.loads((await get(exporter, "/api/v1/status"))[1])["unknown_hints"] == []
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
        status = json.loads((await get(exporter, "/api/v1/status"))[1])
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
        status = json.loads((await get(exporter, "/api/v1/status"))[1])
        table.write_text('channel = "vivo"\n')
        await exporter.client.post(exporter.admin + "/-/reload")
        later = json.loads((await get(exporter, "/api/v1/status"))[1])
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
        assert 'id="failing-pager-7-"' in page


async def test_files_of_the_pages(exporter: Exporter) -> None:
    """What the pages need is served with its type, and nothing else is."""
    for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript")):
        async with exporter.client.get(f"{exporter.admin}/assets/{name}") as response:
            assert (response.status, response.content_type) == (200, kind)
            assert response.headers["X-Content-Type-Options"] == "nosniff"
    for name in ("nothing.css", "..%2Fcli.py", "../cli.py"):
        assert (await get(exporter, f"/assets/{name}"))[0] == 404


async def test_codes_for_a_person(exporter: Exporter) -> None:
    """Each code has an anchor, and a query hides the rows that lack one of its words."""
    number = sum(len(table.codes) for table in load_tables().values())
    _, page = await get(exporter, "/codes?q=APNS+baddevicetoken+PushBadDeviceTokenSpike")
    assert 'id="apns-2009">' in page
    assert 'id="apns-2008" hidden>' in page
    assert 'id="oppo--2" hidden>' in page
    assert f'<span id="shown">1</span> of {number}' in page
    _, page = await get(exporter, "/codes?q=UNREGISTERED+messaging/registration-token")
    assert 'id="fcm-NOT_FOUND">' in page
    assert "<code>messaging/registration-token-not-registered</code>" in page
    assert f'<span id="shown">1</span> of {number}' in page
    _, page = await get(exporter, "/codes?q=%22%3E%3Cscript%3E")
    assert "<script>" not in page
    assert '<span id="shown">0</span>' in page


async def test_reload_takes_new_tokens_and_tables(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """A reload replaces tokens and tables; a count moves to the severity of today."""
    token, table = tmp_path / "rotating", tmp_path / "own.toml"
    token.write_text("the first token")
    table.write_text('channel = "vivo"\n[codes.10072]\nseverity = "error"\n')
    settings = make_settings(results_token_files=[token], code_table_files=[table])
    async with started(settings) as exporter:
        body = b'[{"channel": "vivo", "code": 10072}, {"channel": "vivo", "code": 77}]'
        headers = {"Authorization": "Bearer the first token"}
        assert (await exporter.post(RESULTS, body, headers))[0] == 200
        assert await exporter.counted() == {
            ("vivo", "10072", "error"): 1,
            ("vivo", "77", "unknown"): 1,
        }
        token.write_text("the second token")
        table.write_text(
            'channel = "vivo"\n[codes.77]\nname = "Full"\ndescription = "The queue is full."\n'
            'severity = "warning"\ncategory = "throttled"\nretry = "backoff"\naction = "Wait."\n'
        )
        async with exporter.client.post(exporter.admin + "/-/reload") as response:
            assert response.status == 200
        assert (await exporter.post(RESULTS, body, headers))[0] == 401
        assert await exporter.counted() == {
            ("vivo", "10072", "warning"): 1,
            ("vivo", "77", "warning"): 1,
        }
        assert list(exporter.hub.unknown_codes.labelled) == []


async def test_bad_reload_keeps_the_old(make_settings: MakeSettings, tmp_path: Path) -> None:
    """A reload that fails changes nothing, says why, and shows in a metric until one succeeds."""
    token = tmp_path / "rotating"
    token.write_text("the first token")
    name = "push_exporter_config_last_reload_successful"
    async with started(make_settings(results_token_files=[token])) as exporter:
        assert (await exporter.series(name))[()] == 1
        token.write_text("\n")
        async with exporter.client.post(exporter.admin + "/-/reload") as response:
            assert response.status == 500
            assert str(token) in (await response.json())["detail"]
        assert (await exporter.series(name))[()] == 0
        headers = {"Authorization": "Bearer the first token"}
        assert (await exporter.post(RESULTS, b'{"code": 2}', headers))[0] == 200
        token.write_text("the second token")
        async with exporter.client.post(exporter.admin + "/-/reload") as response:
            assert response.status == 200
        assert (await exporter.series(name))[()] == 1
