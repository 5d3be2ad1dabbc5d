"""A code path that matches nothing is noticed after its first items."""

import json
from pathlib import Path

import pytest

from exporter.errors import ItemReason
from exporter.results import DecodedItems, Rejection
from exporter.runtime.code_matches import FIRST_ITEMS, CodeMatches
from tests.support.exporter import Exporter, started
from tests.support.senders import Sender, url_token


@pytest.mark.parametrize(
    ("items", "without_code", "silent"), [(1, 1, True), (2, 2, True), (1, 0, False), (0, 0, False)]
)
def test_silence(items: int, without_code: int, *, silent: bool) -> None:
    """A path is silent if none of the first hundred items had a code, until one has."""
    matches = CodeMatches()
    for _ in range(FIRST_ITEMS // max(items, 1) - 1):
        matches.observe("acme", items, without_code)
    assert not matches.is_silent("acme")
    matches.observe("acme", items, without_code)
    assert matches.is_silent("acme") == silent
    assert not matches.is_silent("other")
    matches.observe("acme", 1, 0)
    assert not matches.is_silent("acme")


@pytest.mark.parametrize(
    ("reasons", "defaulted", "without_code"),
    [
        ((ItemReason.CODE_MISSING, ItemReason.CODE_NULL), 0, 2),
        ((ItemReason.CODE_INVALID, ItemReason.NOT_AN_OBJECT), 0, 0),
        ((), 3, 3),
        ((ItemReason.CODE_NULL,), 3, 4),
    ],
)
def test_items_without_a_code(
    reasons: tuple[ItemReason, ...], defaulted: int, without_code: int
) -> None:
    """Missing, null and default codes do not match."""
    items = DecodedItems([], [Rejection(0, reason, "") for reason in reasons], 5, defaulted)
    assert items.without_code == without_code


async def test_gateway_without_codes_is_a_finding(tmp_path: Path) -> None:
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
    return [
        finding
        for finding in found
        if "/webhooks/acme: fields.code matches nothing" in finding["title"]
    ]
