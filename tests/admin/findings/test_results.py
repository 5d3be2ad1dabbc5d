"""Findings about failures: the thresholds of the alerts, applied to real results."""

import time
from typing import Any

import pytest

from exporter.admin.findings.finding import describe
from tests.support.watched import Watched, accepted


async def test_all_is_well(watched: Watched) -> None:
    """Failures below the thresholds are no finding."""
    few = {"channel": "vivo", "code": 10072, "count": 9}
    health = await watched.count(accepted("vivo", 100), few)
    assert (health.state, health.headline, health.findings) == ("ok", "All is well", [])
    assert health.caveat == "judging by only one minute"


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
    watched: Watched, result: dict[str, Any], state: str, title: str
) -> None:
    """At its threshold each kind of failure is named, with its codes, action and runbook."""
    channel = result.get("channel", "mps")
    number = result.get("count", 1)
    health = await watched.count(accepted(channel, 100 - number), result)
    assert health.state == state
    [finding] = health.findings
    assert finding.title == title
    assert f" {result['code']} " in finding.detail
    assert finding.since == pytest.approx(time.time(), abs=5)
    assert finding.action
    assert finding.alert
    assert finding.alert.runbook == f"runbooks/{finding.alert.name}"
    await watched.count(accepted(channel, 100 * number))
    assert watched.titles() == ([title] if state != "attention" else [])


async def test_a_rejected_channel_hides_its_shares(watched: Watched) -> None:
    """On a rejected channel shares are no findings, but unknown codes are."""
    health = await watched.count(
        {"channel": "apns", "code": 2014, "count": 50},
        {"channel": "apns", "code": 2024, "count": 50},
        {"channel": "apns", "code": "NEW"},
        {"channel": "vivo", "code": 10072, "count": 50},
    )
    assert health.headline == "Trouble: rejected by apns, and 1 more"
    assert watched.titles() == ["rejected by apns", "throttled by vivo", "unknown codes on apns"]


SHARES = [
    (1, 0, "The only result: 10072 "),
    (60, 0, "All 60 results: 10072 "),
    (10, 50, "10 of 60 results: 10072 "),
    (60, 60, "50% of 120 results: 10072 "),
]


@pytest.mark.parametrize(("failing", "good", "text"), SHARES)
async def test_shares_are_written_by_their_size(
    watched: Watched, failing: int, good: int, text: str
) -> None:
    """Small totals are numbers, large ones percentages."""
    results = [{"channel": "vivo", "code": 10072, "count": failing}]
    await watched.count(*results, *([accepted("vivo", good)] if good else []))
    affected = [one for one in watched.read().all if one.series.code == "10072"]
    counts = {f"{one.series.code} {one.meaning.name}": one.window for one in affected}
    assert describe(counts, failing + good, "results").startswith(text)
