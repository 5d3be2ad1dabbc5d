"""The status page and its JSON: what was counted, who the exporter is, and the filter."""

import json

from tests.support.exporter import TOKEN, Exporter, MakeSettings, started
from tests.support.pages import count, get, status_json


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
    assert "No channel has this name." in page
    assert "<b>" not in page


async def test_name_of_the_exporter(make_settings: MakeSettings) -> None:
    """The name is in the head and the title, so that two environments do not look the same."""
    async with started(make_settings(instance="staging <1>")) as exporter:
        _, page = await get(exporter, "/")
        assert "· staging &lt;1&gt; · push-result-exporter</title>" in page
        assert "<span>staging &lt;1&gt;</span>" in page
        assert (await status_json(exporter))["name"] == "staging <1>"


async def test_name_of_the_environment(make_settings: MakeSettings) -> None:
    """The host of EXTERNAL_URL names the environment in head and title."""
    settings = make_settings(instance="replica-0", external_url="https://push.staging.example/x/")
    async with started(settings) as exporter:
        _, page = await get(exporter, "/")
        assert "· push.staging.example · push-result-exporter</title>" in page
        assert "<span>push.staging.example</span>" in page
        assert "<dt>Name</dt><dd>replica-0</dd>" in page
