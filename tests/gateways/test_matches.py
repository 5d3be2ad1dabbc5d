"""A code path that matches nothing is noticed after its first items."""

import pytest

from exporter.gateways.matches import FIRST_ITEMS, CodeMatches
from exporter.reasons import ItemReason
from exporter.results import Batch, PushResult, Rejection, ResultGroup


def batch(results: int = 0, defaulted: int = 0, reasons: tuple[ItemReason, ...] = ()) -> Batch:
    """Make a batch."""
    group = ResultGroup(PushResult("1"), 1, results)
    return Batch([group], [Rejection(0, one, "") for one in reasons], 5, defaulted)


@pytest.mark.parametrize(
    ("once", "silent"),
    [
        (batch(reasons=(ItemReason.CODE_MISSING,)), True),
        (batch(reasons=(ItemReason.CODE_NULL,)), True),
        (batch(1, defaulted=1), True),
        (batch(1), False),
        (batch(reasons=(ItemReason.CODE_INVALID,)), False),
        (batch(), False),
    ],
)
def test_silence(once: Batch, *, silent: bool) -> None:
    """Missing, null and default codes are no match, and skipped items are not asked for one."""
    matches = CodeMatches()
    for _ in range(FIRST_ITEMS - 1):
        matches.observe("acme", once)
    assert not matches.is_silent("acme")
    matches.observe("acme", once)
    assert matches.is_silent("acme") == silent
    assert not matches.is_silent("other")
    matches.observe("acme", batch(1))
    assert not matches.is_silent("acme")
