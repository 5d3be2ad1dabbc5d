"""TLS handshakes on real sockets: those that do not begin make room for others."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from exporter.server.handshakes import TlsListener
from exporter.server.listeners import bind
from tests.support.certificates import Certificate, make_certificate

LIMIT = 3


class Echo(asyncio.Protocol):
    """Sends back what it receives."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Send the data back."""
        self._transport.write(data)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Give a certificate for localhost."""
    return make_certificate(tmp_path_factory.mktemp("certificate"), "localhost")


async def listen(certificate: Certificate, *, seconds: float) -> tuple[TlsListener, int]:
    """Accept connections, with at most LIMIT handshakes."""
    bound = bind("127.0.0.1", 0)
    listener = TlsListener(
        bound,
        Echo,
        certificate.load(),
        handshake_seconds=seconds,
        shutdown_seconds=1,
        has_room=lambda number: number <= LIMIT,
    )
    return listener, bound.getsockname()[1]


def asked(port: int, trusted: Path) -> bytes:
    """Say hello over TLS; return the answer."""
    context = ssl.create_default_context(cafile=trusted)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"hello")
        return connection.recv(100)


def is_closed(client: socket.socket) -> bool:
    """Wait for the end of a connection; return whether it has come."""
    client.settimeout(5)
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


async def over_the_limit(certificate: Certificate) -> None:
    """Open more silent connections than allowed, then a good one."""
    listener, port = await listen(certificate, seconds=60)
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(LIMIT + 2)]
    assert await asyncio.to_thread(asked, port, certificate.chain) == b"hello"
    ended = await asyncio.gather(*(asyncio.to_thread(is_closed, one) for one in silent[:3]))
    assert ended == [True] * 3
    silent[-1].settimeout(0.1)
    with pytest.raises(TimeoutError):
        silent[-1].recv(1)
    listener.close()
    await asyncio.sleep(0.1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    for one in silent:
        one.close()


async def without_a_handshake(certificate: Certificate) -> None:
    """Open a silent connection and one without TLS, and a good one when they have ended."""
    listener, port = await listen(certificate, seconds=0.2)
    with (
        socket.create_connection(("127.0.0.1", port)) as silent,
        socket.create_connection(("127.0.0.1", port)) as plain,
    ):
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
        assert await asyncio.to_thread(is_closed, silent)
        plain.settimeout(5)
        while await asyncio.to_thread(plain.recv, 100):
            pass
    assert await asyncio.to_thread(asked, port, certificate.chain) == b"hello"
    listener.close()


@pytest.mark.parametrize("scenario", [over_the_limit, without_a_handshake])
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_handshakes(
    certificate: Certificate,
    scenario: Callable[[Certificate], Coroutine[Any, Any, None]],
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    """On both event loops silent clients take no room from others."""
    run(scenario(certificate))
