"""The private edge: metrics, health, reload, pages."""

import asyncio
import base64
import json
from pathlib import Path

import bcrypt

from exporter.code_tables import load_tables
from tests.conftest import Exporter, MakeSettings, started
from tests.test_ingest import RESULTS


async def get(exporter: Exporter, path: str) -> tuple[int, str]:
    """Get a page as text."""
    async with exporter.client.get(exporter.admin + path) as answer:
        return answer.status, await answer.text()


async def test_health_of_a_running_exporter(exporter: Exporter) -> None:
    """A running exporter is healthy and ready."""
    assert await get(exporter, "/-/healthy") == (200, "healthy\n")
    assert await get(exporter, "/-/ready") == (200, "ready\n")


async def test_listeners_are_apart(exporter: Exporter) -> None:
    """The webhooks are not on the private listener."""
    async with exporter.client.post(exporter.admin + RESULTS, data=b'{"code": 2}') as answer:
        assert answer.status == 404


async def test_codes_as_json(exporter: Exporter) -> None:
    """All rows of all tables are listed with their fields."""
    status, text = await get(exporter, "/api/v1/codes")
    rows = json.loads(text)
    assert status == 200
    assert len(rows) == sum(len(table.codes) for table in load_tables().values())
    fields = "channel code name description severity category retry action source origin alerts"
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
    async with exporter.client.get(exporter.admin) as answer:
        page = await answer.text()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "10072" in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


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
        async with exporter.client.post(exporter.admin + "/-/reload") as answer:
            assert answer.status == 200
        assert (await exporter.post(RESULTS, body, headers))[0] == 401
        assert await exporter.counted() == {
            ("vivo", "10072", "warning"): 1,
            ("vivo", "77", "warning"): 1,
        }
        assert list(exporter.service.unknown_codes) == []


async def test_bad_reload_keeps_the_old(make_settings: MakeSettings, tmp_path: Path) -> None:
    """A reload that fails changes nothing, says why, and shows in a metric until one succeeds."""
    token = tmp_path / "rotating"
    token.write_text("the first token")
    name = "push_exporter_config_last_reload_successful"
    async with started(make_settings(results_token_files=[token])) as exporter:
        assert (await exporter.samples())[name][()] == 1
        token.write_text("\n")
        async with exporter.client.post(exporter.admin + "/-/reload") as answer:
            assert answer.status == 500
            assert str(token) in (await answer.json())["detail"]
        assert (await exporter.samples())[name][()] == 0
        headers = {"Authorization": "Bearer the first token"}
        assert (await exporter.post(RESULTS, b'{"code": 2}', headers))[0] == 200
        token.write_text("the second token")
        async with exporter.client.post(exporter.admin + "/-/reload") as answer:
            assert answer.status == 200
        assert (await exporter.samples())[name][()] == 1


async def test_password_guards_every_page(make_settings: MakeSettings, tmp_path: Path) -> None:
    """With a password file each route wants basic authentication, the same as Prometheus sends."""
    file = tmp_path / "users"
    hashed = bcrypt.hashpw(b"sesame", bcrypt.gensalt(4)).decode()
    file.write_text(f"prometheus:{hashed}\n")
    async with started(make_settings(admin_password_file=file)) as exporter:
        for path in ("/", "/metrics", "/-/ready", "/api/v1/status"):
            status, _ = await get(exporter, path)
            assert status == 401
        await asyncio.gather(*(authorised(exporter, "sesame", 200) for _ in range(5)))
        await authorised(exporter, "wrong", 401)


async def authorised(exporter: Exporter, password: str, expected: int) -> None:
    """Scrape with a password."""
    headers = {"Authorization": "Basic " + basic("prometheus", password)}
    async with exporter.client.get(exporter.admin + "/metrics", headers=headers) as answer:
        assert answer.status == expected


def basic(user: str, password: str) -> str:
    """Encode credentials as HTTP does."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()
