"""The bounds of the public listener, each on real sockets."""

import asyncio
import errno
import gzip
import inspect
import json
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import fields
from functools import partial

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from exporter.errors import Reason, RequestError
from exporter.webhooks.limits import ArrivingBytes, Bodies, Connections, Limits
from tests.support.exporter import TOKEN, Exporter, MakeSettings, started
from tests.support.programs import until

HEADERS = f"POST /webhooks/results HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
REQUEST = f'{HEADERS}Content-Length: 11\r\n\r\n{{"code": 2}}'.encode()
UNFINISHED = REQUEST[:-3]


@pytest.fixture(autouse=True)
def _no_internal_error_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that no action of a client was logged as an internal error."""
    with capture_logs() as logs:
        yield
    assert [line for line in logs if line["log_level"] in ("error", "critical")] == []
    assert [line for line in caplog.records if line.name.startswith("aiohttp")] == []


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the exporter closes the connection before long."""
    try:
        return await asyncio.wait_for(reader.read(1), 5) == b""
    except ConnectionError:  # closed while the test was sending
        return True


def in_flight(exporter: Exporter, number: int) -> bool:
    """Whether so many requests have begun and have no response yet."""
    return exporter.in_flight == number


async def test_every_bound_has_a_number_and_a_reason() -> None:
    """The table has a purpose for each bound."""
    text = inspect.getsource(Limits)
    for field in fields(Limits):
        declaration = text.partition(f"    {field.name}: ")[2].splitlines()
        assert " = " in declaration[0]
        assert declaration[1].lstrip().startswith('"""')


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /webhooks/mps HTTP/1.1\r\nX: ",  # headers that never end
        b"",
    ],
    ids=["dribbled", "silent"],
)
async def test_first_headers_have_their_time(make_settings: MakeSettings, sent: bytes) -> None:
    """A connection without headers is closed in time; one that has made a request stays open."""
    async with started(make_settings(), Limits(header_timeout_seconds=0.5)) as exporter:
        used_reader, used = await exporter.connect()
        used.write(REQUEST)
        await used_reader.readuntil(b"}")
        reader, slow = await exporter.connect()
        for byte in sent:
            slow.write(bytes([byte]))
            await asyncio.sleep(0.005)
        assert await closed(reader)
        used.write(REQUEST)
        assert b" 200 " in await used_reader.readuntil(b"}")
        slow.close()
        used.close()


