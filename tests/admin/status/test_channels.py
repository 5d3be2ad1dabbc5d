"""Channels on the status page: receipts beside pushes, and channels without a table."""

import json
from pathlib import Path

from tests.support.exporter import MakeSettings, started
from tests.support.pages import get, status_json

ROW = """
name = "Flat"
description = "The battery of the pager is empty."
severity = "error"
category = "unreachable"
retry = "no"
action = "Change it."
"""


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
