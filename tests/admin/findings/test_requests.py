"""Findings about requests: refused ones, those that fail, and rejected items."""

import asyncio
import json

import pytest

from exporter.errors import Reason
from tests.support.exporter import KeyPair, MakeSettings, started
from tests.support.programs import until
from tests.support.sqlite import held
from tests.support.watched import Watched, accepted

REFUSED = "requests to /webhooks/results are refused"
ALL_REFUSED = "all requests to /webhooks/results are refused"


async def test_before_the_first_result(watched: Watched) -> None:
    """Each refused request and each request to another path is a finding, until a result comes."""
    for path in ("/webhook/mps?sign=x", "/webhook/mps", "/other", "/webhooks/mps?sign=x"):
        await watched.exporter.post(path, b"{}")
    refused, other = watched.health().findings
    assert refused.title == "requests to /webhooks/mps are refused"
    assert refused.detail == (
        "The only request: bad_signature (1). bad_signature: no configured key, token or secret "
        "verifies the request."
    )
    assert other.title == "requests to paths without a webhook"
    assert other.detail == "All 3 such requests: /webhook/mps (2), /other (1)."
    assert other.action.endswith("Webhooks: /webhooks/mps, /webhooks/results.")
    await watched.count(accepted("vivo", 1))
    assert watched.titles() == []


async def test_refused_requests(watched: Watched) -> None:
    """Requests that are refused for their content are a finding."""
    await watched.count(accepted("vivo", 1))
    await watched.refuse(10)
    health = watched.health()
    assert health.headline == f"Attention: {REFUSED}"
    assert "bad_signature (10)" in health.findings[0].detail


async def test_all_requests_are_refused(watched: Watched) -> None:
    """A gateway that had requests accepted and has all refused is trouble within minutes."""
    await watched.count(accepted("vivo", 1))
    watched.pass_minutes(10)
    await watched.refuse(2)
    watched.pass_minutes(2)
    assert watched.titles() == []
    await watched.refuse(2)
    [finding] = watched.health().findings
    assert (finding.level, finding.title) == ("trouble", ALL_REFUSED)
    assert (
        finding.detail
        == "All 4 requests: bad_signature (4). These are requests of the last 3 minutes."
    )
    await watched.count(accepted("vivo", 1))
    assert watched.titles() == []


async def test_a_burst_is_no_trouble(watched: Watched) -> None:
    """Refused requests of a single minute may be forged ones."""
    await watched.count(accepted("vivo", 1))
    watched.pass_minutes(10)
    await watched.refuse(9)
    watched.pass_minutes(1)
    assert watched.titles() == []


@pytest.mark.parametrize(("had_accepted", "title"), [(True, ALL_REFUSED), (False, REFUSED)])
async def test_few_refused_requests(watched: Watched, had_accepted: bool, title: str) -> None:
    """Ten in six hours, and none accepted: trouble for a gateway that had some."""
    if had_accepted:
        await watched.count(accepted("vivo", 1))
    watched.pass_minutes(6 * 60)
    for _ in range(9):
        await watched.refuse(1)
        watched.pass_minutes(30)
        assert not had_accepted or watched.titles() == []
    await watched.refuse(1)
    assert title in watched.titles()


async def test_after_a_restart_with_another_key(
    make_settings: MakeSettings, unknown_key: KeyPair
) -> None:
    """The ledger tells that requests were accepted before; the key's fingerprint is named."""
    async with started(make_settings()) as exporter:
        await Watched(exporter).count(accepted("vivo", 1))
    settings = make_settings(
        results_token_files=[], results_secret_files=[], mps_public_key_files=[unknown_key.public]
    )
    async with started(settings) as exporter:
        watched = Watched(exporter)
        for _ in range(2):
            for _ in range(2):
                await exporter.post("/webhooks/mps?sign=x", b"{}")
            watched.pass_minutes(1)
        [finding] = watched.health().findings
        [source] = exporter.current.snapshot.gateways["mps"].credentials
        assert finding.title == "all requests to /webhooks/mps are refused"
        assert f"with the public key {source.keys[0].fingerprint}." in finding.detail


async def test_overload(make_settings: MakeSettings) -> None:
    """Requests refused for overload are a finding of their own."""
    settings = make_settings(max_pending_results=1)
    async with started(settings) as exporter:
        watched = Watched(exporter)
        await watched.count(accepted("vivo", 1))
        with held(settings.ledger_path):
            waiting = asyncio.create_task(exporter.results(b'{"code": 2}'))
            await until(lambda: exporter.hub.ledger.pending)
            for _ in range(10):
                status, answer = await exporter.results(b'{"code": 2}')
                assert (status, answer["error"]) == (503, "overloaded")
        await waiting
        assert watched.titles() == [
            "requests to /webhooks/results come faster than they can be stored"
        ]


async def test_faults_before_the_first_result(watched: Watched) -> None:
    """Requests that fail for a fault of the exporter are a finding on the first day, too."""
    for _ in range(20):
        watched.exporter.hub.finished("results", Reason.INTERNAL_ERROR, 0.1)
    assert watched.titles() == ["requests to /webhooks/results fail in the exporter"]


async def test_faults_of_the_exporter(watched: Watched) -> None:
    """Three requests that fail for a fault of the exporter are a finding."""
    await watched.count(accepted("vivo", 1))
    for number in (2, 1):
        assert watched.titles() == []
        for _ in range(number):
            watched.exporter.hub.finished("results", Reason.INTERNAL_ERROR, 0.1)
    [finding] = watched.health().findings
    assert finding.title == "requests to /webhooks/results fail in the exporter"
    assert finding.detail == "3 of 4 requests: internal_error (3)."


async def test_rejected_items(watched: Watched) -> None:
    """A finding where most items of accepted requests are rejected."""
    bad: list[object] = [{"code": []}] * 10
    await watched.exporter.results(json.dumps([*bad, {"code": 2, "count": 11}]).encode())
    assert watched.titles() == []
    await watched.exporter.results(json.dumps([*bad, {"code": 2}]).encode())
    [finding] = watched.health().findings
    assert finding.title == "items of requests to /webhooks/results are rejected"
    assert finding.detail == "20 of 32 items: code_invalid (20)."
