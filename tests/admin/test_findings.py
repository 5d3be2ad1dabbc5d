"""Whether all is well: the thresholds of the alerts, held against real results and calls."""

import json
import time
from functools import partial
from typing import Any

import pytest

from exporter.admin.findings.finding import Health
from exporter.admin.findings.health import health_of
from exporter.admin.history import MINUTE, History, Increases
from exporter.admin.reading import Reading
from exporter.admin.runbooks import live_values
from exporter.admin.view import View
from exporter.results import Series
from tests.support.exporter import TOKEN, Exporter


@pytest.fixture
def history(exporter: Exporter) -> History:
    """Begin the last hour of an exporter."""
    return History.of(exporter.hub)


def read(exporter: Exporter, history: History) -> Reading:
    """Read an exporter with another history than that of its pages."""
    return Reading(View(exporter.current, exporter.hub, exporter.service, history))


async def judged(exporter: Exporter, history: History, *results: dict[str, Any]) -> Health:
    """Count results and judge."""
    status, answer = await exporter.results(json.dumps(results).encode())
    assert status == 200, answer
    return health_of(read(exporter, history))


def acked(channel: str, count: int) -> dict[str, Any]:
    """Make results that are well."""
    return {"channel": channel, "code": 2, "count": count}


def said(health: Health) -> list[str]:
    """Return the titles of what was found."""
    return [finding.title for finding in health.findings]


async def test_nothing_came_yet(exporter: Exporter, history: History) -> None:
    """An exporter that has just begun is ready, which is not the same as well."""
    health = health_of(read(exporter, history))
    assert (health.state, health.headline) == ("quiet", "Ready: no result has come yet")


async def test_all_is_well(exporter: Exporter, history: History) -> None:
    """A few failures below the thresholds are no news."""
    few = {"channel": "vivo", "code": 10072, "count": 9}
    health = await judged(exporter, history, acked("vivo", 100), few)
    assert (health.state, health.headline, health.findings) == ("ok", "All is well", [])
    assert health.caveat == "as far as one minute shows"


@pytest.mark.parametrize(
    ("result", "state", "title"),
    [
        ({"channel": "apns", "code": 2014, "count": 3}, "trouble", "rejected by apns"),
        ({"channel": "apns", "code": 2009, "count": 20}, "attention", "bad device tokens on apns"),
        ({"channel": "vivo", "code": 10072, "count": 10}, "attention", "throttled by vivo"),
        ({"channel": "vivo", "code": 10302, "count": 20}, "attention", "invalid tokens on vivo"),
        ({"channel": "huawei", "code": 81000001, "count": 12}, "attention", "outage at huawei"),
        ({"channel": "vivo", "code": 10000, "count": 12}, "attention", "failures on vivo"),
        ({"channel": "vivo", "code": "NEW"}, "ok", "unknown codes on vivo"),
        ({"code": "NEW"}, "ok", "unknown codes on no known channel"),
    ],
)
async def test_what_is_wrong_with_a_channel(
    exporter: Exporter, history: History, result: dict[str, Any], state: str, title: str
) -> None:
    """At its threshold each kind of failure is named, with its codes, action and runbook."""
    channel = result.get("channel", "mps")
    number = result.get("count", 1)
    health = await judged(exporter, history, acked(channel, 100 - number), result)
    assert health.state == state
    assert said(health) == [title]
    [finding] = health.findings
    assert f" {result['code']} " in finding.detail
    assert finding.since == pytest.approx(time.time(), abs=5)
    assert finding.action
    assert finding.alert
    assert finding.alert.runbook == f"runbooks/{finding.alert.name}"
    fewer = await judged(exporter, history, acked(channel, 100 * number))
    assert said(fewer) == ([title] if state != "attention" else [])


