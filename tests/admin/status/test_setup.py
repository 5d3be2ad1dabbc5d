"""The status page before the first result."""

from tests.support.exporter import MakeSettings, started
from tests.support.pages import count, get, status_json


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
