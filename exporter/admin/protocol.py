"""aiohttp's connection on the private listener: discreet about what is not HTTP."""

from aiohttp import web


class AdminConnection(web.RequestHandler):
    """A connection of a scraper or a person.

    aiohttp would log a malformed request with a traceback and send it back, a password in it too.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond to what is not HTTP without a word of it; a fault of ours is logged as ever."""
        if status >= web.HTTPInternalServerError.status_code:
            return super().handle_error(request, status, exc, message)
        response = web.Response(status=status, text="This is not well-formed HTTP/1.1.\n")
        response.force_close()
        return response
