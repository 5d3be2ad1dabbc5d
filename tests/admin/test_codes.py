"""The pages of the codes: every row of the effective tables, searched by words."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter.admin import codes, pace
from exporter.classification.alerts import Alert, alerts_for
from exporter.classification.tables import load_tables
from exporter.results import ClassifiedResult
from tests.support.exporter import Exporter, MakeSettings, started
from tests.support.pages import get


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


def rows(page: str) -> set[str]:
    """Return the codes that a page shows."""
    return set(re.findall(r'<tr role="row" id="([^"]+)"', page))


async def test_codes_for_a_person(exporter: Exporter) -> None:
    """Each code has an anchor; with a query the page has the rows that have all of its words."""
    tables = load_tables()
    number = sum(len(table.codes) for table in tables.values())
    _, page = await get(exporter, "/codes")
    assert rows(page) == {f"{one.channel}-{code}" for one in tables.values() for code in one.codes}
    assert f'<span id="shown">{number}</span> of {number}' in page
    for query, found in (
        ("APNS+baddevicetoken+PushBadDeviceTokenSpike", {"apns-2009"}),
        ("UNREGISTERED+messaging/registration-token", {"fcm-NOT_FOUND"}),
        ("mipush+%E6%88%90%E5%8A%9F", {"mipush-Success"}),  # by a message, in Chinese
        ("%22%3E%3Cscript%3E", set()),
    ):
        _, page = await get(exporter, f"/codes?q={query}")
        assert rows(page) == found
        assert f'<span id="shown">{len(found)}</span> of {number}' in page
        assert "<script>" not in page
    assert "No code contains all words." in page


async def test_codes_below_a_folder(exporter: Exporter) -> None:
    """With more slashes in the path the rows are the same, and their links lead as far back."""
    _, page = await get(exporter, "/codes")
    for path, root in (("/codes/", "../"), ("//codes//", "../../../")):
        assert (await get(exporter, path))[1] == page.replace('="./', f'="{root}')


async def test_codes_after_a_reload(make_settings: MakeSettings, tmp_path: Path) -> None:
    """A reload with other tables renders the rows again, and the JSON."""
    table = tmp_path / "own.toml"
    table.write_text('channel = "vivo"\n')
    async with started(make_settings(code_table_files=[table])) as exporter:
        for action in ("Buy a bigger one.", "Empty it."):
            table.write_text(
                'channel = "vivo"\n[codes.77]\nname = "Full"\ndescription = "The box is full."\n'
                'severity = "warning"\ncategory = "throttled"\nretry = "backoff"\n'
                f'action = "{action}"\n'
            )
            await exporter.client.post(exporter.admin + "/-/reload")
            for path in ("/codes", "/codes?q=vivo+full", "/api/v1/codes"):
                assert action in (await get(exporter, path))[1]


async def test_reload_while_the_rows_are_rendered(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is being rendered is finished, though its rows are gone by then."""
    monkeypatch.setattr(pace, "SLICE_SECONDS", 0.0)
    table = tmp_path / "zebra.toml"
    table.write_text(
        'channel = "zebra"\n[codes.77]\nname = "Full"\ndescription = "The box is full."\n'
        'severity = "warning"\ncategory = "throttled"\nretry = "backoff"\naction = "Empty it."\n'
    )
    async with started(make_settings(code_table_files=[table])) as exporter:

        def and_reload(classified: ClassifiedResult) -> Sequence[Alert]:
            if not reloads:
                table.write_text('channel = "zebra"\n')
                reloads.append(asyncio.get_running_loop().call_soon(exporter.current.reload))
            return alerts_for(classified)

        reloads: list[asyncio.Handle] = []
        monkeypatch.setattr(codes, "alerts_for", and_reload)
        status, page = await get(exporter, "/codes")
        assert status == 200
        assert "zebra-77" in rows(page)
        assert "zebra-77" not in rows((await get(exporter, "/codes"))[1])
