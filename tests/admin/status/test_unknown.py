"""Unknown codes and channel names on the status page, until a table knows them."""

from pathlib import Path

from exporter.classification.drafts import draft_row
from tests.support.exporter import Exporter, MakeSettings, started
from tests.support.pages import count, get, status_json


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
    assert 'id="other.-vivo-N44"' in page
    assert 'id="other.-vivo-N25"' not in page  # the page has the last ten of all channels
    assert 'id="other.-vivo-N25"' in (await get(exporter, "/?channel=vivo"))[1]
