"""Connections within bounds: how many, how long, and what bad HTTP gets."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from exporter.errors import RequestError
from exporter.webhooks import connections
from exporter.webhooks.bodies import Bodies
from exporter.webhooks.connections import IngestServer
from exporter.webhooks.request import Request
from exporter.webhooks.responses import Answer
from tests.support.exporter import TOKEN, Exporter, MakeSettings, started
from tests.test_tls import Certificate, make_certificate

CALL = (
    f"POST /webhooks/results HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    'Content-Length: 11\r\n\r\n{"code": 2}'
).encode()


@pytest.fixture(autouse=True)
def _no_fault_is_logged() -> Iterator[None]:
    """Whatever a test sends, the exporter takes it for no fault of its own."""
    with capture_logs() as logs:
        yield
    assert not [line for line in logs if line["log_level"] in ("error", "critical")]


async def connect(exporter: Exporter) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to the public listener."""
    return await asyncio.open_connection("127.0.0.1", int(exporter.ingest.rpartition(":")[2]))


async def exchange(exporter: Exporter, request: bytes) -> bytes:
    """Send bytes and read until the exporter hangs up."""
    reader, writer = await connect(exporter)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the exporter hangs up before long."""
    try:
        return await asyncio.wait_for(reader.read(1), 5) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"nonsense\r\n\r\n",
        b"POST /webhooks/mps HTTP/9.9\r\n\r\n",
        b"POST /webhooks/mps HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /webhooks/mps HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /webhooks/mps HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /webhooks/mps HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"POST /webhooks/mps HTTP/1.1\r\n" + b"X: y\r\n" * 2000 + b"\r\n",
        b"POST /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["tls", "text", "version", "length", "lengths", "colon", "field", "fields", "target"],
)
async def test_what_is_not_http_gets_a_400(
    exporter: Exporter, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Malformed requests get a 400 as JSON, are counted, and leave no log line."""
    answer = await exchange(exporter, request_bytes)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert json.loads(body)["error"] == "malformed_request"
    requests = (await exporter.samples())["push_webhook_requests_total"]
    assert requests["unknown", "malformed_request"] == 1
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]
    assert (await exporter.results(b'{"code": 2}'))[0] == 200


async def test_pipelined_calls_are_answered_in_order(exporter: Exporter) -> None:
    """Calls on one connection are answered one after the other, the last one closes it."""
    last = CALL.replace(b"Host: x", b"Host: x\r\nConnection: close")
    answer = await exchange(exporter, CALL * 3 + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + last)
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", answer)
    assert statuses == [b"200", b"200", b"200", b"404", b"200"]
    assert await exporter.counted() == {("mps", "2", "info"): 4}


async def test_old_http_is_answered(exporter: Exporter) -> None:
    """HTTP/1.0 is answered and the connection closed, unless the client asks to keep it."""
    old = CALL.replace(b"HTTP/1.1", b"HTTP/1.0")
    answer = await exchange(exporter, old)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    kept = old.replace(b"Host: x", b"Host: x\r\nConnection: keep-alive")
    answer = await exchange(exporter, kept + old)
    assert b"Connection: keep-alive" in answer
    assert answer.count(b"200 OK") == 2


async def test_client_that_sends_no_more_gets_its_answers(exporter: Exporter) -> None:
    """Who closes its own half of the connection is answered, pipelined calls as well."""
    reader, writer = await connect(exporter)
    writer.write(CALL * 3)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 20)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert await exporter.counted() == {("mps", "2", "info"): 3}
    writer.close()


async def test_body_that_nobody_wants_is_passed_over(exporter: Exporter) -> None:
    """The body of a call to another path, or by another method, is not taken for a call."""
    stray = CALL.replace(b"/webhooks/results", b"/elsewhere")
    wrong = CALL.replace(b"POST", b"PUT")
    hidden = stray.replace(b"Content-Length: 11", b"Content-Length: %d" % len(CALL))[:-11] + CALL
    last = CALL.replace(b"Host: x", b"Host: x\r\nConnection: close")
    answer = await exchange(exporter, stray + wrong + hidden + last)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"404", b"405", b"404", b"200"]
    assert await exporter.counted() == {("mps", "2", "info"): 1}


