"""`GET /codes` and `GET /api/v1/codes`: the effective code tables."""

from typing import Any

from aiohttp import web

from exporter.admin.keys import PAGES, VIEW
from exporter.admin.rendering import json_response
from exporter.admin.view import View
from exporter.classification.alerts import alerts_for
from exporter.classification.tables import code_rows
from exporter.results import Series

MAX_QUERY = 200
"""Characters of a query; the rest is left out."""


def watched_rows(view: View) -> list[dict[str, Any]]:
    """List every row of the effective tables with the alerts that watch it."""
    classifier = view.classifier
    return [
        {**row, "alerts": alerts_for(classifier.current(Series(channel, code, channel)))}
        for row in code_rows(view.tables)
        for channel, code in [(row["channel"], row["code"])]
    ]


async def codes_page(request: web.Request) -> web.Response:
    """Show every code to a person; those that lack a word of the query are hidden."""
    query = request.query.get("q", "")[:MAX_QUERY]
    words = query.casefold().split()
    rows = [(row, _has(row, words)) for row in watched_rows(request.app[VIEW])]
    shown = sum(found for _, found in rows)
    return request.app[PAGES].html(request, "codes.html", rows=rows, shown=shown, query=query)


async def codes_json(request: web.Request) -> web.Response:
    """Give every code to a program."""
    return json_response(watched_rows(request.app[VIEW]))


def _has(row: dict[str, Any], words: list[str]) -> bool:
    alerts = [alert.name for alert in row["alerts"]]
    cells = [cell for cell in row.values() if isinstance(cell, str)]
    text = " ".join([*cells, *row["aliases"], *alerts]).casefold()
    return all(word in text for word in words)
