"""The status page before the first result."""

import asyncio

from tests.support.exporter import TOKEN, Exporter, MakeSettings, started
from tests.support.pages import count, get, status_json


async def test_setup(make_settings: MakeSettings) -> None:
    """Before the first result there are the webhooks, their credentials and a command for each."""
    settings = make_settings(mps_public_key_files=[])
    async with started(settings) as exporter:
        for path in ("/webhook/mps?sign=forged-signature-0", "/webhooks/mps"):
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
        assert "forged-signature-0" not in page
        await count(exporter, {"code": 2})
        assert (await status_json(exporter))["setup"] is None
        assert 'id="setup"' not in (await get(exporter, "/"))[1]


async def test_credentials(exporter: Exporter) -> None:
    """Each credential is there without its secret: fingerprints of keys, files of the others."""
    mps, results = (await status_json(exporter))["setup"]["webhooks"]
    settings = exporter.current.settings
    [key] = exporter.current.snapshot.gateways["mps"].credentials[0].keys
    file = settings.mps_public_key_files[0]
    assert mps["credentials"] == [
        f"RSA 2048 bits, SHA-256 {key.fingerprint} (MPS_PUBLIC_KEY_FILES: {file})"
    ]
    assert [one.partition(" (")[0] for one in results["credentials"]] == [
        "1 bearer token",
        "1 standard-webhooks secret",
    ]
    _, page = await get(exporter, "/")
    assert key.fingerprint in page
    assert TOKEN not in page


async def test_the_command_shows_that_the_token_works(exporter: Exporter) -> None:
    """The command reads the token from its file, is accepted, and counts nothing."""
    mps, results = (await status_json(exporter))["setup"]["webhooks"]
    assert "-H" not in mps["curl"]
    assert TOKEN not in results["curl"]
    shell = await asyncio.create_subprocess_shell(
        f"{results['curl']} -s", stdout=asyncio.subprocess.PIPE
    )
    response, _ = await shell.communicate()
    assert response.startswith(b"HTTP/1.1 200 OK")
    assert exporter.hub.ledger.counts == {}
