"""Lines of those who wait equally long, with one clock."""

import asyncio

import pytest

from exporter.webhooks.waiting import WaitingLine

Line = tuple[WaitingLine[str], list[str]]


@pytest.fixture
async def line() -> Line:
    """Give a line of 50 ms and the list of those who waited too long."""
    late: list[str] = []
    return WaitingLine(0.05, late.append), late


async def test_who_waits_too_long_is_told(line: Line) -> None:
    """Members are told in the order in which they came, each after its own time."""
    waiting, late = line
    for name in ("a", "b"):
        waiting.join(name)
        await asyncio.sleep(0.03)
    assert late in ([], ["a"])  # the machine may be slow
    await asyncio.sleep(0.2)
    assert late == ["a", "b"]
    assert len(waiting) == 0


async def test_who_leaves_is_not_told(line: Line) -> None:
    """A member that got what it waited for is left alone, in front or behind."""
    waiting, late = line
    for name in ("a", "b", "c"):
        waiting.join(name)
    assert waiting.first() == "a"
    for name in ("a", "c", "never came"):
        waiting.leave(name)
    assert list(waiting) == ["b"]
    await asyncio.sleep(0.2)
    assert late == ["b"]
    assert waiting.first() is None


async def test_line_goes_on_after_it_was_empty(line: Line) -> None:
    """The clock starts anew for those who come later."""
    waiting, late = line
    for name in ("a", "b"):
        waiting.join(name)
        await asyncio.sleep(0.2)
        assert late[-1] == name


async def test_second_join_does_not_prolong(line: Line) -> None:
    """Who waits already keeps its place and its time."""
    waiting, late = line
    waiting.join("a")
    waiting.join("b")
    waiting.join("a")
    assert list(waiting) == ["a", "b"]
    async with asyncio.timeout(5):
        while not late:
            await asyncio.sleep(0.01)
            waiting.join("a")
    assert late[0] == "a"


async def test_who_is_told_may_come_again() -> None:
    """Joining and leaving from within the telling does no harm."""
    told: list[str] = []

    def again(name: str) -> None:
        told.append(name)
        waiting.leave("b")
        if len(told) < 3:
            waiting.join(name)

    waiting = WaitingLine(0.02, again)
    waiting.join("a")
    waiting.join("b")
    await asyncio.sleep(0.3)
    assert told == ["a"] * 3


async def test_clock_goes_on_after_a_fault() -> None:
    """If telling one fails the others are told all the same."""
    told: list[str] = []

    def tell(name: str) -> None:
        told.append(name)
        if name == "a":
            raise ValueError(name)

    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    waiting = WaitingLine(0.02, tell)
    for name in ("a", "b"):
        waiting.join(name)
    await asyncio.sleep(0.2)
    assert told == ["a", "b"]
    assert len(faults) == 1
