"""How pages are rendered: one at a time, in slices, and not too often."""

import asyncio
from collections.abc import Iterator

import pytest

from exporter.admin import pace
from exporter.admin.pace import Pace, Steps
from exporter.admin.responses import Content


def page(text: str) -> Content:
    """Make a page."""
    return Content.of(text.encode(), "text/html")


async def test_requests_share_a_rendering_that_begins_after_them() -> None:
    """Waiting requests share a rendering; one that comes during it gets a newer one."""
    subject, go = Pace(), asyncio.Event()
    made: list[int] = []
    begun = asyncio.Event()

    async def make() -> Content:
        number = len(made)
        made.append(number)
        begun.set()
        await go.wait()
        return page(f"{number}")

    first = [asyncio.create_task(subject.share("a", make)) for _ in range(3)]
    await begun.wait()
    late = asyncio.create_task(subject.share("a", make))
    other = asyncio.create_task(subject.share("b", make))
    await asyncio.sleep(0)
    assert made == [0]  # one at a time
    go.set()
    results = await asyncio.gather(*first, late, other)
    assert [one.plain for one in results] == [b"0", b"0", b"0", b"1", b"2"]


async def test_a_cancelled_request_does_not_affect_the_others() -> None:
    """A request that is cancelled does not end the rendering that others wait for."""
    subject, go = Pace(), asyncio.Event()

    async def make() -> Content:
        await go.wait()
        return page("whole")

    leaves, stays = (asyncio.create_task(subject.share("a", make)) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.sleep(0)
    go.set()
    assert (await stays).plain == b"whole"


async def test_a_failure_is_not_kept() -> None:
    """After a rendering that failed the next one is tried."""
    subject, problems = Pace(), [ValueError("once")]

    async def make() -> Content:
        if problems:
            raise problems.pop()
        return page("well")

    with pytest.raises(ValueError, match="once"):
        await subject.share("a", make)
    assert (await subject.share("a", make)).plain == b"well"


async def test_the_event_loop_runs_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tasks run after each slice."""
    monkeypatch.setattr(pace, "SLICE_SECONDS", 0.0)
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    def pieces() -> Iterator[str]:
        for number in range(50):
            yield f"{number} "

    task = asyncio.create_task(other())
    collected = await Pace().pieces(pieces())
    task.cancel()
    assert collected == [f"{number} " for number in range(50)]
    assert len(turns) >= 50


async def test_pages_that_are_asked_for_too_often_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time beyond the burst delays the next page, a ready one included, up to a bound."""
    monkeypatch.setattr(pace, "BURST_SECONDS", 0.0)
    monkeypatch.setattr(pace, "SHARE", 1e-6)
    monkeypatch.setattr(pace, "MAX_WAIT_SECONDS", 0.05)
    slept: list[float] = []
    sleep = asyncio.sleep

    async def watched(seconds: float) -> None:
        slept.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr("exporter.admin.pace.asyncio.sleep", watched)
    subject = Pace()

    async def make() -> Content:
        with subject.slice():
            return page("made")

    for _ in range(3):
        assert (await subject.share("a", make)).plain == b"made"
    await subject.admit()
    assert slept[0] == 0
    assert slept[1:] == [0.05, 0.05, 0.05]


async def test_a_computation_runs_in_steps() -> None:
    """Between the steps of a computation other tasks run, and its result is returned."""
    order: list[str] = []

    async def other() -> None:
        for _ in range(3):
            order.append("other")
            await asyncio.sleep(0)

    def steps() -> Steps[str]:
        for _ in range(3):
            order.append("step")
            yield
        return "result"

    task = asyncio.create_task(other())
    assert await Pace().finish(steps()) == "result"
    await task
    assert order == ["step", "other"] * 3