def with_headers(size: int) -> bytes:
    """Make a request with further headers of a size, in bytes."""
    header = b"X: " + b"x" * 995 + b"\r\n"
    return REQUEST.replace(b"\r\n\r\n", b"\r\n" + header * (size // 1000) + b"\r\n")


@pytest.mark.parametrize(("size", "status"), [(15_000, 200), (17_000, 400), (60_000, 400)])
async def test_headers_are_bounded_together(exporter: Exporter, size: int, status: int) -> None:
    """The headers of a request have a maximum size, besides that of each."""
    reader, writer = await exporter.connect()
    writer.write(with_headers(size))
    answered = await reader.readuntil(b"}")
    assert b" %d " % status in answered
    assert (b'"malformed_request"' in answered) == (status == 400)
    writer.close()


async def test_unfinished_headers_are_bounded(exporter: Exporter) -> None:
    """Headers that never end are refused at their maximum size, however they arrive."""
    reader, writer = await exporter.connect()
    sent = with_headers(60_000)[: Limits().max_head_bytes]
    for start in range(0, len(sent), 4000):
        writer.write(sent[start : start + 4000])
        await asyncio.sleep(0.01)
    writer.write(b"x")
    answered = await reader.readuntil(b"}")
    assert b" 400 " in answered
    assert b'"malformed_request"' in answered
    assert await closed(reader)
    writer.close()


async def test_unfinished_headers_are_bounded_behind_a_request(exporter: Exporter) -> None:
    """What is pipelined behind a request is bounded, too, unless it is requests."""
    reader, writer = await exporter.connect()
    writer.write(REQUEST * 300)
    for _ in range(300):
        assert b" 200 OK" in await reader.readuntil(b"}")
    await asyncio.sleep(1.2)
    writer.write(REQUEST + with_headers(60_000)[:-20])
    assert b" 200 OK" in await reader.readuntil(b"}")
    assert await closed(reader)
    writer.close()


async def test_bodies_are_no_headers(exporter: Exporter) -> None:
    """Bytes of bodies, also of unread ones, leave the room for the headers of later requests."""
    reader, writer = await exporter.connect()
    body = b" " * 40_000
    unread = b"POST /elsewhere HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\n\r\n"
    chunked = HEADERS.encode() + b"Transfer-Encoding: chunked\r\n\r\n9c40\r\n" + body
    for _ in range(3):
        writer.write(unread)
        assert b" 404 " in await reader.readuntil(b"}")
        writer.write(body)
        for part in (REQUEST[:-30], REQUEST[-30:], chunked, b'\r\nb\r\n{"code": 2}\r\n0\r\n\r\n'):
            await asyncio.sleep(0.01)
            writer.write(part)
        for _ in range(2):
            assert b" 200 OK" in await reader.readuntil(b"}")
    writer.close()


@pytest.mark.parametrize(("connections", "handshakes"), [(50, 50), (1, 32)])
def test_handshakes_have_the_room_of_connections(connections: int, handshakes: int) -> None:
    """TLS handshakes count as connections, but a few are possible beside any number of them."""
    limits = Limits(max_connections=connections)
    subject = Connections(limits, Bodies(limits))
    assert (subject.has_room(handshakes), subject.has_room(handshakes + 1)) == (True, False)


async def test_idle_connection_is_closed(make_settings: MakeSettings) -> None:
    """A connection ends when no further headers come, dribbled ones included."""
    async with started(make_settings(), Limits(idle_seconds=0.5)) as exporter:
        clients = [await exporter.connect() for _ in range(2)]
        for reader, writer in clients:
            writer.write(REQUEST)
            await reader.readuntil(b"}")
        clients[1][1].write(b"POST /webh")
        for reader, writer in clients:
            await reader.read(1000)  # the rest of the response
            assert await closed(reader)
            writer.close()


async def test_each_response_restarts_the_idle_time(make_settings: MakeSettings) -> None:
    """A load balancer's connection that is used within KEEPALIVE_SECONDS is never closed."""
    async with started(make_settings(keepalive_seconds=1)) as exporter:
        reader, writer = await exporter.connect()
        for _ in range(4):
            writer.write(REQUEST)
            assert b" 200 " in await reader.readuntil(b"}")
            await asyncio.sleep(0.4)
        writer.close()


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        (f"{HEADERS}Content-Length: 1001\r\n\r\n".encode(), 413, "too_large"),
        (f"{HEADERS}Content-Length: 1001\r\n\r\n{' ' * 1001}".encode(), 413, "too_large"),
        (
            f"{HEADERS}Transfer-Encoding: chunked\r\n\r\n".encode() + b"64\r\n%100d\r\n" % 1 * 11,
            413,
            "too_large",
        ),
        (
            f"{HEADERS}Transfer-Encoding: chunked\r\n\r\n3e9\r\n{' ' * 1001}\r\n0\r\n\r\n".encode(),
            413,
            "too_large",
        ),
        (f"{HEADERS}Content-Length: 11\r\n\r\n{{".encode(), 408, "body_timeout"),
        (f"{HEADERS}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n".encode(), 408, "body_timeout"),
    ],
    ids=["announced", "sent", "chunks", "all at once", "slow", "slow chunks"],
)
async def test_body_has_its_size_and_its_time(
    make_settings: MakeSettings, sent: bytes, status: int, reason: str
) -> None:
    """A body that is too large or too slow is refused, counted, and its connection closed."""
    limits = Limits(max_body_bytes=1000, body_seconds=0.5, linger_seconds=0.5)
    async with started(make_settings(), limits) as exporter:
        response = await exporter.exchange(sent)
        assert response.startswith(f"HTTP/1.1 {status} ".encode())
        assert json.loads(response.partition(b"\r\n\r\n")[2])["error"] == reason
        requests = await exporter.series("push_webhook_requests_total")
        assert requests["results", reason] == 1
        assert exporter.in_flight == 0


async def test_largest_body_is_taken(make_settings: MakeSettings) -> None:
    """A body of just the bound is read, packed or not."""
    body = b'{"code": 2}'.ljust(1000)
    async with started(make_settings(), Limits(max_body_bytes=1000)) as exporter:
        assert (await exporter.results(body))[0] == 200
        assert (await exporter.results(gzip.compress(body), Content_Encoding="gzip"))[0] == 200