async def test_a_rejected_channel_hides_its_shares(exporter: Exporter, history: History) -> None:
    """Who is rejected is not told of an outage as well, but of unknown codes."""
    health = await judged(
        exporter,
        history,
        {"channel": "apns", "code": 2014, "count": 50},
        {"channel": "apns", "code": 2024, "count": 50},
        {"channel": "apns", "code": "NEW"},
        {"channel": "vivo", "code": 10072, "count": 50},
    )
    assert health.headline == "Trouble: rejected by apns, and 1 more"
    assert said(health) == ["rejected by apns", "throttled by vivo", "unknown codes on apns"]


DEAD = {
    "a reason no table knows": {"code": "NEW"},
    "a wrong secret, as vivo says it": {"code": 10000},
    "tokens of the other environment": {"code": 10302},
}
ALIVE = {
    "too few to say so": [("vivo", 100, 0), ("vivo", 49, 10000)],
    "one was accepted": [("vivo", 100, 0), ("vivo", 99, 10000), ("vivo", 1, 2)],
    "a gateway that reports failures only": [("vivo", 100, 10000), ("vivo", 99, 10000)],
    "receipts, which are of what has been accepted": [
        ("mipush-receipts", 100, 1),
        ("mipush-receipts", 99, 64),
    ],
    "apps that were uninstalled": [("fcm", 100, 2), ("fcm", 99, 90000003)],
}
"""What came before the window, and in it: channel, number, code; before it 0 stands for 2."""


def totals(exporter: Exporter) -> dict[Series, int]:
    """Read what was counted."""
    return {series: count.total for series, count in exporter.hub.ledger.counts.items()}


async def aged(exporter: Exporter, history: History, *before: dict[str, Any]) -> History:
    """Count results, and let minutes go by until they are out of the window."""
    clock = Clock()
    history = history._replace(results=Increases(partial(totals, exporter), clock=clock))
    await judged(exporter, history, *before)
    for _ in range(16):
        clock.now += MINUTE
        history.results.sample()
    return history


@pytest.mark.parametrize("result", DEAD.values(), ids=DEAD)
async def test_nothing_accepted(
    exporter: Exporter, history: History, result: dict[str, Any]
) -> None:
    """A channel that accepted pushes and now none in 50 results is dead, whatever it says."""
    history = await aged(exporter, history, acked("vivo", 100))
    dead = {"channel": "vivo", "count": 50, **result}
    found = said(await judged(exporter, history, dead, acked("oppo", 7)))
    assert found[0] == "nothing accepted by vivo"
    assert not {"invalid tokens on vivo", "failures on vivo"} & set(found)
    [shown] = live_values(read(exporter, history), "PushNothingAccepted").codes
    assert (shown.channel, shown.code, shown.results) == ("vivo", str(result["code"]), 50)


@pytest.mark.parametrize("results", ALIVE.values(), ids=ALIVE)
async def test_something_may_be_accepted(
    exporter: Exporter, history: History, results: list[tuple[str, int, int]]
) -> None:
    """Too few results, one that was accepted, and results that say nothing of the channel."""
    before, *now = (
        {"channel": channel, "count": count, "code": code or 2} for channel, count, code in results
    )
    history = await aged(exporter, history, before)
    found = said(await judged(exporter, history, *now))
    assert not [title for title in found if title.startswith("nothing accepted")]
    assert live_values(read(exporter, history), "PushNothingAccepted").codes == []


async def test_receipts_may_be_late(exporter: Exporter, history: History) -> None:
    """Receipts that stop are no alarm; of those that came, the failures are shown."""
    late = {"channel": "mipush-receipts", "code": 1, "count": 1000}
    history = await aged(exporter, history, late)
    assert said(health_of(read(exporter, history))) == []
    await judged(
        exporter,
        history,
        {"channel": "mipush-receipts", "code": 1, "count": 9},
        {"channel": "mipush-receipts", "code": 64, "count": 3},
        {"channel": "vivo", "code": 10072, "count": 3},
    )
    [shown] = live_values(read(exporter, history), "PushDeliveryRatioLow").codes
    assert (shown.channel, shown.code, shown.results) == ("mipush-receipts", "64", 3)


