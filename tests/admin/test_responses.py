"""Compression and revalidation of every page."""

import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest
from yarl import URL

from tests.support.exporter import Exporter, MakeSettings, started
from tests.support.pages import count, respond

COMPRESSED = [
    "/",
    "/codes",
    "/codes?q=apns",
    "/runbooks",
    "/runbooks/PushThrottled",
    "/assets/page.css",
    "/assets/page.js",
    "/api/v1/status",
    "/api/v1/codes",
]
REVALIDATED = [path for path in COMPRESSED if path not in ("/", "/api/v1/status")]


async def raw(exporter: Exporter, path: str, encodings: str) -> tuple[Mapping[str, str], bytes]:
    """Return the headers and the bytes of a response as they were sent."""
    url = URL(exporter.admin + path, encoded=True)
    accepted = {"Accept-Encoding": encodings}
    async with exporter.client.get(url, headers=accepted, auto_decompress=False) as response:
        return response.headers, await response.read()


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "gzip"),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip"),
        ("GZIP", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.000, *", None),
        ("*;q=0", None),
        ("identity", None),
        ("br", None),
        ("", None),
        ("x-gzipped", None),
    ],
)
async def test_compression(exporter: Exporter, accepted: str, encoding: str | None) -> None:
    """A client that accepts gzip gets it, and no other does (RFC 9110, 12.5.3)."""
    headers, _ = await raw(exporter, "/codes", accepted)
    assert headers.get("Content-Encoding") == encoding
    assert headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("path", COMPRESSED)
async def test_every_page_is_compressed(exporter: Exporter, path: str) -> None:
    """The compressed page is the plain one, in fewer bytes."""
    await count(exporter, {"channel": "vivo", "code": 10072})
    zipped_headers, zipped = await raw(exporter, path, "gzip")
    plain_headers, plain = await raw(exporter, path, "identity")
    assert "Content-Encoding" not in plain_headers
    assert len(zipped) < len(plain) / 2
    if path in REVALIDATED:
        assert gzip.decompress(zipped) == plain
        assert zipped_headers["ETag"] == plain_headers["ETag"]


@pytest.mark.parametrize("path", REVALIDATED)
async def test_a_page_that_has_not_changed(exporter: Exporter, path: str) -> None:
    """A client that has the page gets 304 without a body."""
    first, body = await respond(exporter, "GET", path)
    assert first.status == 200
    assert body
    for tag in (first.headers["ETag"], f'"other", {first.headers["ETag"]}', "*"):
        again, body = await respond(exporter, "GET", path, if_none_match=tag)
        assert (again.status, body) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.headers["Cache-Control"] == "private, no-cache"
    other, body = await respond(exporter, "GET", path, if_none_match='W/"other"')
    assert other.status == 200
    assert body


async def test_a_page_that_has_changed(make_settings: MakeSettings, tmp_path: Path) -> None:
    """After a reload with other tables, or a result that a runbook watches, the page is sent."""
    table = tmp_path / "own.toml"
    table.write_text('channel = "vivo"\n')
    async with started(make_settings(code_table_files=[table])) as exporter:
        tags = {}
        for path in ("/codes", "/api/v1/codes", "/runbooks/PushThrottled"):
            response, _ = await respond(exporter, "GET", path)
            tags[path] = response.headers["ETag"]
        table.write_text('channel = "vivo"\n[codes.10072]\nseverity = "error"\n')
        await exporter.client.post(exporter.admin + "/-/reload")
        await count(exporter, {"channel": "vivo", "code": 10072})
        for path, tag in tags.items():
            response, _ = await respond(exporter, "GET", path, if_none_match=tag)
            assert response.status == 200, path
            assert response.headers["ETag"] != tag