def packed(*parts: bytes) -> bytes:
    """Pack each part with gzip, one behind the other."""
    return b"".join(gzip.compress(part, mtime=0) for part in parts)


PACKED = {
    "gzip": (packed(b'{"code": 2}'), "gzip", 200, None),
    "two in a row": (packed(b'{"code"', b": 2}"), "gzip", 200, None),
    "sixty-four": (packed(b'{"code": 2}', *[b""] * 63), "gzip", 200, None),
    "one too many": (packed(b'{"code": 2}', *[b""] * 64), "gzip", 400, "malformed_body"),
    "other spelling": (packed(b'{"code": 2}'), " X-GZIP , identity", 200, None),
    "identity": (b'{"code": 2}', "identity", 200, None),
    "bomb": (packed(bytes(10**8)), "gzip", 413, "too_large"),
    "one byte too many": (packed(b" " * 100_001), "gzip", 413, "too_large"),
    "cut off": (packed(b'{"code": 2}')[:-4], "gzip", 400, "malformed_body"),
    "not gzip": (b'{"code": 2}', "gzip", 400, "malformed_body"),
    "brotli": (b'{"code": 2}', "br", 415, "unsupported_encoding"),
    "deflate": (b'{"code": 2}', "deflate", 415, "unsupported_encoding"),
    "twice": (packed(packed(b'{"code": 2}')), "gzip, gzip", 415, "unsupported_encoding"),
}


@pytest.mark.parametrize("name", PACKED)
async def test_packed_bodies(make_settings: MakeSettings, name: str) -> None:
    """Gzip is unpacked within the bound on bodies; every other encoding is refused."""
    body, encoding, status, reason = PACKED[name]
    async with started(make_settings(), Limits(max_body_bytes=100_000)) as exporter:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Encoding": encoding}
        async with exporter.client.post(
            exporter.ingest + "/webhooks/results", data=body, headers=headers
        ) as response:
            assert (response.status, (await response.json()).get("error")) == (status, reason)
            assert ("Accept-Encoding" in response.headers) == (status == 415)


async def test_client_that_leaves_in_its_body_is_counted(exporter: Exporter) -> None:
    """A body that breaks off is a refused request, and nothing of it is counted."""
    _, writer = await exporter.connect()
    writer.write(UNFINISHED)
    await until(lambda: exporter.in_flight)
    writer.transport.abort()
    await until(lambda: not exporter.in_flight)
    requests = await exporter.series("push_webhook_requests_total")
    assert requests["results", "malformed_body"] == 1
    assert await exporter.counted() == {}


@pytest.mark.parametrize("expect", ["", "Expect: 100-continue\r\n"])
async def test_connection_that_closes_before_its_request_is_handled_is_counted(
    make_settings: MakeSettings, expect: str
) -> None:
    """A request whose connection closes before it is handled is counted as aborted."""
    async with started(make_settings(max_connections=1)) as exporter:
        reader, writer = await exporter.connect()
        writer.write(REQUEST)
        await reader.readuntil(b"}")
        with socket.socket() as other:
            # Both arrive in one iteration of the exporter's event loop, which closes the first
            # connection, idle as far as it knows, in favor of the second.
            other.connect(writer.get_extra_info("peername"))
            writer.write(f"{HEADERS}{expect}Content-Length: 11\r\n\r\n".encode())
            time.sleep(0.1)  # noqa: ASYNC251 - blocks the event loop on purpose
            with suppress(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 5)
            requests = await exporter.series("push_webhook_requests_total")
        writer.close()
    seen = {labels: value for labels, value in requests.items() if value}
    # From Python 3.12 on the handler begins at once, and its body makes way.
    reason = "malformed_body" if sys.version_info < (3, 12) else "overloaded"
    assert seen == {("results", "accepted"): 1, ("results", reason): 1}


@asynccontextmanager
async def server_of(
    receive: Callable[[web.Request], Awaitable[web.Response]],
) -> AsyncIterator[tuple[str, int]]:
    """Serve requests by one handler inside the block; give the address."""
    app = web.Application()
    app.router.add_post("/webhooks/results", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0]
    finally:
        await runner.cleanup()


