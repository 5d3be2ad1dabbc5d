"""Requests that are no HTTP/1.1, read by aiohttp's own parser."""

import asyncio
import ssl

import pytest
from aiohttp import web

from exporter.errors import Reason, RequestError
from exporter.webhooks.malformed import malformed_request


async def exchange(sent: bytes) -> RequestError:
    """Send bytes to aiohttp's own parser; return the error that its message stands for."""
    found: list[str | None] = []

    class Connection(web.RequestHandler):
        def handle_error(
            self,
            request: web.BaseRequest,
            status: int = 500,
            exc: BaseException | None = None,
            message: str | None = None,
        ) -> web.StreamResponse:
            del request, exc
            found.append(message)
            return web.Response(status=status)

    async def accept(_request: web.BaseRequest) -> web.Response:
        return web.Response()

    server = web.Server(accept)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: Connection(server, loop=loop, access_log=None),  # type: ignore[arg-type]
        "127.0.0.1",
    )
    async with listening:
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        writer.write(sent)
        await reader.read()
        writer.close()
    await server.shutdown()
    return malformed_request(found[0])


def client_hello() -> bytes:
    """Return the first bytes of a real TLS client."""
    sent = ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="push.example.com")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


PROXY_V2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x01\xbb\x01\xbb"


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        (client_hello(), "INGEST_TLS_CERT_FILE"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nPOST / HTTP/1.1\r\n\r\n", "PROXY protocol"),
        (b"PROXY UNKNOWN\r\nPOST / HTTP/1.1\r\n\r\n", "PROXY protocol"),
        (PROXY_V2 + b"POST / HTTP/1.1\r\n\r\n", "PROXY protocol"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
        (b"\x00\x01\x02\x03\r\n\r\n", "not well-formed HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", "not well-formed HTTP/1.1"),
        (b"PROXYING / HTTP/1.1\r\n\r\n", "not well-formed HTTP/1.1"),
    ],
    ids=["tls", "proxy-1", "proxy-unknown", "proxy-2", "http-2", "binary", "header", "method"],
)
@pytest.mark.filterwarnings("ignore")
async def test_other_protocols_are_named(sent: bytes, named: str) -> None:
    """TLS, the PROXY protocol and HTTP/2 are recognized by their first bytes, and not repeated."""
    error = await exchange(sent)
    assert error.reason is Reason.MALFORMED_REQUEST
    assert named in error.detail
    assert "192.0.2" not in error.detail
