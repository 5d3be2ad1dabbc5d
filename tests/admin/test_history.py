"""The counts of the last hour, with a clock that the test turns."""

import pytest

from exporter.admin.history import MINUTE, Increases


class Totals:
    """Totals and a clock that a test moves, and the hour that watches them."""

    def __init__(self, totals: dict[str, int]) -> None:
        self.totals = totals
        self.now = 1000.0
        self.hour = Increases(lambda: self.totals, sums=(2,), clock=lambda: self.now)

    def counts(self, newest: int | None = None, after: int = 0) -> dict[str, int]:
        """Add up steps."""
        return self.hour.read().counts(newest, after=after)

    def steps(self) -> list[dict[str, int]]:
        """Return the increases of every step."""
        return [*(dict(step) for _, step in self.hour.ended()), dict(self.hour.read().in_progress)]

    def pass_minute(self, **counted: int) -> None:
        """Count something, then let the minute end."""
        self.count(**counted)
        self.now += MINUTE
        self.hour.sample()

    def count(self, **counted: int) -> None:
        """Raise totals."""
        for key, count in counted.items():
            self.totals = {**self.totals, key: self.totals.get(key, 0) + count}


def test_old_totals_are_no_result_of_this_minute() -> None:
    """What had been counted before the hour began is not in it."""
    watched = Totals({"a": 1_000_000})
    assert watched.counts() == {}
    watched.count(a=2, b=1)
    assert watched.counts() == {"a": 2, "b": 1}


def test_minutes_in_order() -> None:
    """Each minute holds what was counted in it, and the running one comes last."""
    watched = Totals({})
    watched.pass_minute(a=1)
    watched.pass_minute()
    watched.pass_minute(a=2, b=3)
    watched.count(b=4)
    assert watched.steps() == [{"a": 1}, {}, {"a": 2, "b": 3}, {"b": 4}]


def test_some_of_the_minutes() -> None:
    """The newest minutes can be added up alone, and the ones before them."""
    watched = Totals({})
    for minute in range(5):
        watched.pass_minute(a=10**minute)
    watched.count(a=10**5)
    assert watched.counts(3) == {"a": 111_000}
    assert watched.counts(5, after=3) == {"a": 110}


def test_nothing_is_older_than_an_hour() -> None:
    """Sixty minutes are retained, the running one included; `seconds` is at most an hour."""
    watched = Totals({})
    for minute in range(200):
        assert watched.hour.seconds == min(minute * MINUTE, 3600)
        watched.pass_minute(a=1)
    watched.count(a=1)
    assert len(watched.steps()) == 60
    assert watched.counts() == {"a": 60}


def test_a_reading_stays_as_it_was() -> None:
    """What has been read does not change when a minute ends while a page is rendered."""
    watched = Totals({})
    watched.pass_minute(a=1)
    watched.count(a=2)
    reading = watched.hour.read()
    watched.pass_minute(a=4)
    assert (reading.counts(), reading.counts(2), reading.counts(after=1)) == (
        {"a": 3},
        {"a": 3},
        {"a": 1},
    )


@pytest.mark.parametrize(("stopped", "empty"), [(2, 1), (5.2, 4), (100, 58)])
def test_a_process_that_was_stopped(stopped: float, empty: int) -> None:
    """The minutes that were not noted are empty, so that older ones keep their place."""
    watched = Totals({})
    watched.pass_minute(a=1)
    watched.count(a=2)
    watched.now += stopped * MINUTE
    watched.hour.sample()
    assert watched.steps()[-empty - 2 : -1] == [{}] * empty + [{"a": 2}]
    assert ({"a": 1} in watched.steps()) == (stopped < 60)
