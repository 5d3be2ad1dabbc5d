"""Bounded steps: a generator that yields during the work on a large body, so the loop can run.

It yields DecodedItems, which are empty for a mere pause, and returns a value.
"""

from collections.abc import Generator
from typing import TypeVar

from exporter.results import DecodedItems

T = TypeVar("T")

Steps = Generator[DecodedItems, None, T]

ITEMS_PER_STEP = 256
"""Maximum number of items per step: some milliseconds if all differ."""


def finish(steps: Steps[T]) -> T:
    """Run all steps without a pause, and return the value."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
