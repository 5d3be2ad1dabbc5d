"""How long keys are remembered, and how little that takes for a day of commits."""

from exporter.ledger.retention import Retention
from exporter.ledger.window import DeliveryWindow

DAY = 86_400.0


def test_a_day_of_commits_is_few_groups() -> None:
    """However many commits there are, those of 1/1024 of the window expire together, none early."""
    window = DeliveryWindow(1 << 16)
    retention = Retention(window, DAY)
    for number in range(20_000):
        window.add([number])
        retention.note(number, number * 8.64, window.end)  # twice the window, in all
        retention.expire(number * 8.64)
    oldest = 20_000 - 10_000
    assert window.add(range(oldest, 20_000)) == []
    assert retention.oldest is not None
    assert oldest - 20 <= retention.oldest <= oldest
    assert DAY * 0.998 <= retention.age(20_000 * 8.64) <= DAY


def test_clock_set_back_does_not_shorten_the_window() -> None:
    """Keys of a commit are retained for the whole window, also if the clock is set back."""
    window = DeliveryWindow(1 << 10)
    retention = Retention(window, DAY)
    for number, at in ((1, 7200.0), (2, 7210.0), (3, 0.0)):
        window.add([number])
        retention.note(number, at, window.end)
    retention.expire(7200.0 + DAY - 1)
    assert window.add([1, 2]) == []


def test_evicted_commits_are_not_kept() -> None:
    """A commit without a key in the window has no group."""
    window = DeliveryWindow(1024)
    retention = Retention(window, DAY)
    for number in range(5000):
        window.add([number])
        retention.note(number, 5.0, window.end)
        retention.expire(5.0)
    assert retention.oldest == 5000 - 1024
    assert retention.age(15.0) == 10.0
    assert retention.age(0.0) == 0


def test_without_commits_nothing_is_evicted() -> None:
    """Without commits there is no oldest one, and no key has been evicted."""
    retention = Retention(DeliveryWindow(8), DAY)
    assert retention.oldest is None
    assert retention.age(5.0) == DAY
    retention.expire(5.0)
