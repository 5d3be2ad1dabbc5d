"""Traffic of a soak: distinct results, some of which are sent again to another replica."""

import asyncio
import json
import random
import time
from collections import deque
from dataclasses import dataclass, field

import aiohttp

from tests.support.exporter import TOKEN

CONNECTIONS = 48
REPEATED = 0.05
"""The part of the requests that is sent again: half at the same moment, half some seconds later."""
LATER = 20.0  # seconds, at most
CODES = ["2", "2009", "2014", "10302", "80300007"]


@dataclass
class Tally:
    """What the senders saw."""

    accepted: int = 0
    """Results that were acknowledged as new."""
    requests: int = 0
    repeats: int = 0
    unexpected: list[str] = field(default_factory=list)
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=100_000))
    """How long the last requests took."""


class Senders:
    """Connections to every replica, each of which sends one request after the other."""

    def __init__(self, urls: list[str], run: str, rate: float | None) -> None:
        """Send as fast as possible, or about `rate` requests per second."""
        self.tally = Tally()
        self.stopping = False
        self._urls = urls
        self._run = run
        self._pause = CONNECTIONS / rate if rate else 0.0
        self._later: set[asyncio.Task[None]] = set()

    async def send(self) -> None:
        """Send requests until `stopping` is set, and repeat those that are due."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(
            headers=headers, connector=connector, timeout=timeout
        ) as session:
            await asyncio.gather(*(self._sender(session, n) for n in range(CONNECTIONS)))
            await asyncio.gather(*self._later)

    async def _sender(self, session: aiohttp.ClientSession, sender: int) -> None:
        rng = random.Random(f"{self._run} {sender}")
        number = 0
        while not self.stopping:
            number += 1
            body, whole = _body(rng, f"{self._run}-{sender}-{number}")
            first, second = rng.sample(self._urls, 2) if len(self._urls) > 1 else self._urls * 2
            chance = rng.random()
            if chance < REPEATED / 2:  # an impatient sender
                again = self._post(session, second, body, whole, repeat=True)
                await asyncio.gather(self._post(session, first, body, whole), again)
            else:
                await self._post(session, first, body, whole)
                if chance < REPEATED:
                    delay = rng.uniform(0.5, LATER)
                    task = asyncio.create_task(self._again(session, delay, second, body, whole))
                    self._later.add(task)
                    task.add_done_callback(self._later.discard)
            if self._pause:
                await asyncio.sleep(rng.uniform(0, 2 * self._pause))

    async def _again(
        self, session: aiohttp.ClientSession, delay: float, url: str, body: bytes, whole: str
    ) -> None:
        end = time.monotonic() + delay
        while time.monotonic() < end and not self.stopping:  # noqa: ASYNC110 - a stop sends at once
            await asyncio.sleep(0.5)
        await self._post(session, url, body, whole, repeat=True)

    async def _post(
        self,
        session: aiohttp.ClientSession,
        url: str,
        body: bytes,
        whole: str,
        *,
        repeat: bool = False,
    ) -> None:
        """Send a request until it is acknowledged."""
        headers = {"webhook-id": whole} if whole else {}
        while True:
            started = time.monotonic()
            async with session.post(url, data=body, headers=headers) as response:
                answer = await response.json()
                self.tally.seconds.append(time.monotonic() - started)
            if response.status == 200:
                break
            if response.status != 503:
                self.tally.unexpected.append(f"{response.status} {answer}")
                return
            await asyncio.sleep(0.1)
        self.tally.requests += 1
        self.tally.repeats += repeat
        self.tally.accepted += answer["accepted"]


def _body(rng: random.Random, name: str) -> tuple[bytes, str]:
    """Make a body, with the `webhook-id` that goes with it or none."""
    kind = rng.random()
    if kind < 0.88:
        result = {"channel": "apns", "code": rng.choice(CODES), "id": name}
        return json.dumps(result).encode(), ""
    results = [{"channel": "apns", "code": rng.choice(CODES)} for _ in range(100)]
    if kind < 0.94:
        results = [result | {"id": f"{name}-{n}"} for n, result in enumerate(results)]
        return json.dumps(results).encode(), ""
    return json.dumps(results).encode(), name
