"""The times at which `/metrics` was scraped.

An exporter should not count before its first or after its last scrape.
"""

import asyncio

MAX_INTERVAL_SECONDS = 60.0
"""Maximum scrape interval in seconds; a stopping exporter waits for at most two intervals."""


class Scrapes:
    """The last two scrapes of all metrics, by the clock of the event loop."""

    def __init__(self) -> None:
        self._at: list[float] = []
        self._scraped = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Whether there has been a scrape."""
        return bool(self._at)

    def note(self) -> None:
        """Record the time of a scrape."""
        self._at = [*self._at[-1:], asyncio.get_running_loop().time()]
        self._scraped.set()

    async def one_more(self) -> None:
        """Wait for another scrape, for at most two intervals."""
        if len(self._at) < 2:  # noqa: PLR2004 - an interval has two ends
            return
        before, last = self._at
        interval = min(last - before, MAX_INTERVAL_SECONDS)
        self._scraped.clear()
        try:
            async with asyncio.timeout_at(last + 2 * interval):
                await self._scraped.wait()
        except TimeoutError:
            pass
