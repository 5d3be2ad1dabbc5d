"""Runbooks as pages: their text, safe and linked, beside what raises their alert now."""

import asyncio
import json
import re
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest

from exporter.admin.runbook_texts import load_runbooks, parse_runbook
from tests.support.exporter import Exporter, MakeSettings, started
from tests.support.pages import get
from tests.support.rules import ALERTS

RUNBOOKS = load_runbooks()


def test_each_alert_has_a_runbook() -> None:
    """The runbooks that are served are those of the rules."""
    assert RUNBOOKS.keys() == {alert.name for alert in ALERTS}


async def test_runbooks_are_parsed_once(exporter: Exporter) -> None:
    """However many ask for the first page at once, its text is parsed once."""
    load_runbooks.cache_clear()
    paths = ["/runbooks", "/runbooks/PushUnknownCode"] * 4
    responses = await asyncio.gather(*(get(exporter, path) for path in paths))
    assert {status for status, _ in responses} == {200}
    assert load_runbooks.cache_info().misses == 1


async def test_pages_lead_to_each_other(exporter: Exporter) -> None:
    """The list leads to each runbook, and a runbook to those that it names."""
    _, index = await get(exporter, "/runbooks")
    for alert in RUNBOOKS:
        assert f'href="../runbooks/{alert}"' in index or f'href="./runbooks/{alert}"' in index
        status, page = await get(exporter, f"/runbooks/{alert}")
        assert status == 200
        assert await get(exporter, f"/runbooks/{alert}.md") == (status, page)
        assert f"<h1>{alert}</h1>" in page
        assert page.count("<h1") == 1
        for linked in re.findall(r'href="\.\./runbooks/(\w+)"', page):
            assert linked in RUNBOOKS
        assert not re.search(r"\]\(|\*\*|```", page), "Markdown is left"
        assert "style=" not in page


@pytest.mark.parametrize(
    "alert", ["PushNothing", "pushthrottled", "<script>", "..%2F..", "a" * 900]
)
async def test_unknown_alert(exporter: Exporter, alert: str) -> None:
    """An alert without a runbook is a 404 that lists those that there are."""
    status, page = await get(exporter, f"/runbooks/{alert}")
    assert status == 404
    assert "There is no runbook for" in page
    assert all(f'/{name}"' in page for name in RUNBOOKS)
    assert "<script>" not in page
    assert "a" * 101 not in page


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a <b onclick='x()'>b</b>", "a &lt;b onclick='x()'&gt;b&lt;/b&gt;"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("[x](data:text/html,hi)", "[x](data:text/html,hi)"),
        ("[x](PushOther.md)", '<a href="./runbooks/PushOther">x</a>'),
        ("[x](https://e.example/a.md)", '<a href="https://e.example/a.md" rel="noreferrer">x</a>'),
        ("| a |\n|--:|\n| 1 |", '<td class="number" role="cell" data-label="a">1</td>'),
        ("| a |\n|:-:|\n| 1 |", '<td role="cell" data-label="a">1</td>'),
        ("```sh\nls <x\n```", 'tabindex="0"><code>ls &lt;x\n</code></pre>'),
    ],
)
def test_markdown_is_safe(text: str, html: str) -> None:
    """Raw HTML is text, a link runs nothing, and no style stands in the page."""
    runbook = parse_runbook("PushX", f"# PushX\n\n{text}\n\n## Section\n\n{text}\n")
    for part in (runbook.summary, runbook.sections):
        assert html in part
        assert "style" not in part


@pytest.mark.parametrize(
    ("text", "summary", "sections"),
    [
        (
            "# A\n\none\n\ntwo\n\n## B\n\nthree",
            "<p>one</p>\n<p>two</p>\n",
            "<h2>B</h2>\n<p>three</p>\n",
        ),
        ("one\n", "<p>one</p>\n", ""),
        ("## B\n", "", "<h2>B</h2>\n"),
        ("", "", ""),
    ],
)
def test_parts_of_a_runbook(text: str, summary: str, sections: str) -> None:
    """What stands before the first section is the summary; the page has a heading of its own."""
    runbook = parse_runbook("A", text)
    assert (runbook.summary, runbook.sections) == (summary, sections)


def rows(page: str, kind: str) -> dict[str, str]:
    """Find the rows of a live table by their id, as text."""
    found = re.findall(rf'<tr role="row" id="{kind}-([^"]+)">(.*?)</tr>', page, re.DOTALL)
    return {name: " ".join(re.sub("<[^>]+>", " ", cells).split()) for name, cells in found}


async def post(exporter: Exporter, *results: dict[str, Any]) -> None:
    """Count results."""
    status, body = await exporter.results(json.dumps(results).encode())
    assert status == 200, body


async def test_codes_that_raise_the_alert(exporter: Exporter) -> None:
    """The codes that an alert watches are on its page: channel, number, meaning and action."""
    _, page = await get(exporter, "/runbooks/PushThrottled")
    assert "reach the thresholds of this alert" in page
    assert rows(page, "code") == {}
    await post(
        exporter,
        {"channel": "vivo", "code": 10072, "count": 1500},
        {"channel": "oppo", "code": -2, "count": 9},
        {"channel": "apns", "code": 2009, "count": 70},
        {"channel": "apns", "code": 2, "count": 70},
    )
    _, page = await get(exporter, "/runbooks/PushThrottled")
    found = rows(page, "code")
    assert list(found) == ["vivo-10072-vivo", "oppo--2-oppo"]
    row = exporter.current.snapshot.tables["vivo"].codes["10072"]
    for text in ("vivo", "10072", row.name, "1,500", row.severity, row.description, row.action):
        assert text in found["vivo-10072-vivo"]
    assert "Throttled by vivo" in page
    _, index = await get(exporter, "/runbooks")
    assert "Throttled by vivo" in rows(index, "runbook")["PushThrottled"]
    assert "no finding" in rows(index, "runbook")["PushVendorOutage"]


