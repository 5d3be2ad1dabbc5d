"""How much work a request is: calls of Python between two steps, or seconds of the processor."""

import cProfile
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from exporter.errors import RequestError
from exporter.gateways.gateway import Gateway, ReceivedRequest


class Step(NamedTuple):
    """One uninterrupted piece of work."""

    cost: float
    items: int
    groups: int


Meter = Callable[[], float]
"""Returns a number that grows by the cost of what was done since the last call."""


def decoding(gateway: Gateway, request: ReceivedRequest, meter: Meter) -> Iterator[Step]:
    """Decode a body, or refuse it; yield each step."""
    steps = gateway.decode(request)
    while True:
        before = meter()
        try:
            decoded = next(steps)
        except (StopIteration, RequestError):
            yield Step(meter() - before, 0, 0)
            return
        yield Step(meter() - before, decoded.items, len(decoded.groups))


def authentication(gateway: Gateway, request: ReceivedRequest, meter: Meter) -> float:
    """Run the steps before a request is authenticated; return their cost."""
    before = meter()
    if gateway.verification(request) is None:
        with suppress(RequestError):
            gateway.authenticate(request)
    return meter() - before


@contextmanager
def counting_calls() -> Iterator[Meter]:
    """Count calls of functions, of Python and of C, inside the block."""
    profile = cProfile.Profile()

    def calls() -> int:
        # Listing while counting skips entries: a callback of the garbage collector reorders them.
        profile.disable()
        count = sum(entry.callcount for entry in profile.getstats())
        profile.enable()
        return count

    profile.enable()
    try:
        yield calls
    finally:
        profile.disable()


@contextmanager
def timing() -> Iterator[Meter]:
    """Take the processor's milliseconds inside the block, without the garbage collector's."""
    gc.collect()
    gc.disable()
    try:
        yield lambda: time.process_time() * 1000
    finally:
        gc.enable()