async def test_body_that_nobody_wants_has_to_end(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is refused and goes on sending is hung up on after a while."""
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.2)
    async with started(make_settings()) as exporter:
        answer = await exchange(exporter, b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc")
        assert answer.startswith(b"HTTP/1.1 404 ")
        large = b"POST /webhooks/mps HTTP/1.1\r\nContent-Length: 9999999\r\n\r\nabc"
        assert (await exchange(exporter, large)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("target", "status"),
    [(b"/elsewhere", b"404"), (b"/webhooks/mps", b"413")],
)
async def test_refused_client_that_waits_for_leave_is_hung_up_on(
    exporter: Exporter, target: bytes, status: bytes
) -> None:
    """What follows the answer might be its body or its next call, and is neither."""
    head = b"POST %b HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n"
    answer = await exchange(exporter, head % target + CALL)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [status]
    assert b"\r\nConnection: close\r\n" in answer
    assert await exporter.counted() == {}


@pytest.mark.parametrize(
    "beginning",
    [
        b"POST /",
        b"POST / HTTP/1.1\r\nX: ",
        b"POST / HTTP/1.1\r\nX",
        CALL.replace(b"Content-Length: 11", b"Transfer-Encoding: chunked")[:-11] + b"0\r\nX: ",
        CALL.replace(b"Content-Length: 11", b"Transfer-Encoding: chunked")[:-11] + b"0;x=",
    ],
    ids=["target", "field", "name", "trailer", "chunk-extension"],
)
async def test_what_grows_without_end_is_refused(exporter: Exporter, beginning: bytes) -> None:
    """Whatever the parser would have to keep is bounded, piece by piece as well as at once."""
    reader, writer = await connect(exporter)
    writer.write(beginning)
    sent = 0
    while not writer.transport.is_closing() and sent < 1_000_000:
        writer.write(b"a" * 1000)
        sent += 1000
        await asyncio.sleep(0.001)
        if reader.at_eof() or reader._buffer:  # type: ignore[attr-defined]
            break
    assert sent <= 3 * connections.MAX_HEAD_BYTES
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_trailers_are_no_headers(exporter: Exporter) -> None:
    """What comes behind the body has no say in who sent it."""
    head = CALL.replace(b"Content-Length: 11", b"Transfer-Encoding: chunked")[:-11]
    bare = re.sub(rb"Authorization: [^\r]*\r\n", b"", head)
    end = f"0\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n".encode()
    answer = await exchange(exporter, bare + b'b\r\n{"code": 2}\r\n' + end + b"nonsense\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"401", b"400"]
    assert await exporter.counted() == {}


@pytest.mark.parametrize("encoding", [b"", b"Transfer-Encoding: identity\r\n"])
async def test_offer_of_another_protocol_hides_nothing(exporter: Exporter, encoding: bytes) -> None:
    """A head with an offer to upgrade is read as without: what frames its body frames it still."""
    offer = b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n" + encoding
    call = CALL.replace(b"Content-Length: 11\r\n", offer)[:-11] + b'b\r\n{"code": 2}\r\n0\r\n\r\n'
    answer = await exchange(exporter, call + b"nonsense\r\n\r\n")
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", answer)
    assert statuses == ([b"400"] if encoding else [b"200", b"400"])
    assert len(await exporter.counted()) == (0 if encoding else 1)


async def test_proxy_is_asked_in_vain(exporter: Exporter) -> None:
    """CONNECT to another host gets a 404 and the connection's end, whatever follows."""
    ask = b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\n\r\n"
    answer = await exchange(exporter, CALL + ask % len(CALL) + CALL)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"200", b"404"]
    assert await exporter.counted() == {("mps", "2", "info"): 1}


