"""A code path that matches nothing is noticed after its first items."""

import json
from pathlib import Path

import pytest

from exporter.errors import ItemReason
from exporter.results import DecodedItems, PushResult, Rejection, ResultGroup
from exporter.runtime.code_matches import FIRST_ITEMS, CodeMatches
from tests.support.exporter import Exporter, started
from tests.support.senders import Sender, url_token


def batch(
    results: int = 0, defaulted: int = 0, reasons: tuple[ItemReason, ...] = ()
) -> DecodedItems:
    """Make a batch."""
    group = ResultGroup(PushResult("1"), 1, results)
    return DecodedItems([group], [Rejection(0, one, "") for one in reasons], 5, defaulted)


@pytest.mark.parametrize(
    ("once", "silent"),
    [
        (batch(reasons=(ItemReason.CODE_MISSING,)), True),
        (batch(reasons=(ItemReason.CODE_NULL,)), True),
        (batch(1, defaulted=1), True),
        (batch(1), False),
        (batch(reasons=(ItemReason.CODE_INVALID,)), False),
        (batch(), False),
    ],
)
def test_silence(once: DecodedItems, *, silent: bool) -> None:
    """Missing, null and default codes are no match, and skipped items are not asked for one."""
    matches = CodeMatches()
    for _ in range(FIRST_ITEMS - 1):
        matches.observe("acme", once)
    assert not matches.is_silent("acme")
    matches.observe("acme", once)
    assert matches.is_silent("acme") == silent
    assert not matches.is_silent("other")
    matches.observe("acme", batch(1))
    assert not matches.is_silent("acme")


async def test_silence_is_a_finding(tmp_path: Path) -> None:
    """The status page names a gateway whose first hundred items had no code."""
    sender = Sender("acme", url_token, '[auth]\nscheme = "none"\n[fields]\ncode = "cod"\n')
    async with started(sender.settings(tmp_path)) as exporter:
        body = json.dumps([{"code": 1}] * FIRST_ITEMS).encode()
        assert not await findings(exporter)
        assert (await exporter.post("/webhooks/acme", body))[0] == 400
        assert "explain --payload FILE --gateway acme" in str(await findings(exporter))


async def findings(exporter: Exporter) -> list[dict[str, str]]:
    """Return the findings of descriptions."""
    async with exporter.client.get(exporter.admin + "/api/v1/status") as response:
        found = (await response.json())["health"]["findings"]
    return [one for one in found if "/webhooks/acme is said" in one["title"]]
