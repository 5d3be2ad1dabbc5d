"""The private application: health, reload, and input that is no HTTP."""

import logging
from pathlib import Path

import pytest

from tests.support.exporter import Exporter, MakeSettings, started
from tests.support.pages import get


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
    assert b"Server: push-result-exporter" in response
    assert b"c2VjcmV0" not in response
    assert "c2VjcmV0" not in caplog.text
    assert (await get(exporter, "/-/healthy"))[0] == 200


async def test_listeners_are_apart(exporter: Exporter) -> None:
    """The webhooks are not on the private listener."""
    async with exporter.client.post(
        exporter.admin + "/webhooks/results", data=b'{"code": 2}'
    ) as response:
        assert response.status == 404


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
        assert (await exporter.post("/webhooks/results", body, headers))[0] == 200
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
        assert (await exporter.post("/webhooks/results", body, headers))[0] == 401
        assert await exporter.counted() == {
            ("vivo", "10072", "warning"): 1,
            ("vivo", "77", "warning"): 1,
        }
        assert list(exporter.hub.unknown_codes.labelled) == []


async def test_bad_reload_keeps_the_old(make_settings: MakeSettings, tmp_path: Path) -> None:
    """A failed reload changes nothing, names the problem, and shows in a metric."""
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
        assert (await exporter.post("/webhooks/results", b'{"code": 2}', headers))[0] == 200
        token.write_text("the second token")
        async with exporter.client.post(exporter.admin + "/-/reload") as response:
            assert response.status == 200
        assert (await exporter.series(name))[()] == 1
