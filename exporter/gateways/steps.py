"""Bounded steps: work on a large body stops now and then, so that the event loop may run.

A generator of steps yields DecodedItems. Empty ones are a mere pause, and its value is what it
was to find out.
"""

from collections.abc import Generator
from typing import TypeVar

from exporter.results import DecodedItems

T = TypeVar("T")

Steps = Generator[DecodedItems, None, T]

ITEMS_PER_STEP = 256
"""Items of a body that are read in one step: some milliseconds, if all of them are different."""


def finish(steps: Steps[T]) -> T:
    """Take all steps at once; return the value."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
