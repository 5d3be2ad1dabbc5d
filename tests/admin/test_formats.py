"""Template filters: numbers, times and bars."""

import pytest

from exporter.admin.formats import (
    age,
    bars,
    clock,
    iso,
    parts,
    plural,
    share,
    share_of,
    time_of_day,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h"), (86400 * 2.5, "2 d")],
)
def test_age(seconds: float, text: str) -> None:
    """A duration is written in its largest unit."""
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("part", "total", "text"),
    [
        (0, 0, "0%"),
        (0, 9, "0%"),
        (9, 9, "100%"),
        (1, 100_000, "<1%"),
        (99_999, 100_000, ">99%"),
        (1, 3, "33%"),
    ],
)
def test_share(part: int, total: int, text: str) -> None:
    """Neither 0% nor 100% is written for what is neither."""
    assert share(part, total) == text


@pytest.mark.parametrize(
    ("part", "total", "text"),
    [(0, 0, ""), (0, 9, ""), (9, 0, ""), (10, 9, ""), (3, 9, " (33%)"), (9, 9, " (100%)")],
)
def test_share_of(part: int, total: int, text: str) -> None:
    """A share follows its number unless it is 0 or undefined."""
    assert share_of(part, total) == text


def test_moments() -> None:
    """A time is formatted in UTC: in full, to the minute with an optional date, and for HTML."""
    assert clock(0) == "1970-01-01 00:00:00 UTC"
    assert time_of_day(3600, 86399) == "01:00 UTC"
    assert time_of_day(3600, 86400) == "1970-01-01 01:00 UTC"
    assert iso(3600) == "1970-01-01T01:00:00Z"


def test_plural() -> None:
    """A noun agrees with its number."""
    assert [plural(n, "result") for n in (0, 1, 2000)] == ["0 results", "1 result", "2,000 results"]


def test_bars() -> None:
    """The peak is as high as the picture, and the least is visible."""
    assert bars([0, 10_000, 1], 10_000) == "M0 100V100h1V0h1V95h1V100z"
    assert bars([0], 0) == "M0 100V100h1V100z"
    assert all(bars([peak], peak) == "M0 100V0h1V100z" for peak in range(1, 1000))


def test_parts() -> None:
    """The parts fill the bar in order, and what is rare is wide enough to be visible."""
    placed = parts({"info": 999_999, "warning": 0, "error": 1})
    assert [name for name, _, _ in placed] == ["info", "error"]
    (_, start, width), (_, place, rare) = placed
    assert (start, place) == (0, width)
    assert rare > 1.9
    assert width + rare == pytest.approx(100, abs=0.02)
    assert parts({"info": 0}) == []
