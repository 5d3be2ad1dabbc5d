"""Findings: the thresholds of the alerts, applied to real results and requests."""

import json
import time
from functools import partial
from typing import Any

import pytest

from exporter.admin.findings.exporter import ledger_hint
from exporter.admin.findings.finding import Health, Level, describe
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
    """Make accepted results."""
    return {"channel": channel, "code": 2, "count": count}


def titles(health: Health) -> list[str]:
    """Return the titles of what was found."""
    return [finding.title for finding in health.findings]


async def test_nothing_came_yet(exporter: Exporter, history: History) -> None:
    """Before the first result the state is quiet, not well."""
    health = health_of(read(exporter, history))
    assert (health.state, health.headline) == ("quiet", "Ready: no result has come yet")


async def test_all_is_well(exporter: Exporter, history: History) -> None:
    """Failures below the thresholds are no finding."""
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
    assert titles(health) == [title]
    [finding] = health.findings
    assert f" {result['code']} " in finding.detail
    assert finding.since == pytest.approx(time.time(), abs=5)
    assert finding.action
    assert finding.alert
    assert finding.alert.runbook == f"runbooks/{finding.alert.name}"
    fewer = await judged(exporter, history, acked(channel, 100 * number))
    assert titles(fewer) == ([title] if state != "attention" else [])


async def test_a_rejected_channel_hides_its_shares(exporter: Exporter, history: History) -> None:
    """On a rejected channel shares are no findings, but unknown codes are."""
    health = await judged(
        exporter,
        history,
        {"channel": "apns", "code": 2014, "count": 50},
        {"channel": "apns", "code": 2024, "count": 50},
        {"channel": "apns", "code": "NEW"},
        {"channel": "vivo", "code": 10072, "count": 50},
    )
    assert health.headline == "Trouble: rejected by apns, and 1 more"
    assert titles(health) == ["rejected by apns", "throttled by vivo", "unknown codes on apns"]


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
    """Count results, and let minutes pass until they are out of the window."""
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
    """A channel that accepted pushes, and now none in 50 results, is dead whatever the codes."""
    history = await aged(exporter, history, acked("vivo", 100))
    dead = {"channel": "vivo", "count": 50, **result}
    found = titles(await judged(exporter, history, dead, acked("oppo", 7)))
    assert found[0] == "nothing accepted by vivo"
    assert not {"invalid tokens on vivo", "failures on vivo"} & set(found)
    [shown] = live_values(read(exporter, history), "PushNothingAccepted").codes
    assert (shown.channel, shown.code, shown.results) == ("vivo", str(result["code"]), 50)


@pytest.mark.parametrize("results", ALIVE.values(), ids=ALIVE)
async def test_something_may_be_accepted(
    exporter: Exporter, history: History, results: list[tuple[str, int, int]]
) -> None:
    """Too few results, an accepted one, and codes that prove nothing against the channel."""
    before, *now = (
        {"channel": channel, "count": count, "code": code or 2} for channel, count, code in results
    )
    history = await aged(exporter, history, before)
    found = titles(await judged(exporter, history, *now))
    assert not [title for title in found if title.startswith("nothing accepted")]
    assert live_values(read(exporter, history), "PushNothingAccepted").codes == []


async def test_receipts_may_be_late(exporter: Exporter, history: History) -> None:
    """Receipts that stop are no alarm; of those that came, the failures are shown."""
    late = {"channel": "mipush-receipts", "code": 1, "count": 1000}
    history = await aged(exporter, history, late)
    assert titles(health_of(read(exporter, history))) == []
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


UNKNOWN = {
    "one channel": (
        [("vivo", "A"), ("vivo", "B")],
        ("unknown codes on vivo", "2 of 12 results: A (1), B (1).", "vivo"),
    ),
    "several channels": (
        [("vivo", "A"), ("oppo", "A"), ("pager", "A")],
        (
            "unknown codes on 3 channels",
            "3 of 13 results: vivo A (1), oppo A (1), other A (1).",
            None,
        ),
    ),
    "more than there are labels": (
        [("vivo", f"A{n}") for n in range(25)],
        (
            "unknown codes on vivo",
            "25 of 35 results: other (5), A0 (1), A1 (1) and 18 more.",
            "vivo",
        ),
    ),
}


@pytest.mark.parametrize(("codes", "expected"), UNKNOWN.values(), ids=UNKNOWN)
async def test_unknown_codes_are_one_note(
    exporter: Exporter,
    history: History,
    codes: list[tuple[str, str]],
    expected: tuple[str, str, str | None],
) -> None:
    """Unknown codes of all channels are one note, which explains the label `other`."""
    results = [{"channel": name, "code": code} for name, code in codes]
    health = await judged(exporter, history, acked("vivo", 10), *results)
    assert health.state == "ok"
    [note] = health.findings
    assert note.level is Level.NOTE
    assert (note.title, note.detail, note.channel) == expected
    assert ("the label is other" in note.action) is ("other (" in note.detail)


