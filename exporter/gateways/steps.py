"""Bounded steps: a generator pauses during the work on a large body, so that the loop may run.

It yields DecodedItems, which are empty at a mere pause, and returns a value.
"""

from collections.abc import Generator
from typing import TypeVar

from exporter.results import DecodedItems

T = TypeVar("T")

Steps = Generator[DecodedItems, None, T]

ITEMS_PER_STEP = 256
"""Items of a body that are read in one step: some milliseconds, if all of them differ."""


def finish(steps: Steps[T]) -> T:
    """Run all steps without a pause; return the value."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