async def test_unknown_codes_lead_to_their_draft(exporter: Exporter) -> None:
    """A code without a row leads to the row to fill in, on the status page."""
    await post(exporter, {"channel": "vivo", "code": "NEW"})
    _, page = await get(exporter, "/runbooks/PushUnknownCode")
    assert list(rows(page, "code")) == ["vivo-NEW-"]
    assert 'href="../?channel=vivo#unknown-vivo-NEW"' in page
    assert 'id="unknown-vivo-NEW"' in (await get(exporter, "/?channel=vivo"))[1]


async def test_requests_that_raise_the_alert(exporter: Exporter) -> None:
    """Alerts about requests name the reasons, by gateway; codes are no matter of theirs."""
    for _ in range(3):
        await exporter.post("/webhooks/results", b"{}", {"Authorization": "Bearer of another"})
    await post(exporter, {"channel": "vivo", "code": "NEW"})
    _, page = await get(exporter, "/runbooks/PushWebhookRejecting")
    found = rows(page, "reason")
    assert list(found) == ["results-bad_signature"]
    assert "bad_signature results 3 " in found["results-bad_signature"]
    assert rows(page, "code") == {}
    _, page = await get(exporter, "/runbooks/PushExporterOverloaded")
    assert rows(page, "reason") == {}


async def test_a_code_that_got_a_row_is_one_row(make_settings: MakeSettings, tmp_path: Any) -> None:
    """Results from before a reload gave the code its row, and after, are added up."""
    table = tmp_path / "own.toml"
    table.write_text('channel = "vivo"\n')
    async with started(make_settings(code_table_files=[table])) as exporter:
        await post(exporter, {"channel": "vivo", "code": "NEW", "count": 2})
        table.write_text(
            'channel = "vivo"\n[codes.NEW]\nname = "New"\ndescription = "News."\n'
            'severity = "warning"\ncategory = "throttled"\nretry = "no"\naction = "Wait."\n'
        )
        await exporter.client.post(exporter.admin + "/-/reload")
        await post(exporter, {"channel": "vivo", "code": "NEW", "count": 3})
        _, page = await get(exporter, "/runbooks/PushThrottled")
        assert "Results: 5" not in page
        [(name, text)] = rows(page, "code").items()
        assert name == "vivo-NEW-vivo"
        assert " 5 " in text
        assert rows((await get(exporter, "/runbooks/PushUnknownCode"))[1], "code") == {}


def code_blocks(page: str) -> list[str]:
    """Return the queries and commands of a page as text."""
    return [
        unescape(code) for code in re.findall(r"<pre [^>]*><code>(.*?)</code>", page, re.DOTALL)
    ]


async def test_queries_are_filled_in(make_settings: MakeSettings) -> None:
    """With labels in the URL the page is about them, and its queries can be copied."""
    async with started(make_settings(apps=["shop", "news"])) as exporter:
        dead = {"channel": "apns", "code": 2014, "count": 9}
        await post(exporter, *({**dead, "app": app} for app in ("shop", "news")))
        _, page = await get(exporter, "/runbooks/PushChannelRejected?channel=apns&app=shop")
        assert list(rows(page, "code")) == ["apns-2014-apns-shop"]
        assert "Rejected by apns of shop" in page
        assert "of news" not in page
        *queries, silence = [code for code in code_blocks(page) if "=" in code]
        assert all('channel="apns", app="shop"' in query for query in queries)
        assert "alertname=PushChannelRejected app=shop channel=apns\n" in silence.replace(
            "channel=apns app=shop", "app=shop channel=apns"
        )
        _, page = await get(exporter, "/runbooks/PushWebhookRejecting?source=mps")
        assert any('source="mps"' in code for code in code_blocks(page))
        _, page = await get(exporter, "/runbooks/PushChannelRejected")
        assert len(rows(page, "code")) == 2
        assert any('channel=~".+", app=~".*"' in code for code in code_blocks(page))


@pytest.mark.parametrize("value", ['"} or vector(1)', "<script>", "$(reboot)", "a b", "é"])
async def test_what_is_no_name_is_not_filled_in(exporter: Exporter, value: str) -> None:
    """A value that cannot be a name leaves queries and commands as they are."""
    plain = code_blocks((await get(exporter, "/runbooks/PushChannelRejected"))[1])
    query = f"?channel={quote(value)}&app={quote(value)}"
    _, page = await get(exporter, f"/runbooks/PushChannelRejected{query}")
    assert code_blocks(page) == plain
    assert "<script>" not in page


@pytest.mark.parametrize(
    ("base", "link"),
    [
        (None, r"\./runbooks/PushThrottled(\?channel=vivo)?"),
        ("https://wiki.example/push", r"https://wiki\.example/push/PushThrottled"),
        ("https://wiki.example/push/", r"https://wiki\.example/push/PushThrottled"),
    ],
)
async def test_runbook_base_url(make_settings: MakeSettings, base: str | None, link: str) -> None:
    """Links lead to the exporter's own pages, or below RUNBOOK_BASE_URL, without a query."""
    async with started(make_settings(runbook_base_url=base)) as exporter:
        await post(exporter, {"channel": "vivo", "code": 10072, "count": 50})
        for path in ("/", "/codes"):
            page = (await get(exporter, path))[1]
            assert re.search(f'<a class="runbook" href="{link}">PushThrottled</a>', page)
