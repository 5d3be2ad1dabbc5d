"""Bodies within bounds: of size, of time, and of all of them together."""

import asyncio

import pytest

from exporter import listeners
from exporter.errors import RequestError
from exporter.webhooks.bodies import Bodies
from exporter.webhooks.request import Request
from tests.support.exporter import TOKEN, Exporter, MakeSettings, started
from tests.webhooks.test_handler import RESULTS, outcome


class Refusals:
    """A handler that notes which request was refused, and why."""

    def __init__(self, bodies: Bodies) -> None:
        self.bodies = bodies
        self.reasons: dict[Request, str] = {}

    def begin(self, _request: Request) -> None:
        """Wait for the body."""

    def receive(self, _request: Request) -> None:
        """Never."""

    def refuse(self, request: Request, refusal: RequestError) -> None:
        """Wait for the body no more, as a connection does after an answer."""
        self.reasons[request] = refusal.reason
        self.bodies.leave(request)


class Arriving:
    """Bodies that arrive piece by piece."""

    def __init__(self, max_bytes: int = 1000, seconds: float = 60, limit: int = 10) -> None:
        self.bodies = Bodies(max_bytes, seconds, limit)
        self.handler = Refusals(self.bodies)

    def begin(self, size: int = 0) -> Request:
        """Begin a request, of whose body so much is there."""
        request = Request(lambda _request: None)
        request.handler = self.handler
        self.go_on(request, size)
        return request

    def go_on(self, request: Request, size: int) -> None:
        """Let more of a body arrive."""
        self.bodies.take(request, b"x" * size)
        self.bodies.wait_for(request)

    def refused(self, *requests: Request) -> list[str | None]:
        """Tell why each was refused, or None."""
        return [self.handler.reasons.get(request) for request in requests]


async def test_bytes_are_given_back() -> None:
    """What a body took is free again at its end, refused or not."""
    arriving = Arriving()
    first = arriving.begin(8)
    assert arriving.bodies.held == 8
    second = arriving.begin(1)
    arriving.go_on(second, 1)
    arriving.bodies.leave(second)
    assert arriving.bodies.held == 8
    arriving.bodies.leave(first)
    assert arriving.bodies.held == 0
    assert arriving.refused(first, second) == [None, None]


async def test_large_body_passes_alone() -> None:
    """A body over the whole bound is read if there is no other."""
    arriving = Arriving()
    request = arriving.begin(8)
    arriving.go_on(request, 8)
    assert arriving.refused(request) == [None]
    assert request.size == 16


async def test_body_does_not_make_room_for_itself() -> None:
    """Others go in turn for a body that arrives, and if that is not enough it goes itself."""
    arriving = Arriving()
    first, second = arriving.begin(1), arriving.begin(1)
    arriving.bodies.held += 8  # as of one that is complete at this moment
    arriving.go_on(first, 3)
    assert arriving.refused(first, second) == ["overloaded", "overloaded"]
    assert arriving.bodies.held == 8


async def test_room_is_made_for_no_more_than_needed() -> None:
    """The bodies that are waited for longest go first, and only as many as have to."""
    arriving = Arriving()
    requests = [arriving.begin(4) for _ in range(3)]
    assert arriving.refused(*requests) == ["overloaded", None, None]
    assert arriving.bodies.held == 8


async def test_late_body_is_refused() -> None:
    """A body has its time from its beginning; that it goes on arriving does not prolong it."""
    arriving = Arriving(seconds=0.1)
    late, done = arriving.begin(1), arriving.begin(1)
    arriving.bodies.leave(done)
    for _ in range(20):
        await asyncio.sleep(0.01)
        if arriving.refused(late) != [None]:
            break
        arriving.go_on(late, 0)
    assert arriving.refused(late, done) == ["body_timeout", None]
    assert not arriving.bodies.arriving


async def test_body_over_its_bound_is_refused() -> None:
    """One byte more than a body may have is too many, however it is cut."""
    arriving = Arriving(max_bytes=5)
    fits, large = arriving.begin(5), Request(lambda _request: None)
    large.handler = arriving.handler
    for _ in range(6):
        arriving.bodies.take(large, b"x")
    assert arriving.refused(fits, large) == [None, "too_large"]


async def test_stop_waits_for_no_body() -> None:
    """At the end all that are waited for are refused."""
    arriving = Arriving()
    requests = [arriving.begin(1) for _ in range(3)]
    arriving.bodies.hurry()
    assert arriving.refused(*requests) == ["draining"] * 3
    assert arriving.bodies.held == 0


async def test_bodies_held_back_make_room(exporter: Exporter) -> None:
    """At the bound the body that is waited for longest is given up with a 503 for a new one."""
    exporter.service.bodies.limit = 900
    port = int(exporter.ingest.rpartition(":")[2])
    head = f"POST {RESULTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    waiting = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{head}Content-Length: 600\r\n\r\n".encode() + b" " * 495)
        waiting.append((reader, writer))
        while not exporter.service.bodies.held:  # noqa: ASYNC110 - until the first is there
            await asyncio.sleep(0.01)
    first, second = waiting
    assert b'"overloaded"' in await first[0].readuntil(b"}")
    assert (await exporter.results(b'{"code": 2, "channel": "vivo"}'))[0] == 200
    second[1].write(b" " * 94 + b'{"code": 2}')
    assert b" 200 OK" in await second[0].readuntil(b"}")
    for _, writer in waiting:
        writer.close()
    assert exporter.service.bodies.held == 0
    assert await outcome(exporter, "results", "overloaded") == 1


async def test_client_that_waits_for_leave_to_send(exporter: Exporter) -> None:
    """`Expect: 100-continue` is answered before the body is waited for."""
    port = int(exporter.ingest.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {RESULTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    writer.write(f"{head}Expect: 100-continue\r\nContent-Length: 11\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b'{"code": 2}')
    assert b" 200 OK" in await reader.readuntil(b"}")
    writer.close()


async def test_stop_gives_up_what_never_arrives(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that does not arrive before the end of the drain is answered as `draining`."""
    monkeypatch.setattr(listeners, "DRAIN_SECONDS", 0.3)
    async with started(make_settings()) as exporter:
        port = int(exporter.ingest.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {RESULTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{{".encode())
        while not exporter.service.bodies.arriving:  # noqa: ASYNC110 - until the head is there
            await asyncio.sleep(0.01)
    assert b'"draining"' in await reader.readuntil(b"}")
    writer.close()
