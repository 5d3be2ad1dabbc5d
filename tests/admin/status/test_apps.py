"""Apps on the status page and in its JSON: each for itself, the undeclared ones with a remedy."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.exporter import Exporter, MakeSettings, started
from tests.support.pages import count, get, status_json

DEAD = {"channel": "apns", "code": 2014, "count": 9, "app": "shop"}


@pytest.fixture
async def exporter(make_settings: MakeSettings) -> AsyncIterator[Exporter]:
    """Run an exporter with two apps, one of which has a dead certificate."""
    async with started(make_settings(apps=["news", "shop", "games"])) as one:
        await count(
            one,
            DEAD,
            {"channel": "vivo", "code": 2, "count": 27, "app": "shop"},
            {"channel": "apns", "code": 2, "count": 50, "app": "news"},
            {"channel": "apns", "code": "NEW", "app": "news"},
        )
        yield one


def apps(status: dict[str, Any]) -> dict[str, tuple[str, int, float | None]]:
    """Return the state, the results and the failing share of each app."""
    return {
        row["app"]: (row["state"], row["results"], row["failing_share_last_hour"])
        for row in status["apps"]
    }


async def test_one_app_is_bad_beside_good_ones(exporter: Exporter) -> None:
    """Each app has its state and share; the one that needs somebody is first, and is named."""
    status = await status_json(exporter)
    assert list(apps(status).items()) == [
        ("shop", ("trouble", 36, 0.25)),
        ("news", ("ok", 51, pytest.approx(1 / 51))),
        ("games", ("quiet", 0, None)),
    ]
    assert status["health"]["headline"] == "Trouble: rejected by apns of shop"
    assert status["health"]["findings"][0]["app"] == "shop"
    assert [(row["code"], row["app"]) for row in status["failing_codes"]] == [("2014", "shop")]
    _, page = await get(exporter, "/")
    assert page.index('id="app-shop"') < page.index('id="app-news"') < page.index('id="channels"')
    assert 'href="./runbooks/PushChannelRejected?app=shop&amp;channel=apns"' in page


async def test_one_app(exporter: Exporter) -> None:
    """With an app in the query all is about its results; channels that it never used are folded."""
    news = await status_json(exporter, "?app=news")
    assert news["health"]["headline"] == "All is well for news"
    assert news["health"]["elsewhere"]["title"] == "rejected by apns of shop"
    used = [row["channel"] for row in news["channels"] if row["results"]]
    assert used == ["apns"]
    assert news["failing_codes"] == []
    assert [row["code"] for row in news["unknown_codes"]] == ["NEW"]
    shop = await status_json(exporter, "?app=shop")
    assert shop["unknown_codes"] == []
    per_minute = {row["channel"]: row["last_hour"]["per_minute"][-1] for row in shop["channels"]}
    assert (per_minute["apns"], per_minute["vivo"]) == (9, 27)
    _, page = await get(exporter, "/?app=shop")
    assert '<option id="select-app-shop" selected>shop</option>' in page
    assert 'href="./?app=shop&amp;channel=vivo"' in page
    assert "channels without any result for shop" in page


async def test_one_channel_of_one_app(exporter: Exporter) -> None:
    """App and channel are chosen together."""
    one = await status_json(exporter, "?app=shop&channel=vivo")
    assert [(row["channel"], row["results"]) for row in one["channels"]] == [("vivo", 27)]
    assert one["health"]["headline"] == "All is well on vivo for shop"
    _, page = await get(exporter, "/?app=%3Cb%3E&channel=")
    assert "No app has this name." in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("name", "declaration"),
    [
        ("kiosk", "APPS=news,shop,games,kiosk"),
        ('Com.Example "K"', '[map.app]\n"Com.Example \\"K\\"" = "?"\n'),
        ("other", '[map.app]\n"other" = "?"\n'),
    ],
)
async def test_undeclared_apps(exporter: Exporter, name: str, declaration: str) -> None:
    """A name that APPS does not declare is shown with the line that declares it."""
    assert (await status_json(exporter))["undeclared_apps"] == []
    await count(exporter, {"channel": "apns", "code": 2, "count": 5, "app": name})
    status = await status_json(exporter)
    [row] = status["undeclared_apps"]
    assert (row["name"], row["declaration"]) == (name, declaration)
    assert apps(status)["other"] == ("ok", 5, 0.0)
    _, page = await get(exporter, "/")
    assert "Undeclared apps" in page
    assert declaration.splitlines()[0] in page


async def test_counts_of_before(make_settings: MakeSettings) -> None:
    """What was counted without an app stays so, and is no app; without APPS it is all there is."""
    async with started(make_settings()) as exporter:
        await count(exporter, {"channel": "apns", "code": 2, "count": 5})
        status = await status_json(exporter)
        _, page = await get(exporter, "/")
        assert not {"apps", "undeclared_apps"} & status.keys()
        assert 'name="app"' not in page
    async with started(make_settings(apps=["shop"])) as exporter:
        await count(exporter, {"channel": "apns", "code": 2, "count": 3, "app": "shop"})
        status = await status_json(exporter)
        assert apps(status) == {"shop": ("ok", 3, 0.0), None: ("quiet", 5, None)}
        [apns] = [row for row in status["channels"] if row["channel"] == "apns"]
        assert apns["results"] == 8
        assert "counted without an app" in (await get(exporter, "/"))[1]
    async with started(make_settings()) as exporter:
        status = await status_json(exporter)
        assert "undeclared_apps" not in status
        assert [(row["app"], row["declared"]) for row in status["apps"]] == [
            ("shop", False),
            (None, False),
        ]