async def test_body_of_a_closed_connection_broke_off() -> None:
    """It does so whether or not the client had gone before its body was asked for."""
    reasons: asyncio.Queue[Reason] = asyncio.Queue()

    async def receive(request: web.Request) -> web.Response:
        await until(lambda: request.transport is None)
        with pytest.raises(RequestError) as refused:
            await Bodies(Limits()).read(request)
        reasons.put_nowait(refused.value.reason)
        return web.Response()

    async with server_of(receive) as address:
        with socket.create_connection(address) as client:
            client.sendall(UNFINISHED)
        assert await asyncio.wait_for(reasons.get(), 5) is Reason.MALFORMED_BODY


async def test_body_of_a_lost_connection_is_refused() -> None:
    """A connection that the kernel gives up while a body arrives (ETIMEDOUT) ends the body."""
    reasons: asyncio.Queue[Reason] = asyncio.Queue()

    async def receive(request: web.Request) -> web.Response:
        reading = asyncio.create_task(Bodies(Limits()).read(request))
        await asyncio.sleep(0.05)
        request.content.set_exception(TimeoutError(errno.ETIMEDOUT, "Connection timed out"))
        with pytest.raises(RequestError) as refused:
            await reading
        reasons.put_nowait(refused.value.reason)
        return web.Response()

    async with server_of(receive) as address:
        with socket.create_connection(address) as client:
            client.sendall(UNFINISHED)
            assert await asyncio.wait_for(reasons.get(), 5) is Reason.BODY_TIMEOUT


async def test_bytes_of_all_bodies_are_bounded(make_settings: MakeSettings) -> None:
    """At the bound the body that has been arriving longest makes way for a new one."""
    async with started(make_settings(), Limits(max_arriving_bytes=900)) as exporter:
        waiting = []
        for number in range(2):
            reader, writer = await exporter.connect()
            writer.write(f"{HEADERS}Content-Length: 600\r\n\r\n".encode() + b" " * 495)
            waiting.append((reader, writer))
            if not number:
                await until(lambda: exporter.in_flight)
        (first, _), (second, writer) = waiting
        assert b'"overloaded"' in await first.readuntil(b"}")
        assert (await exporter.results(b'{"code": 2, "channel": "vivo"}'))[0] == 200
        writer.write(b" " * 94 + b'{"code": 2}')
        assert b" 200 OK" in await second.readuntil(b"}")
        for _, each in waiting:
            each.close()


async def test_body_above_the_bound_on_all_passes_alone(make_settings: MakeSettings) -> None:
    """No body is too large for the sum that is not too large for itself."""
    async with started(make_settings(), Limits(max_arriving_bytes=10)) as exporter:
        reader, writer = await exporter.connect()
        writer.write(f"{HEADERS}Content-Length: 31\r\n\r\n".encode() + b" " * 20)
        await until(lambda: exporter.in_flight)
        writer.write(b'{"code": 2}')
        assert b" 200 OK" in await reader.readuntil(b"}")
        writer.close()


async def test_idle_connections_are_closed_for_new_ones(make_settings: MakeSettings) -> None:
    """At the bound the connection that has been idle longest is closed for a new one."""
    async with started(make_settings(max_connections=4)) as exporter:
        used_reader, used = await exporter.connect()
        used.write(REQUEST)
        await used_reader.readuntil(b"}")
        used.write(UNFINISHED)
        await until(lambda: exporter.in_flight)
        clients = await asyncio.gather(*(exporter.connect() for _ in range(50)))
        for reader, _ in clients[:40]:
            assert await closed(reader)
        assert (await exporter.results(b'{"code": 2}'))[0] == 200
        used.write(REQUEST[-3:])
        assert b" 200 " in await used_reader.readuntil(b"}")
        for _, writer in [*clients, (used_reader, used)]:
            writer.close()