async def test_only_the_most_frequent_codes_are_named(exporter: Exporter, history: History) -> None:
    """Of many codes the first few are named, and a tiny share is not called none."""
    many = [{"channel": "vivo", "code": f"NEW{n}", "count": n} for n in range(1, 6)]
    health = await judged(exporter, history, acked("vivo", 10_000), *many)
    [finding] = health.findings
    assert finding.detail == (
        "Less than 1% of 10,015 results: NEW5 (5), NEW4 (4), NEW3 (3) and 2 more."
    )


async def test_refused_calls(exporter: Exporter, history: History) -> None:
    """Calls that are refused for what they are call for attention."""
    await judged(exporter, history, acked("vivo", 1))
    for _ in range(10):
        await exporter.post("/webhooks/results", b"{}", {"Authorization": "Bearer of another"})
    health = health_of(read(exporter, history))
    assert health.headline == "Attention: requests to /webhooks/results are refused"
    assert "bad_signature (10)" in health.findings[0].detail


async def test_overload(exporter: Exporter, history: History) -> None:
    """Calls that the disk has no time for are told apart from bad ones."""
    await judged(exporter, history, acked("vivo", 1))
    exporter.hub.ledger._max_pending = 1
    exporter.hub.ledger.pending = 1
    for _ in range(10):
        status, _ = await exporter.results(b'{"code": 2}')
        assert status == 503
    exporter.hub.ledger.pending = 0
    health = health_of(read(exporter, history))
    assert said(health) == ["requests to /webhooks/results are too many for the disk"]


async def test_a_ledger_that_fails(exporter: Exporter, history: History) -> None:
    """Nothing is more pressing than results that cannot be stored."""
    path = exporter.current.settings.ledger_path
    path.rename(path.with_suffix(".gone"))
    status, _ = await exporter.results(b'{"code": 2}')
    assert status == 503
    health = health_of(read(exporter, history))
    assert health.headline == "Trouble: not accepting results, the ledger cannot be used"
    assert str(path) in health.findings[0].detail


async def test_a_stop_and_a_failed_reload(exporter: Exporter, history: History) -> None:
    """A stop is trouble, and a reload that failed stays in view until one succeeds."""
    token = exporter.current.settings.results_token_files[0]
    token.write_text("")
    async with exporter.client.post(f"{exporter.admin}/-/reload") as answer:
        assert answer.status == 500
    assert said(health_of(read(exporter, history))) == ["the last reload failed"]
    token.write_text(TOKEN)
    async with exporter.client.post(f"{exporter.admin}/-/reload") as answer:
        assert answer.status == 200
    assert said(health_of(read(exporter, history))) == []
    exporter.service.draining = True
    assert health_of(read(exporter, history)).state == "trouble"


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


async def test_results_that_stop(exporter: Exporter, history: History) -> None:
    """A channel with steady results that has none for a quarter of an hour is trouble.

    One campaign is none, however large, nor are a few results.
    """
    clock = Clock()
    hour = Increases(history.results._totals, clock=clock)
    history = history._replace(results=hour)
    batches = [
        (acked("apns", 20), acked("vivo", 19), acked("oppo", 5000)),
        (acked("apns", 20), acked("vivo", 50)),
    ]
    for batch in batches:
        health = await judged(exporter, history, *batch, acked("fcm", 1))
        for _ in range(15):
            clock.now += MINUTE
            hour.sample()
            health = await judged(exporter, history, acked("fcm", 1))
    assert said(health) == ["results of apns have stopped"]
    assert (await judged(exporter, history, acked("apns", 1))).state == "ok"


async def test_quiet(exporter: Exporter, history: History) -> None:
    """Without any result for a quarter of an hour nobody says that all is well."""
    await judged(exporter, history, acked("apns", 1))
    [count] = exporter.hub.ledger.counts.values()
    count.last_at = time.time() - 901
    assert health_of(read(exporter, history)).headline == "Quiet: no result in the last 15 minutes"
