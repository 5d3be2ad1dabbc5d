"""The private application: its routes and background task."""

from collections.abc import AsyncIterator

from aiohttp import web

from exporter.admin import management
from exporter.admin.basic_auth import basic_auth_middleware
from exporter.admin.codes import Codes
from exporter.admin.cross_origin import cross_origin_middleware
from exporter.admin.history import History
from exporter.admin.keys import VIEW
from exporter.admin.metrics import metrics
from exporter.admin.recording import recording
from exporter.admin.rendering import Pages
from exporter.admin.responses import add_headers
from exporter.admin.runbooks import RunbookPages
from exporter.admin.status.status import StatusPages
from exporter.admin.view import View
from exporter.runtime.current import Current
from exporter.runtime.hub import Hub
from exporter.runtime.service import Service

MAX_SLASHES = 8
"""Maximum number of consecutive slashes in a path; each lengthens every link of the page."""


def make_admin_app(current: Current, hub: Hub, service: Service) -> web.Application:
    """Build the private application."""
    view = View(current, hub, service, History.of(hub))
    pages = Pages(view)
    app = web.Application(
        middlewares=[cross_origin_middleware, basic_auth_middleware, pages.missing_page]
    )
    app[VIEW] = view
    app.cleanup_ctx.append(_history)
    app.on_response_prepare.append(add_headers)
    codes, runbooks, status = (
        Codes(view, pages),
        RunbookPages(view, pages),
        StatusPages(view, pages),
    )
    app.add_routes(
        [
            web.get(same_path("/"), status.page),
            web.get(same_path("/codes"), codes.page),
            web.get(same_path("/runbooks"), runbooks.index),
            web.get(same_path("/runbooks/{alert}"), runbooks.page),
            web.get(same_path("/assets/{name}"), pages.asset),
            web.get(same_path("/metrics"), metrics),
            web.get(same_path("/-/healthy"), management.healthy),
            web.get(same_path("/-/ready"), management.ready),
            web.post(same_path("/-/reload"), management.reload),
            web.get(same_path("/api/v1/status"), status.json),
            web.get(same_path("/api/v1/codes"), codes.json),
        ]
    )
    return app


async def _history(app: web.Application) -> AsyncIterator[None]:
    async with recording(app[VIEW]):
        yield


def same_path(path: str) -> str:
    """Return the pattern of a route that ignores doubled and trailing slashes."""
    segments = enumerate(path.strip("/").split("/"))
    slashes = (f"{{slash{n}:/{{{min(n, 1)},{MAX_SLASHES}}}}}{segment}" for n, segment in segments)
    return (
        f"/{''.join(slashes)}{{end:/{{0,{MAX_SLASHES}}}}}"  # aiohttp requires a literal first slash
    )
