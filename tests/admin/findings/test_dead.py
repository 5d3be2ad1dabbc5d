"""Findings about dead channels: at once, and over the day where there are few results."""

from typing import Any, NamedTuple

import pytest

from exporter.admin.runbooks import live_values
from tests.support.watched import Watched, accepted

DEAD = {
    "a reason no table knows": {"code": "NEW"},
    "a wrong secret, as vivo says it": {"code": 10000},
    "tokens of the other environment": {"code": 10302},
}
ALIVE = {
    "too few to say so": [("vivo", 100, 2), ("vivo", 49, 10000)],
    "one was accepted": [("vivo", 100, 2), ("vivo", 99, 10000), ("vivo", 1, 2)],
    "a gateway that reports failures only": [("vivo", 100, 10000), ("vivo", 99, 10000)],
    "receipts, which are of what has been accepted": [
        ("mipush-receipts", 100, 1),
        ("mipush-receipts", 99, 64),
    ],
    "apps that were uninstalled": [("fcm", 100, 2), ("fcm", 99, 90000003)],
}
"""What came before the window, and in it: channel, number, code."""


@pytest.mark.parametrize("result", DEAD.values(), ids=DEAD)
async def test_nothing_accepted(watched: Watched, result: dict[str, Any]) -> None:
    """A channel that accepted pushes, and now none in 50 results, is dead whatever the codes."""
    await watched.count(accepted("vivo", 100))
    watched.pass_minutes(16)
    await watched.count({"channel": "vivo", "count": 50, **result}, accepted("oppo", 7))
    found = watched.titles()
    assert found[0] == "nothing accepted by vivo"
    assert not {"invalid tokens on vivo", "failures on vivo"} & set(found)
    [shown] = live_values(watched.read(), "PushNothingAccepted").codes
    assert (shown.channel, shown.code, shown.results) == ("vivo", str(result["code"]), 50)


async def test_action_is_that_of_a_cause(watched: Watched) -> None:
    """The action belongs to a code that may be the cause, however many others there are."""
    await watched.count(accepted("apns", 100))
    watched.pass_minutes(16)
    await watched.count(
        {"channel": "apns", "count": 200, "code": "Unregistered"},
        {"channel": "apns", "count": 60, "code": "BadPath"},
    )
    [finding] = [one for one in watched.health().findings if one.title.startswith("nothing")]
    row = watched.view.tables["apns"].codes["2016"]
    assert (row.name, finding.action) == ("BadPath", row.action)


@pytest.mark.parametrize("results", ALIVE.values(), ids=ALIVE)
async def test_something_may_be_accepted(
    watched: Watched, results: list[tuple[str, int, int]]
) -> None:
    """Too few results, an accepted one, and codes that prove nothing against the channel."""
    before, *now = (
        {"channel": channel, "count": count, "code": code} for channel, count, code in results
    )
    await watched.count(before)
    watched.pass_minutes(16)
    await watched.count(*now)
    assert not [title for title in watched.titles() if title.startswith("nothing accepted")]
    assert live_values(watched.read(), "PushNothingAccepted").codes == []


class Few(NamedTuple):
    """The same result again and again, some time after the last accepted push."""

    code: int
    number: int
    minutes: int
    """Between two of them."""
    period: str
    """In which they are enough."""
    title: str
    minutes_before: int = 24 * 60 + 31
    """Since the last accepted push."""


FEW = [
    Few(2014, 3, 20, "hour", "rejected by apns"),
    Few(2014, 3, 80, "4 hours", "rejected by apns"),
    Few(2014, 3, 480, "24 hours", "rejected by apns"),
    Few(2009, 20, 8, "4 hours", "nothing accepted by apns", minutes_before=130),
    Few(2009, 10, 140, "24 hours", "nothing accepted by apns"),
]


@pytest.mark.parametrize("few", FEW, ids=[f"{few.title} for {few.period}" for few in FEW])
async def test_a_small_channel_dies(watched: Watched, few: Few) -> None:
    """Few results, none accepted since: it is told with the last of them, and not before."""
    await watched.count(accepted("apns", 100))
    watched.pass_minutes(few.minutes_before)
    for sent in range(few.number):
        assert watched.titles() == []
        if sent:
            watched.pass_minutes(few.minutes)
        await watched.count({"channel": "apns", "code": few.code})
    [finding] = watched.health().findings
    assert (finding.title, finding.channel) == (few.title, "apns")
    assert f"of the last {few.period}, in which nothing was accepted." in finding.detail


FEW_ALIVE = {
    "one of fifteen": [1, *[0] * 14] * 3,
    "an accepted one in between": [1, 1, 0, 1, 1, 0],
}
"""What comes every 80 minutes: whether it is rejected."""


@pytest.mark.parametrize("rejected", FEW_ALIVE.values(), ids=FEW_ALIVE)
async def test_a_small_channel_lives(watched: Watched, rejected: list[int]) -> None:
    """A rejection now and then among accepted pushes is no finding."""
    for is_rejected in rejected:
        bad = {"channel": "apns", "code": 2014}
        await watched.count(bad if is_rejected else accepted("apns", 1))
        assert watched.titles() == []
        watched.pass_minutes(80)


async def test_the_next_accepted_push_ends_it(watched: Watched) -> None:
    """A small channel is well again with the first accepted push."""
    await watched.count(accepted("apns", 100))
    watched.pass_minutes(24 * 60 + 31)
    for _ in range(3):
        await watched.count({"channel": "apns", "code": 2014})
        watched.pass_minutes(60)
    assert watched.titles() == ["rejected by apns"]
    await watched.count(accepted("apns", 1))
    assert watched.titles() == []
