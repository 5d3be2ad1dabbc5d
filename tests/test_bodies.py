"""Bodies within bounds: of all of them together."""

import asyncio

import pytest

from exporter import listeners
from exporter.bodies import Bodies
from exporter.errors import Refusal
from tests.conftest import TOKEN, Exporter, MakeSettings, started
from tests.test_ingest import RESULTS, outcome


def test_bytes_are_given_back() -> None:
    """What a call took is free again at its end, refused or not."""
    bodies = Bodies(limit=10)
    with bodies.hold() as first:
        first.take(b"12345678")
        with pytest.raises(Refusal, match="slow down"), bodies.hold() as second:
            second.take(b"123")
        assert bodies.held == 8
    assert bodies.held == 0


def test_large_body_passes_alone() -> None:
    """A body over the whole bound is read if there is no other."""
    bodies = Bodies(limit=10)
    with bodies.hold() as held:
        assert held.take(b"x" * 8) + held.take(b"y" * 8) == b"x" * 8 + b"y" * 8


async def test_bodies_held_back_make_room(exporter: Exporter) -> None:
    """At the bound the body that is waited for longest is given up with a 503 for a new call."""
    exporter.service.bodies.limit = 1000
    port = int(exporter.ingest.rpartition(":")[2])
    head = f"POST {RESULTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    waiting = []
    for number in range(1, 3):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{head}Content-Length: 600\r\n\r\n".encode() + b" " * 495)
        waiting.append((reader, writer))
        while exporter.service.bodies.held < 495 * number:  # noqa: ASYNC110 - until it is there
            await asyncio.sleep(0.01)
    assert (await exporter.results(b'{"code": 2, "channel": "vivo"}'))[0] == 200
    first, second = waiting
    assert b'"overloaded"' in await first[0].readuntil(b"}")
    second[1].write(b" " * 94 + b'{"code": 2}')
    assert b" 200 OK" in await second[0].readuntil(b"}")
    for _, writer in waiting:
        writer.close()
    assert exporter.service.bodies.held == 0
    assert await outcome(exporter, "results", "overloaded") == 1


async def test_body_does_not_make_room_for_itself() -> None:
    """A body that arrives is refused if all that could go for it is itself; others go in turn."""
    bodies = Bodies(limit=10)
    async with asyncio.timeout(60) as clock:  # noqa: ASYNC100 - its clock is what is needed
        with bodies.hold() as complete, bodies.hold() as first, bodies.hold() as second:
            complete.take(b"12345678")
            bodies.arriving[first] = bodies.arriving[second] = clock
            with pytest.raises(Refusal, match="slow down"):
                first.take(b"1234")
            assert second.refusal is not None
            assert first.refusal is None
    assert bodies.held == 0


async def test_room_is_made_for_no_more_than_needed() -> None:
    """The bodies that are waited for longest go first, and only as many as have to."""
    bodies = Bodies(limit=10)
    with bodies.hold() as first, bodies.hold() as second, bodies.hold() as third:
        with pytest.raises(TimeoutError):  # noqa: PT012
            async with asyncio.timeout(60) as clock:
                for held in (first, second, third):
                    bodies.arriving[held] = clock
                    held.take(b"1234")
                await asyncio.sleep(60)  # ended by the clock of the body that had to go
        assert [held.refusal is None for held in (first, second, third)] == [False, True, True]
        assert bodies.held == 8


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
