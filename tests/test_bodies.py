"""Bodies within bounds: of all of them together."""

import asyncio

import pytest

from exporter.bodies import Bodies
from exporter.errors import Refusal
from tests.conftest import TOKEN, Exporter
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
