"""The private application: its routes, and what it owns as long as it runs."""

from collections.abc import AsyncIterator

from aiohttp import web

from exporter.admin import management
from exporter.admin.basic_auth import basic_auth_middleware
from exporter.admin.codes import codes_json, codes_page
from exporter.admin.cross_origin import cross_origin_middleware
from exporter.admin.history import History, recording
from exporter.admin.keys import PAGES, RUNBOOKS, VIEW
from exporter.admin.metrics import make_metrics_handler
from exporter.admin.rendering import Pages, add_headers
from exporter.admin.runbook_texts import load_runbooks
from exporter.admin.runbooks import runbook_page, runbooks_page
from exporter.admin.status.status import status_json, status_page
from exporter.admin.view import View
from exporter.runtime.current import Current
from exporter.runtime.hub import Hub
from exporter.runtime.service import Service


def make_admin_app(current: Current, hub: Hub, service: Service) -> web.Application:
    """Build the private application."""
    app = web.Application(middlewares=[cross_origin_middleware, basic_auth_middleware])
    view = View(current, hub, service, History.of(hub))
    app[VIEW] = view
    app[PAGES] = pages = Pages(current, service)
    app[RUNBOOKS] = load_runbooks()
    app.cleanup_ctx.append(_history)
    app.on_response_prepare.append(add_headers)
    app.add_routes(
        [
            web.get(same_path("/"), status_page),
            web.get(same_path("/codes"), codes_page),
            web.get(same_path("/runbooks"), runbooks_page),
            web.get(same_path("/runbooks/{alert}"), runbook_page),
            web.get(same_path("/assets/{name}"), pages.asset),
            web.get(same_path("/metrics"), make_metrics_handler(view.hub.metrics.registry)),
            web.get(same_path("/-/healthy"), management.healthy),
            web.get(same_path("/-/ready"), management.ready),
            web.post(same_path("/-/reload"), management.reload),
            web.get(same_path("/api/v1/status"), status_json),
            web.get(same_path("/api/v1/codes"), codes_json),
        ]
    )
    return app


async def _history(app: web.Application) -> AsyncIterator[None]:
    async with recording(app[VIEW].history):
        yield


def same_path(path: str) -> str:
    """Return the pattern of a route that doubled and trailing slashes do not change."""
    segments = enumerate(path.strip("/").split("/"))
    # aiohttp wants the first slash as it is.
    named = (f"{{slash{place}:/{'+' if place else '*'}}}{segment}" for place, segment in segments)
    return f"/{''.join(named)}{{end:/*}}"
