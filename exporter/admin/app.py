"""The private HTTP edge: metrics, health, reload, pages."""

from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from exporter.admin.pages import HEADERS, Pages
from exporter.admin.status import status_of, watched_rows
from exporter.errors import ConfigurationError
from exporter.runtime import Service


class Admin:
    """The routes of the admin listener."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pages = Pages()

    async def metrics(self, request: web.Request) -> web.Response:
        """Expose the metrics in the format that the scraper asks for."""
        body, content_type = self._service.metrics.exposition(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def healthy(self, _request: web.Request) -> web.Response:
        """Say that the process runs."""
        return web.Response(text="healthy\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """Say whether results can be taken."""
        problem = self._service.not_ready()
        return web.Response(text=f"{problem or 'ready'}\n", status=503 if problem else 200)

    async def reload(self, _request: web.Request) -> web.Response:
        """Reload keys, tokens and code tables."""
        try:
            self._service.reload()
        except ConfigurationError as error:
            return web.json_response({"error": "reload_failed", "detail": str(error)}, status=500)
        return web.json_response({"reloaded": True})

    async def status(self, _request: web.Request) -> web.Response:
        """Give the state of the exporter as JSON."""
        return _json(status_of(self._service))

    async def codes(self, _request: web.Request) -> web.Response:
        """Give the code tables in force as JSON."""
        return _json(watched_rows(self._service))

    async def page(self, _request: web.Request) -> web.Response:
        """Show the state of the exporter to a person."""
        return _html(self._pages.status(self._service))

    async def codes_page(self, request: web.Request) -> web.Response:
        """Show the code tables in force to a person."""
        return _html(self._pages.codes(self._service, request.query.get("q", "")))

    async def asset(self, request: web.Request) -> web.Response:
        """Give a file that the pages need."""
        asset = self._pages.assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        headers = HEADERS | {"Cache-Control": "no-cache"}
        return web.Response(
            body=asset.content, content_type=asset.content_type, charset="utf-8", headers=headers
        )


def make_admin_app(service: Service) -> web.Application:
    """Build the private application."""
    app = web.Application(middlewares=[_guard(service)])
    admin = Admin(service)
    app.router.add_get("/", admin.page)
    app.router.add_get("/codes", admin.codes_page)
    app.router.add_get("/assets/{name}", admin.asset)
    app.router.add_get("/metrics", admin.metrics)
    app.router.add_get("/-/healthy", admin.healthy)
    app.router.add_get("/-/ready", admin.ready)
    app.router.add_post("/-/reload", admin.reload)
    app.router.add_get("/api/v1/status", admin.status)
    app.router.add_get("/api/v1/codes", admin.codes)
    return app


def _guard(service: Service) -> Middleware:
    """Ask for a password where a file of them is configured."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        passwords = service.configuration.passwords
        if passwords and not await passwords.allow(request.headers.get("Authorization", "")):
            challenge = {"WWW-Authenticate": 'Basic realm="push-result-exporter"'}
            return web.Response(status=401, text="unauthorized\n", headers=challenge)
        return await handler(request)

    return guard


def _html(page: str) -> web.Response:
    return web.Response(text=page, content_type="text/html", headers=HEADERS)


def _json(answer: Any) -> web.Response:
    body = msgspec.json.encode(answer)
    return web.Response(body=body, headers={"Content-Type": "application/json"})
