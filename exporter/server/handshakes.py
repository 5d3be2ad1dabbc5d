"""Accepts TLS connections, and limits those whose handshake is not complete.

asyncio's server reports a connection once its handshake is complete, so clients that never begin
one could use up all files.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

import structlog

_PAUSE_SECONDS = 1.0
"""Pause after a failure to accept, such as too many open files."""

log = structlog.get_logger()


class TlsListener:
    """Accepts connections on a bound socket; over the limit the oldest handshake is aborted."""

    def __init__(
        self,
        bound: socket.socket,
        connection: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        *,
        handshake_seconds: float,
        shutdown_seconds: float,
        has_room: Callable[[int], bool],
    ) -> None:
        """`has_room` returns whether a number of handshakes is within the limit."""
        self._bound = bound
        self._connection, self._context = connection, context
        self._handshake_seconds, self._shutdown_seconds = handshake_seconds, shutdown_seconds
        self._has_room = has_room
        self._loop = asyncio.get_running_loop()
        self._handshakes: dict[asyncio.Task[None], None] = {}
        """The handshakes, the oldest first."""
        self._accepting = self._loop.create_task(self._accept())

    def close(self) -> None:
        """Stop accepting; handshakes continue."""
        self._accepting.cancel()

    async def _accept(self) -> None:
        self._bound.setblocking(False)
        with self._bound:
            while True:
                try:
                    client, _ = await self._loop.sock_accept(self._bound)
                except OSError as error:
                    log.warning("cannot accept a connection", problem=error.strerror)
                    await asyncio.sleep(_PAUSE_SECONDS)
                else:
                    self._begin(client)

    def _begin(self, client: socket.socket) -> None:
        task = self._loop.create_task(self._shake_hands(client))
        self._handshakes[task] = None
        task.add_done_callback(lambda task: self._handshakes.pop(task, None))
        if not self._has_room(len(self._handshakes)):
            oldest = next(iter(self._handshakes))
            del self._handshakes[oldest]
            # Not before it has started, since only then is the socket closed.
            self._loop.call_soon(oldest.cancel)

    async def _shake_hands(self, client: socket.socket) -> None:
        with suppress(OSError):  # the client's fault; SSLError and timeouts are OSErrors
            await self._loop.connect_accepted_socket(
                self._connection,
                client,
                ssl=self._context,
                ssl_handshake_timeout=self._handshake_seconds,
                ssl_shutdown_timeout=self._shutdown_seconds,
            )