async def test_slow_bodies_do_not_keep_others_out(make_settings: MakeSettings) -> None:
    """Where every connection has a body that is arriving, the oldest makes way."""
    async with started(make_settings(max_connections=2)) as exporter:
        slow = []
        for number in range(2):
            slow.append(await exporter.connect())
            slow[-1][1].write(UNFINISHED)
            await until(partial(in_flight, exporter, number + 1))
        assert (await exporter.results(b'{"code": 2}'))[0] == 200
        assert b'"overloaded"' in await slow[0][0].readuntil(b"}")
        slow[1][1].write(REQUEST[-3:])
        assert b" 200 " in await slow[1][0].readuntil(b"}")
        for _, writer in slow:
            writer.close()


async def test_connection_too_many_is_closed(make_settings: MakeSettings) -> None:
    """Where every connection waits for its response, a further one is closed."""
    settings = make_settings(max_connections=1)
    async with started(settings) as exporter:
        with closing(sqlite3.connect(settings.ledger_path, isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")  # nothing can be committed
            reader, writer = await exporter.connect()
            writer.write(REQUEST)
            await until(lambda: exporter.hub.ledger.pending)
            extra, other = await exporter.connect()
            assert await closed(extra)
            lock.execute("ROLLBACK")
        assert b" 200 " in await reader.readuntil(b"}")
        other.close()
        writer.close()


async def test_evicted_body_counts_no_more() -> None:
    """What still arrives of an evicted body is not counted against the others."""
    arriving = ArrivingBytes(10)
    async with asyncio.timeout(None) as evicted, asyncio.timeout(None) as other:  # noqa: ASYNC100
        arriving.begin(evicted)
        assert arriving.evict()
        evicted.reschedule(None)
        arriving.add(evicted, 100)
        assert not arriving.end(evicted)
        arriving.begin(other)
        arriving.add(other, 10)
        assert arriving.end(other)


async def test_pause_of_the_exporter_is_not_the_senders(make_settings: MakeSettings) -> None:
    """A body that arrived while the event loop was held is read, however long that took."""
    async with started(make_settings(), Limits(body_seconds=0.2)) as exporter:
        reader, writer = await exporter.connect()
        writer.write(REQUEST[:-3])
        await until(lambda: exporter.in_flight)
        writer.write(REQUEST[-3:])
        time.sleep(0.5)  # noqa: ASYNC251 - this holds the loop
        assert b" 200 " in await reader.readuntil(b"}")
        writer.close()


async def test_body_that_trickles_is_refused(make_settings: MakeSettings) -> None:
    """A body that arrives byte by byte has a bound on its whole time."""
    limits = Limits(body_seconds=0.3, whole_body_seconds=0.5)
    async with started(make_settings(), limits) as exporter:
        reader, writer = await exporter.connect()
        writer.write(f"{HEADERS}Content-Length: 1000\r\n\r\n".encode())
        trickle = asyncio.create_task(_trickle(writer))
        response = await reader.readuntil(b"}")
        trickle.cancel()
        assert response.startswith(b"HTTP/1.1 408 ")
        assert b"Retry-After: 2" in response
        assert b"within 0.5 s" in response
        writer.close()


async def _trickle(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b" ")
        await asyncio.sleep(0.05)


async def test_stop_refuses_bodies_that_never_arrive(make_settings: MakeSettings) -> None:
    """A body that has not arrived at the end of the drain is refused as `draining`."""
    async with started(make_settings(), Limits(drain_seconds=0.3)) as exporter:
        reader, writer = await exporter.connect()
        writer.write(UNFINISHED)
        await until(lambda: exporter.in_flight)
    assert b'"draining"' in await reader.readuntil(b"}")
    writer.close()


async def test_stop_serves_open_connections(make_settings: MakeSettings) -> None:
    """A request on an open connection right after the stop is served, and the connection closed."""
    settings = make_settings()
    stopping = asyncio.Event()

    async def run() -> None:
        async with started(settings) as exporter:
            reader, writer = await exporter.connect()
            writer.write(REQUEST)
            await reader.readuntil(b"}")
            connected.set_result((exporter, reader, writer))
            await stopping.wait()

    connected: asyncio.Future[tuple[Exporter, asyncio.StreamReader, asyncio.StreamWriter]] = (
        asyncio.get_running_loop().create_future()
    )
    running = asyncio.create_task(run())
    exporter, reader, writer = await connected
    stopping.set()
    await until(lambda: exporter.service.draining)
    writer.write(REQUEST)
    response = await reader.read()
    assert b" 200 " in response
    assert b"Connection: close" in response
    await running
    writer.close()
