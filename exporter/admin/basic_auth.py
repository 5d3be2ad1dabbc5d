"""Basic authentication of every route, if a password file is configured."""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from exporter.admin.keys import VIEW

_CHALLENGE = {hdrs.WWW_AUTHENTICATE: 'Basic realm="push-result-exporter", charset="UTF-8"'}


@web.middleware
async def basic_auth_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Respond with 401 to a request without valid credentials."""
    passwords = request.app[VIEW].current.snapshot.passwords
    if passwords and not await passwords.allow(request.headers.get(hdrs.AUTHORIZATION, "")):
        return web.Response(status=401, text="unauthorized\n", headers=_CHALLENGE)
    return await handler(request)
