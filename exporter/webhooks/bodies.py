"""Bodies of webhook calls within bounds: of size, of time, and of all of them together."""

from exporter.errors import RequestError
from exporter.reasons import Reason
from exporter.webhooks.request import Request
from exporter.webhooks.waiting import WaitingLine

MAX_BYTES_HELD = 64 * 1024 * 1024
"""Bytes of all bodies that are arriving."""


class Bodies:
    """The bodies that have begun to arrive, over all connections."""

    def __init__(self, max_bytes: int, seconds: float, limit: int = MAX_BYTES_HELD) -> None:
        self.max_bytes = max_bytes
        """Bytes of one body."""
        self.limit = limit
        self.held = 0
        """Bytes of the bodies that are waited for."""
        self.arriving: WaitingLine[Request] = WaitingLine(seconds, self._late)

    def check(self, request: Request) -> None:
        """Raise RequestError if the head announces a body that will not be read."""
        encoding = request.headers.get("content-encoding", "identity")
        if encoding.strip().lower() != "identity":
            raise RequestError(
                Reason.UNSUPPORTED_ENCODING, "Send the body as it is, without Content-Encoding."
            )
        if int(request.headers.get("content-length", 0)) > self.max_bytes:
            raise self._too_large()

    def take(self, request: Request, piece: bytes) -> None:
        """Add a piece to a body; refuse the request if that makes it too large."""
        request.take(piece)
        if request.size > self.max_bytes:
            request.refuse(self._too_large())

    def wait_for(self, request: Request) -> None:
        """Give the rest of a body its time; count what is there, and make room for it."""
        self.arriving.join(request)
        more = request.size - request.counted
        request.counted += more
        self.held += more
        if self.held > self.limit:
            self._make_room(request)

    def leave(self, request: Request) -> None:
        """Wait for a body no more: it is complete, or nobody wants it."""
        self.arriving.leave(request)
        self.held -= request.counted
        request.counted = 0

    def hurry(self) -> None:
        """Wait for no body any more, since the exporter stops."""
        for request in self.arriving:
            request.refuse(RequestError(Reason.DRAINING, "The exporter is stopping."))

    def _make_room(self, newcomer: Request) -> None:
        """Give up the bodies that are waited for longest, or, if need be, the newcomer."""
        reason = RequestError(
            Reason.OVERLOADED, "Too many bytes of other calls are being read; slow down."
        )
        for request in self.arriving:
            if self.held > self.limit and request is not newcomer:
                request.refuse(reason)
        # A body larger than the whole bound must pass at some time: alone.
        if self.held > self.limit and self.held > newcomer.counted:
            newcomer.refuse(reason)

    def _late(self, request: Request) -> None:
        seconds = self.arriving.seconds
        request.refuse(
            RequestError(Reason.BODY_TIMEOUT, f"The body did not arrive in {seconds:g} s.")
        )

    def _too_large(self) -> RequestError:
        return RequestError(Reason.TOO_LARGE, f"The body is larger than {self.max_bytes} bytes.")