SHARES = [
    (1, 0, "The only result: 10072 "),
    (60, 0, "All 60 results: 10072 "),
    (10, 50, "10 of 60 results: 10072 "),
    (60, 60, "50% of 120 results: 10072 "),
]


@pytest.mark.parametrize(("failing", "good", "text"), SHARES)
async def test_shares_are_written_by_their_size(
    exporter: Exporter, history: History, failing: int, good: int, text: str
) -> None:
    """Small totals are numbers, large ones percentages."""
    results = [{"channel": "vivo", "code": 10072, "count": failing}]
    await judged(exporter, history, *results, *([acked("vivo", good)] if good else []))
    affected = [one for one in read(exporter, history).all if one.series.code == "10072"]
    counts = {f"{one.series.code} {one.meaning.name}": one.window for one in affected}
    assert describe(counts, failing + good, "results").startswith(text)


async def test_before_the_first_result(exporter: Exporter, history: History) -> None:
    """Each refused request and each request to another path is a finding, until a result comes."""
    for path in ("/webhook/mps?sign=x", "/webhook/mps", "/other", "/webhooks/mps?sign=x"):
        await exporter.post(path, b"{}")
    health = health_of(read(exporter, history))
    assert titles(health) == [
        "requests to /webhooks/mps are refused",
        "requests come to paths that no webhook has",
    ]
    refused, other = health.findings
    assert refused.detail == (
        "The only request: bad_signature (1). bad_signature: no configured key, token or secret "
        "verifies the request."
    )
    assert other.detail == "All 3 such requests: /webhook/mps (2), /other (1)."
    assert other.action.endswith("Webhooks are: /webhooks/mps, /webhooks/results.")
    assert titles(await judged(exporter, history, acked("vivo", 1))) == []


LEDGER_PROBLEMS = {
    "database is locked": "Another process",
    "database or disk is full": "The disk is full",
    "attempt to write a readonly database": "read-only",
    "unable to open database file": "gone or forbidden",
    "disk I/O error": "The disk fails",
    "no such table: counts": "was replaced",
    "connection refused": "Fix the cause",
}


@pytest.mark.parametrize(("problem", "hint"), LEDGER_PROBLEMS.items())
def test_what_to_do_about_a_ledger(problem: str, hint: str) -> None:
    """The action names the usual cause of each message of SQLite."""
    assert hint in ledger_hint(f"{problem} (OperationalError)")


async def test_refused_requests(exporter: Exporter, history: History) -> None:
    """Requests that are refused for their content are a finding."""
    await judged(exporter, history, acked("vivo", 1))
    for _ in range(10):
        await exporter.post("/webhooks/results", b"{}", {"Authorization": "Bearer of another"})
    health = health_of(read(exporter, history))
    assert health.headline == "Attention: requests to /webhooks/results are refused"
    assert "bad_signature (10)" in health.findings[0].detail


async def test_overload(exporter: Exporter, history: History) -> None:
    """Requests refused for overload are a finding of their own."""
    await judged(exporter, history, acked("vivo", 1))
    exporter.hub.ledger._max_pending = 1
    exporter.hub.ledger.pending = 1
    for _ in range(10):
        status, _ = await exporter.results(b'{"code": 2}')
        assert status == 503
    exporter.hub.ledger.pending = 0
    health = health_of(read(exporter, history))
    assert titles(health) == ["requests to /webhooks/results come faster than they can be stored"]


async def test_a_ledger_that_fails(exporter: Exporter, history: History) -> None:
    """A ledger that cannot be used is the most urgent finding."""
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
    async with exporter.client.post(f"{exporter.admin}/-/reload") as response:
        assert response.status == 500
    assert titles(health_of(read(exporter, history))) == ["the last reload failed"]
    token.write_text(TOKEN)
    async with exporter.client.post(f"{exporter.admin}/-/reload") as response:
        assert response.status == 200
    assert titles(health_of(read(exporter, history))) == []
    exporter.service.draining = True
    assert health_of(read(exporter, history)).state == "trouble"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
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
    assert titles(health) == ["results of apns have stopped"]
    assert (await judged(exporter, history, acked("apns", 1))).state == "ok"


async def test_quiet(exporter: Exporter, history: History) -> None:
    """Without a result for a quarter of an hour the state is quiet, not well."""
    await judged(exporter, history, acked("apns", 1))
    [count] = exporter.hub.ledger.counts.values()
    count.last_at = time.time() - 901
    assert health_of(read(exporter, history)).headline == "Quiet: no result in the last 15 minutes"
