"""`/-/healthy`, `/-/ready` and `/-/reload`: what an orchestrator or an operator asks for."""

from aiohttp import web

from exporter.admin.keys import VIEW
from exporter.errors import ConfigurationError


async def healthy(_request: web.Request) -> web.Response:
    """Say that the process runs."""
    return web.Response(text="healthy\n")


async def ready(request: web.Request) -> web.Response:
    """Say whether results are accepted: 200, or 503 and why not."""
    problem = request.app[VIEW].service.not_ready()
    return web.Response(text=f"{problem or 'ready'}\n", status=503 if problem else 200)


async def reload(request: web.Request) -> web.Response:
    """Reload keys, tokens and code tables; 500 and the problem if a file is bad."""
    try:
        request.app[VIEW].current.reload()
    except ConfigurationError as error:
        return web.json_response({"error": "reload_failed", "detail": str(error)}, status=500)
    return web.json_response({"reloaded": True})
