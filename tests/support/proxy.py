"""A TCP proxy before a server, which cuts connections at a moment of the test's choice."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Cut = Callable[[bytes, bool], bool]
"""Whether to cut a connection at this piece of data, which came from the server or went there."""


class Proxy:
    """Forwards every connection, until `cut` returns true for one."""

    def __init__(self, port: int) -> None:
        self.cut: Cut = lambda _data, _from_server: False
        self.forward_last = True
        """Whether the piece at which a connection is cut still reaches the server."""
        self.cuts = 0
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no other connection."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._server))
                except OSError:
                    client.close()
                    continue
                for source, sink, from_server in ((client, server, False), (server, client, True)):
                    thread = threading.Thread(
                        target=self._pump, args=(source, sink, from_server), daemon=True
                    )
                    thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket, from_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self.cut(data, from_server):
                    self.cuts += 1
                    if self.forward_last and not from_server:
                        sink.sendall(data)
                    break
                sink.sendall(data)
        for writer in (source, sink):
            with contextlib.suppress(OSError):
                writer.shutdown(socket.SHUT_RDWR)
            writer.close()


@contextlib.contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """Run a proxy inside the block."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
