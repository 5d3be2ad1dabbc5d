"""A stopping exporter waits for one more scrape, in the rhythm of those before."""

import asyncio

import pytest

from exporter.runtime.scrapes import Scrapes


async def scraped_every(seconds: float, times: int) -> Scrapes:
    """Return the scrape interval known after some scrapes."""
    scrapes = Scrapes()
    for number in range(times):
        if number:
            await asyncio.sleep(seconds)
        scrapes.note()
    return scrapes


async def waited(scrapes: Scrapes) -> float:
    """Wait for one more scrape; return the seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(5):
        await scrapes.one_more()
    return loop.time() - began


@pytest.mark.parametrize("times", [0, 1])
async def test_without_an_interval_nothing_is_waited_for(times: int) -> None:
    """A process that was not scraped twice ends at once."""
    scrapes = await scraped_every(0, times)
    assert scrapes.begun == bool(times)
    assert await waited(scrapes) < 1


async def test_the_next_scrape_ends_the_wait() -> None:
    """The wait ends with the next scrape."""
    scrapes = await scraped_every(0.5, 2)
    asyncio.get_running_loop().call_later(0.1, scrapes.note)
    assert 0.05 < await waited(scrapes) < 1.0


async def test_a_missing_scrape_is_noticed_after_twice_the_interval() -> None:
    """The wait ends two intervals after the last scrape."""
    scrapes = await scraped_every(0.1, 3)
    assert await waited(scrapes) > 0.1
