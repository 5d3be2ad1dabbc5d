"""The status page and its JSON: what was counted, what fails, and how senders are served."""

import json
from pathlib import Path

from exporter.classification.drafts import draft_row
from tests.support.exporter import TOKEN, Exporter, MakeSettings, started
from tests.support.pages import count, get, status_json

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


async def test_one_channel(exporter: Exporter) -> None:
    """With a channel in the query page and JSON are about its results; the rest is one line."""
    await count(
        exporter,
        {"channel": "vivo", "code": 2, "count": 7},
        {"channel": "apns", "code": 2014, "count": 9},
        {"channel": "apns", "code": "NEW"},
    )
    whole = await status_json(exporter)
    assert (whole["health"]["state"], whole["health"]["elsewhere"]) == ("trouble", None)
    vivo = await status_json(exporter, "?channel=vivo")
    assert [row["channel"] for row in vivo["channels"]] == ["vivo"]
    assert vivo["failing_codes"] == vivo["unknown_codes"] == []
    assert (vivo["health"]["state"], vivo["health"]["headline"]) == ("ok", "All is well on vivo")
    assert vivo["health"]["elsewhere"]["title"] == "rejected by apns"
    apns = await status_json(exporter, "?channel=apns")
    assert [row["code"] for row in apns["failing_codes"]] == ["2014"]
    assert [row["code"] for row in apns["unknown_codes"]] == ["NEW"]
    _, page = await get(exporter, "/?channel=vivo")
    assert 'id="channel-apns"' not in page
    assert "trouble, rejected by apns" in page
    _, page = await get(exporter, "/?channel=%3Cb%3E" + "x" * 500)
    assert "There is no channel with this name." in page
    assert "<b>" not in page


async def test_codes_counted_as_other(exporter: Exporter) -> None:
    """Past the labels of a channel, codes are listed with message and draft, and counted."""
    codes = [{"channel": "vivo", "code": f"N{n}", "message": f"news {n}"} for n in range(45)]
    await count(exporter, *codes, codes[44])
    status = await status_json(exporter)
    assert {row["code"] for row in status["unknown_codes"]} == {f"N{n}" for n in range(20)}
    assert status["other_results"] == [{"channel": "vivo", "results": 26, "results_last_hour": 26}]
    assert [row["code"] for row in status["other_codes"]] == [f"N{n}" for n in range(44, 24, -1)]
    assert "[codes.N44]" in status["other_codes"][0]["toml"]
    _, page = await get(exporter, "/")
    assert "vivo 26 (26 in the last hour)" in page
    assert "<q><bdi>news 44</bdi></q>" in page
    assert 'id="other-vivo-N44"' in page
    assert 'id="other-vivo-N25"' not in page  # the page has the last ten of all channels
    assert 'id="other-vivo-N25"' in (await get(exporter, "/?channel=vivo"))[1]


async def test_setup(make_settings: MakeSettings) -> None:
    """Before the first result there are the webhooks, their credentials and a command for each."""
    settings = make_settings(mps_public_key_files=[])
    async with started(settings) as exporter:
        for path in ("/webhook/mps?sign=secret", "/webhooks/mps"):
            await exporter.post(path, b"{}")
        setup = (await status_json(exporter))["setup"]
        mps, results = setup["webhooks"]
        assert mps["path"] == "/webhooks/mps"
        assert mps["missing_settings"] == "MPS_PUBLIC_KEY_FILES"
        assert (mps["requests"], mps["refused"]) == (1, {"missing_credentials": 1})
        assert results["missing_settings"] is None
        assert results["curl"].endswith(f"{exporter.ingest}/webhooks/results")
        assert setup["other_requests"] == 1
        assert [one["path"] for one in setup["other_paths"]] == ["/webhook/mps"]
        _, page = await get(exporter, "/")
        assert "Set MPS_PUBLIC_KEY_FILES." in page
        assert "secret" not in page.replace("RESULTS_SECRET_FILES", "").replace(
            str(settings.results_secret_files[0]), ""
        ).replace("tokens and secrets", "")
        await count(exporter, {"code": 2})
        assert (await status_json(exporter))["setup"] is None
        assert 'id="setup"' not in (await get(exporter, "/"))[1]


async def test_name_of_the_exporter(make_settings: MakeSettings) -> None:
    """The name is in the head and the title, so that two environments do not look the same."""
    async with started(make_settings(instance="staging <1>")) as exporter:
        _, page = await get(exporter, "/")
        assert "· staging &lt;1&gt; · push-result-exporter</title>" in page
        assert "<span>staging &lt;1&gt;</span>" in page
        assert (await status_json(exporter))["name"] == "staging <1>"


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
