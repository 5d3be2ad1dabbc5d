"""`GET /codes` and `GET /api/v1/codes`: the effective code tables."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from aiohttp import web

from exporter.admin.rendering import Pages, relocated, root_of
from exporter.admin.responses import Content, json_content
from exporter.admin.snapshots import OncePerSnapshot
from exporter.admin.view import View
from exporter.classification.alerts import alerts_for
from exporter.classification.tables import code_rows
from exporter.results import Series
from exporter.runtime.snapshot import Snapshot

MAX_QUERY = 200
"""Maximum length of a query; the rest is ignored."""


class CodeRows(NamedTuple):
    """The rows of the page, rendered with the root `./`."""

    html: list[str]
    texts: list[str]
    """The searchable text of each row, case-folded."""

    def found(self, words: list[str]) -> list[str]:
        """Return the rows that contain all words."""
        return [
            html
            for html, text in zip(self.html, self.texts, strict=True)
            if all(word in text for word in words)
        ]


class Codes:
    """The pages of the codes, rendered once for each snapshot."""

    def __init__(self, view: View, pages: Pages) -> None:
        self._view, self._pages = view, pages
        current = view.current
        self._rows = OncePerSnapshot(current, self._make_rows)
        self._page = OncePerSnapshot(current, self._make_page)
        self._json = OncePerSnapshot(current, self._make_json)

    async def page(self, request: web.Request) -> web.Response:
        """Respond with the page of all codes, or of the codes that match a query."""
        query = request.query.get("q", "")[:MAX_QUERY]
        root = root_of(request)
        if query.strip() or root != "./":
            content = await self._pages.pace.share(
                ("codes", root, query), partial(self._found, root, query)
            )
        else:
            await self._pages.pace.admit()
            content = await self._page.get()
        return content.response(request, cacheable=True)

    async def json(self, request: web.Request) -> web.Response:
        """Respond with all codes as JSON."""
        await self._pages.pace.admit()
        return (await self._json.get()).response(request, cacheable=True)

    async def _found(self, root: str, query: str) -> Content:
        rows = await self._rows.get()
        return await self._content(root, rows, rows.found(query.casefold().split()), query)

    async def _make_page(self) -> Content:
        rows = await self._rows.get()
        return await self._content("./", rows, rows.html, "")

    async def _make_json(self) -> Content:
        snapshot = self._view.current.snapshot
        return await asyncio.to_thread(lambda: json_content(list(_watched(snapshot))))

    async def _make_rows(self) -> CodeRows:
        runbooks = self._pages.runbooks("./")
        texts: list[str] = []
        template = await self._pages.template("code_row.html")
        snapshot = self._view.current.snapshot

        def render() -> Iterator[str]:
            for row in _watched(snapshot):
                messages = snapshot.tables[row["channel"]].codes[row["code"]].messages
                texts.append(_text(row, messages))
                yield template.render(row=row, messages=messages, runbooks=runbooks)

        return CodeRows(await self._pages.pace.pieces(render()), texts)

    async def _content(self, root: str, rows: CodeRows, found: list[str], query: str) -> Content:
        return await self._pages.content(
            "codes.html",
            root,
            {
                "rows": relocated("".join(found), root),
                "shown": len(found),
                "number": len(rows.html),
                "query": query,
            },
        )


def _watched(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """Yield each row of the effective tables, with the alerts that watch it."""
    for channel, table in snapshot.tables.items():
        for row in code_rows({channel: table}):
            series = Series(channel, row["code"], channel)
            yield {**row, "alerts": alerts_for(snapshot.classifier.current(series))}


def _text(row: dict[str, Any], messages: Sequence[str]) -> str:
    alerts = [alert.name for alert in row["alerts"]]
    cells = [cell for cell in row.values() if isinstance(cell, str)]
    return " ".join([*cells, *row["aliases"], *messages, *alerts]).casefold()
