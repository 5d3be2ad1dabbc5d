"""The connections of the private listener: discreet about malformed input."""

import asyncio

from aiohttp import web

KEEPALIVE_SECONDS = 60


class AdminConnection(web.RequestHandler):
    """A connection of a scraper or a person.

    aiohttp would log a malformed request with a traceback and send it back, passwords included.
    """

    __slots__ = ()

    def __init__(self, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # how aiohttp switches the log off
            keepalive_timeout=KEEPALIVE_SECONDS,
        )

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond to malformed input without repeating it; faults of ours are logged as usual."""
        if status >= web.HTTPInternalServerError.status_code:
            return super().handle_error(request, status, exc, message)
        response = web.Response(status=status, text="This is not well-formed HTTP/1.1.\n")
        response.force_close()
        return response
