"""Findings about results that stop, and the state without results."""

import time

from exporter.admin.reading import Selection
from exporter.admin.runbooks import live_values
from tests.support.watched import Watched, accepted


async def test_nothing_came_yet(watched: Watched) -> None:
    """Before the first result the state is quiet, not well."""
    health = watched.health()
    assert (health.state, health.headline) == ("quiet", "Ready: no results yet")


async def test_quiet(watched: Watched) -> None:
    """Without a result for a quarter of an hour the state is quiet, also with a clock set back."""
    await watched.count(accepted("apns", 1))
    watched.pass_minutes(15)
    assert watched.health().headline == "Quiet: no result in the last 15 minutes"
    [count] = watched.exporter.hub.ledger.counts.values()
    count.last_at = time.time() + 3600
    assert watched.health().headline == "Quiet: no result in the last 15 minutes"


async def test_last_result_before_the_start(watched: Watched) -> None:
    """Shortly after a start, the last result in the ledger tells whether it is quiet."""
    await watched.count(accepted("apns", 1))
    hub = watched.exporter.hub
    watched = Watched(watched.exporter)
    [count] = hub.ledger.counts.values()
    assert watched.health().headline == "All is well"
    count.last_at = time.time() - 901
    assert watched.health().headline == "Quiet: no result in the last 15 minutes"


async def test_results_that_stop(watched: Watched) -> None:
    """A channel with steady results that has none for a quarter of an hour is trouble.

    One campaign is none, however large, nor are a few results.
    """
    batches = [
        (accepted("apns", 20), accepted("vivo", 19), accepted("oppo", 5000)),
        (accepted("apns", 20), accepted("vivo", 50)),
    ]
    for batch in batches:
        await watched.count(*batch, accepted("fcm", 1))
        for _ in range(15):
            watched.pass_minutes(1)
            await watched.count(accepted("fcm", 1))
    assert watched.titles() == ["results of apns have stopped"]
    assert (await watched.count(accepted("apns", 1))).state == "ok"


async def test_all_results_stop(watched: Watched) -> None:
    """Total silence is one finding, which names the channels and what is refused meanwhile."""
    for _ in range(2):
        await watched.count(accepted("apns", 20), accepted("vivo", 30))
        watched.pass_minutes(15)
    await watched.refuse(2)
    await watched.count({"channel": "mipush-receipts", "code": 1})
    [finding] = watched.health().findings
    assert finding.title == "all results have stopped"
    assert finding.detail == (
        "No results in the last 15 minutes. In the 45 minutes before: apns (40), vivo (60). "
        "Requests are refused meanwhile: results bad_signature (2)."
    )


async def test_two_channels_stop(watched: Watched) -> None:
    """Each silent channel has a separate finding, which the pages of other channels do not show."""
    for _ in range(2):
        await watched.count(accepted("apns", 20), accepted("vivo", 30))
        for _ in range(15):
            watched.pass_minutes(1)
            await watched.count(accepted("fcm", 1))
    assert watched.titles() == ["results of apns have stopped", "results of vivo have stopped"]
    health = watched.health(Selection(channel="fcm"))
    assert (health.state, health.findings) == ("ok", [])
    assert health.elsewhere
    assert health.elsewhere.title == "results of apns have stopped"


async def test_receipts_may_be_late(watched: Watched) -> None:
    """Receipts that stop are no alarm; of those that came, the failures are shown."""
    await watched.count({"channel": "mipush-receipts", "code": 1, "count": 1000})
    watched.pass_minutes(16)
    assert watched.titles() == []
    await watched.count(
        {"channel": "mipush-receipts", "code": 1, "count": 9},
        {"channel": "mipush-receipts", "code": 64, "count": 3},
        {"channel": "vivo", "code": 10072, "count": 3},
    )
    [shown] = live_values(watched.read(), "PushDeliveryRatioLow").codes
    assert (shown.channel, shown.code, shown.results) == ("mipush-receipts", "64", 3)