async def test_leave_to_send_is_given_in_turn(exporter: Exporter) -> None:
    """A client that waits for leave behind another call gets it after that call's answer."""
    reader, writer = await connect(exporter)
    expecting = CALL.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue")
    writer.write(CALL + expecting[:-11])
    assert b" 200 " in await reader.readuntil(b"}")
    assert b"HTTP/1.1 100 Continue\r\n\r\n" in await reader.readuntil(b"\r\n\r\n")
    writer.write(expecting[-11:])
    assert b" 200 " in await reader.readuntil(b"}")
    writer.write(expecting.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_head_request_has_no_body(exporter: Exporter) -> None:
    """HEAD gets the headers of a 405 alone."""
    request = b"HEAD /webhooks/mps HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await exchange(exporter, request)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nDate: " in head
    assert body == b""


async def test_idle_connections_make_room(make_settings: MakeSettings) -> None:
    """At the bound the oldest connection without a call goes; those that called are kept."""
    async with started(make_settings(max_connections=3)) as exporter:
        used_reader, used = await connect(exporter)
        used.write(CALL)
        await used_reader.readuntil(b"}")
        silent = [await connect(exporter) for _ in range(5)]
        try:
            assert await ended(silent[0][0])
            used.write(CALL)
            assert b" 200 " in await used_reader.readuntil(b"}")
            assert (await exporter.results(b'{"code": 2}'))[0] == 200
        finally:
            for _, writer in silent:
                writer.close()
            used.close()


async def test_connection_too_many_is_refused(make_settings: MakeSettings) -> None:
    """Where every connection is in a call, a further one is closed and the others go on."""
    async with started(make_settings(max_connections=1)) as exporter:
        reader, writer = await connect(exporter)
        writer.write(CALL[:-3])
        while not exporter.service.in_flight:  # noqa: ASYNC110 - as a client would look
            await asyncio.sleep(0.01)
        extra, other = await connect(exporter)
        assert await ended(extra)
        writer.write(CALL[-3:])
        assert b" 200 " in await reader.readuntil(b"}")
        other.close()
        writer.close()


async def test_connection_that_ended_makes_room(make_settings: MakeSettings) -> None:
    """Who has had the last answer and stays keeps nobody out."""
    async with started(make_settings(max_connections=2)) as exporter:
        refused = b"POST /webhooks/mps HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n"
        clients = [await connect(exporter) for _ in range(2)]
        for reader, writer in clients:
            writer.write(refused)
            await reader.readuntil(b"}")
        assert (await exporter.results(b'{"code": 2}'))[0] == 200
        for _, writer in clients:
            writer.close()


async def test_burst_stays_within_the_bound(make_settings: MakeSettings) -> None:
    """Connections that come all at once are no more than those that come one by one."""
    async with started(make_settings(max_connections=5)) as exporter:
        clients = await asyncio.gather(*(connect(exporter) for _ in range(50)))
        closed = 0
        async with asyncio.timeout(5):
            for reader, _ in clients[:45]:
                closed += await ended(reader)
        assert closed == 45
        assert (await exporter.results(b'{"code": 2}'))[0] == 200
        for _, writer in clients:
            writer.close()


async def test_head_has_to_arrive(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that dribbles its first head is closed, while one that called stays open."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    async with started(make_settings()) as exporter:
        slow_reader, slow = await connect(exporter)
        used_reader, used = await connect(exporter)
        used.write(CALL)
        await used_reader.readuntil(b"}")
        slow.write(b"POST /webhooks/mps HTTP/1.1\r\nX: ")
        assert await ended(slow_reader)
        used.write(CALL)
        assert b" 200 " in await used_reader.readuntil(b"}")
        slow.close()
        used.close()


class Slow:
    """Answers each request after a while."""

    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.refused: list[str] = []

    def begin(self, _request: Request) -> None:
        """Wait for the body."""

    def receive(self, request: Request) -> None:
        """Answer soon."""
        self.called.set()
        asyncio.get_running_loop().call_later(0.05, request.answer, Answer(200, {}))

    def refuse(self, request: Request, refusal: RequestError) -> None:
        """Note the refusal."""
        self.refused.append(refusal.reason)
        request.answer(Answer(400, {}))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Give a certificate for this host."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "exporter")


@asynccontextmanager
async def serving(
    handler: Slow, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[IngestServer, int]]:
    """Serve one path inside the block; give the server and its port."""
    server = IngestServer(
        {"/": handler},
        not_found=lambda request: request.answer(Answer(404, {})),
        malformed=lambda: Answer(400, {}, hang_up=True),
        bodies=Bodies(100, 5),
        max_connections=10,
    )
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=context)
    yield server, listener.sockets[0].getsockname()[1]
    listener.close()
    await server.close(1)
    await listener.wait_closed()


@pytest.mark.parametrize(
    ("request_bytes", "called"),
    [
        (b"", False),
        (b"POST / HT", False),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n", True),
    ],
    ids=["before", "in-a-head", "in-a-body", "in-a-call", "in-the-next-head"],
)
@pytest.mark.parametrize("read", [False, True], ids=["at-once", "later"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
async def test_connections_leave_nothing_behind(
    request_bytes: bytes, called: bool, read: bool, encrypted: bool, certificate: Certificate
) -> None:
    """A client that goes, before, in or after a call, is forgotten altogether."""
    handler, context, trusted = Slow(), None, None
    if encrypted:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.chain, certificate.key)
        trusted = ssl.create_default_context(cafile=certificate.chain)
    async with serving(handler, context) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted)
        writer.write(request_bytes)
        if called:
            await handler.called.wait()
        if called and read:
            await reader.readuntil(b"\r\n\r\n")
        elif read:
            await asyncio.sleep(0.05)
        writer.transport.abort()
        lines = (server.uncalled, server.idle, server.lingering, server.bodies.arriving)
        async with asyncio.timeout(10):
            while server.connections or any(lines) or server.bodies.held:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_answers_keep_their_order() -> None:
    """A call that is answered at once waits for those before it on its connection."""
    async with serving(Slow()) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        slow, quick = b"GET / HTTP/1.1\r\n\r\n", b"GET /elsewhere HTTP/1.1\r\n\r\n"
        writer.write((slow + quick) * 20 + b"nonsense\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 20)
        assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"200", b"404"] * 20 + [b"400"]
        writer.close()


async def test_fault_in_a_handler_ends_its_connection_alone() -> None:
    """An exception that no handler should let out is logged; others are served."""

    class Faulty(Slow):
        def begin(self, _request: Request) -> None:
            raise RuntimeError("a fault")

    async with serving(Faulty()) as (server, port):
        with capture_logs() as logs:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await ended(reader)
            writer.close()
        assert [line["event"] for line in logs] == ["a connection had to be given up"]
        assert not server.connections
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /elsewhere HTTP/1.1\r\n\r\n")
        assert b" 404 " in await reader.readuntil(b"\r\n\r\n")
        writer.close()


class Large(Slow):
    """Answers each request at once, at length."""

    def begin(self, request: Request) -> None:
        """Answer."""
        request.answer(Answer(200, "x" * 100_000))


async def test_client_that_does_not_read_is_not_read_from() -> None:
    """While answers pile up no more calls are taken; all are answered once they are read."""
    async with serving(Large()) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        calls, sent = b"GET / HTTP/1.1\r\n\r\n" * 10, 0
        async with asyncio.timeout(20):
            while not any(one._blocked for one in server.connections):
                writer.write(calls)
                sent += 10
                await asyncio.sleep(0.01)
            [connection] = server.connections
            assert not connection._reading
            writer.write_eof()
            answers = await reader.read()
        assert answers.count(b"HTTP/1.1 200 OK") == sent
        writer.close()


async def test_stop_does_not_wait_for_those_who_do_not_read() -> None:
    """At the end a connection has a moment to take its answers."""
    async with serving(Large()) as (server, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 200)
        async with asyncio.timeout(20):
            while not any(one._blocked for one in server.connections):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await server.close(0.1)
            while server.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        writer.close()
