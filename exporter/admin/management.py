"""The management API, with Prometheus' paths: health, readiness, reload."""

from aiohttp import web

from exporter.admin.keys import VIEW
from exporter.errors import ConfigurationError


async def healthy(_request: web.Request) -> web.Response:
    """Respond with 200 while the process runs."""
    return web.Response(text="healthy\n")


async def ready(request: web.Request) -> web.Response:
    """Respond with 200 while results are accepted, else with 503 and the reason."""
    problem = request.app[VIEW].service.not_ready()
    return web.Response(text=f"{problem or 'ready'}\n", status=503 if problem else 200)


async def reload(request: web.Request) -> web.Response:
    """Reload all files; respond with 500 and the problem if one is invalid."""
    try:
        request.app[VIEW].current.reload()
    except ConfigurationError as error:
        return web.json_response({"error": "reload_failed", "detail": str(error)}, status=500)
    return web.json_response({"reloaded": True})
