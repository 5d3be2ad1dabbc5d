"""Pages whatever text comes from outside: they stay whole, small, and free of markup."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.support.exporter import Exporter, MakeSettings, started
from tests.support.pages import get, respond

HOSTILE = {
    "markup": "</pre></details><script>hacked()</script><img src=x onerror=hacked()>",
    "template": "{{ 7 * 7 }}{% raw %}",
    "bidi": "a\u202e\u2066b\u200fc",
    "controls": "a\0b\x1b[31mc\x7fd\x85e",
    "half characters": "a\ud83db\udcffc",
    "noncharacters": "a\ufffe\uffff\U0010ffffb",
    "64 KiB": "x" * 65_536,
    "64 KiB of bytes": "界<" * 16_384,
    "newlines": "\n" * 1000,
    "blank": " \t\n",
}


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.handlers: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag not in {"meta", "link", "img", "input", "br", "hr"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that is closed at once, as in SVG."""
        self.counts[tag] = self.counts.get(tag, 0) + 1
        del attrs

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


async def whole(exporter: Exporter, path: str) -> Page:
    """Get a page; it is well formed, of a sane size, and nothing in it can run."""
    status, text = await get(exporter, path)
    assert status == 200
    assert len(text) < 1_000_000
    page = Page(text)
    assert page.open == []
    assert page.counts["html"] == page.counts["main"] == page.counts["script"] == 1
    assert page.handlers == []
    assert not any(one in text for one in "\0\x1b\x7f\x85")
    return page


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_text_of_a_sender(exporter: Exporter, text: str) -> None:
    """Whatever a sender writes in any field, each page and the JSON can be read."""
    fields: list[dict[str, Any]] = [
        {"channel": "vivo", "code": "N1", "message": text},
        {"channel": text, "code": "N2"},
        {"channel": "vivo", "code": text},
        {"channel": "vivo", "code": "N3", "id": text},
        {"channel": "vivo", "code": "N4", text: text},
    ]
    for item in fields:  # some are refused, which is a matter of the webhook
        body = json.dumps([item, {"channel": "vivo", "code": 10072}]).encode()
        status, _ = await exporter.results(body)
        assert status < 500
    for path in ("/", "/codes", "/runbooks", "/runbooks/PushUnknownCode"):
        await whole(exporter, path)
    assert "unknown_codes" in json.loads((await get(exporter, "/api/v1/status"))[1])


@pytest.mark.parametrize("query", ["%00", "%ff%fe", "%ED%A0%BD", "%E2%80%AE", "%22%3E%3Cscript%3E"])
async def test_text_of_a_query(exporter: Exporter, query: str) -> None:
    """Whatever is searched for, the page of codes can be read."""
    await whole(exporter, f"/codes?q={query}")
    await whole(exporter, f"/codes?q={query * 100}")


async def test_text_of_an_operator(make_settings: MakeSettings, tmp_path: Path) -> None:
    """A path that is not even UTF-8 is shown, on the page and as JSON."""
    folder = tmp_path / "folder \udcff\u202e<b>"
    folder.mkdir()
    async with started(make_settings(ledger_path=folder / "ledger.sqlite3")) as exporter:
        page = await whole(exporter, "/")
        assert "folder \ufffd\u202e<b>" in page.text
        settings = json.loads((await get(exporter, "/api/v1/status"))[1])["settings"]
        assert settings["LEDGER_PATH"] == str(folder / "ledger.sqlite3")


async def test_pages_stay_small(exporter: Exporter) -> None:
    """With every channel full of unknown codes and many failing ones a page stays small."""
    message = "\u202e<&>" + "\n" * 300
    channels = exporter.current.snapshot.classifier.channels()
    for channel in channels:
        unknown = [
            {"channel": channel, "code": f"{n}-" + "N" * 60, "message": message} for n in range(25)
        ]
        known = [
            {"channel": channel, "code": code, "count": 10**8}
            for code in exporter.current.snapshot.tables["apns"].codes
        ]
        assert (await exporter.results(json.dumps(unknown + known).encode()))[0] == 200
    for path, size in (
        ("/", 250_000),
        ("/codes", 1_500_000),
        ("/runbooks/PushUnknownCode", 99_000),
    ):
        status, page = await get(exporter, path)
        assert status == 200
        assert len(page) < size, path
    assert "more are not shown" in page
    sent = 0
    for path in ("/", "/assets/page.css", "/assets/page.js", "/assets/trouble.svg"):
        response, _ = await respond(exporter, "GET", path, accept_encoding="gzip")
        sent += int(response.headers["Content-Length"])
    assert sent < 25_000
    assert f"10 of {20 * len(channels)}" in (await get(exporter, "/"))[1]


async def test_files_of_the_pages(exporter: Exporter) -> None:
    """The files that the pages need are served with their type, and nothing else is."""
    for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript")):
        response, _ = await respond(exporter, "GET", f"/assets/{name}")
        assert (response.status, response.content_type) == (200, kind)
    for name in ("nothing.css", "..%2Fapp.py", "../app.py", "__init__.py", ""):
        assert (await get(exporter, f"/assets/{name}"))[0] == 404
