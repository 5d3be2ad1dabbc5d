"""Findings by app: a small app is not hidden by a big one."""

from collections.abc import AsyncIterator

import pytest

from exporter.admin.reading import Selection
from tests.support.exporter import MakeSettings, started
from tests.support.watched import Watched, accepted


@pytest.fixture
async def watched(make_settings: MakeSettings) -> AsyncIterator[Watched]:
    """Follow the findings of an exporter with apps."""
    async with started(make_settings(apps=["big", "small"])) as exporter:
        yield Watched(exporter)


async def test_shares_are_of_an_app(watched: Watched) -> None:
    """A share that is lost among the results of another app is found, and named."""
    throttled = {"channel": "vivo", "code": 10072, "count": 12, "app": "small"}
    await watched.count(accepted("vivo", 100_000, app="big"), throttled)
    [finding] = watched.health().findings
    assert (finding.title, finding.app) == ("throttled by vivo of small", "small")
    assert watched.titles(Selection(app="big")) == []
    assert watched.titles(Selection(app="small", channel="vivo")) == [finding.title]


async def test_an_app_that_stops(watched: Watched) -> None:
    """Silence of one app is found although another one goes on; of all its channels, as one."""
    for _ in range(2):
        channels = [accepted(name, 20, app="small") for name in ("apns", "vivo")]
        await watched.count(*channels, accepted("apns", 20, app="big"))
        watched.pass_minutes(15)
    await watched.count(accepted("apns", 20, app="big"))
    assert watched.titles() == ["all results of small have stopped"]
    await watched.count(accepted("vivo", 1, app="small"))
    assert watched.titles() == ["results of apns of small have stopped"]


async def test_unknown_codes_of_an_app(watched: Watched) -> None:
    """The note names the app if there is only one, and a channel may be new to one app."""
    await watched.count(accepted("vivo", 9, app="big"), {"channel": "vivo", "code": "A"})
    assert watched.titles() == ["unknown codes on vivo of undeclared apps"]
    await watched.count({"channel": "vivo", "code": "A", "app": "big"})
    assert watched.titles() == ["unknown codes on vivo"]
    await watched.count({"channel": "vivo", "code": "A", "app": "small", "count": 10})
    assert "only unknown codes on vivo of small" in watched.titles()
