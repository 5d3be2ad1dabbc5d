"""How the pages write and draw, and that they stay of a sane size."""

import json

import pytest

from exporter.admin.pages import age, bars, clock, parts, share
from tests.admin.test_app import get
from tests.support.exporter import Exporter


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h"), (86400 * 2.5, "2 d")],
)
def test_age(seconds: float, text: str) -> None:
    """A time is told in its largest unit."""
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
    """Neither nothing nor everything is said of what is neither."""
    assert share(part, total) == text


def test_clock() -> None:
    """A moment is told in UTC."""
    assert clock(0) == "1970-01-01 00:00:00 UTC"


def test_bars() -> None:
    """The peak is as high as the picture, the least is seen, and nothing is not drawn."""
    assert bars([0, 10_000, 1], 10_000) == "M1.1 20v-20h.8v20zM2.1 20v-1h.8v1z"


def test_parts() -> None:
    """The parts fill the bar in order, and what is rare is wide enough to be seen."""
    laid = parts({"info": 999_999, "warning": 0, "error": 1})
    assert [name for name, _, _ in laid] == ["info", "error"]
    (_, start, width), (_, place, rare) = laid
    assert (start, place) == (0, width)
    assert rare > 1.9
    assert width + rare == pytest.approx(100, abs=0.02)
    assert parts({"info": 0}) == []


async def test_pages_stay_small(exporter: Exporter) -> None:
    """With every channel full of unknown codes and many failing ones a page stays small."""
    message = "\u202e<&>" + "\n" * 300
    for channel in exporter.service.configuration.classifier.channels():
        unknown = [
            {"channel": channel, "code": f"{n}-" + "N" * 60, "message": message} for n in range(25)
        ]
        known = [
            {"channel": channel, "code": code, "count": 10**8}
            for code in exporter.service.configuration.tables["apns"].codes
        ]
        assert (await exporter.results(json.dumps(unknown + known).encode()))[0] == 200
    status, page = await get(exporter, "/")
    assert status == 200
    assert len(page) < 200_000
    assert "20 of 200" in page
    status, codes = await get(exporter, "/codes")
    assert status == 200
    assert len(codes) < 500_000
