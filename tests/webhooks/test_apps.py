"""Results by app, end to end: who decides, what is exposed, and what stays without APPS."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from exporter.configuration.settings import Settings
from exporter.runtime.frequent import MAX_NAMES
from tests.support.exporter import Exporter, KeyPair, MakeSettings, make_key_pair, started, url_sign

RESULTS = "push_results_total"
APPS = ["shop", "news"]


@pytest.fixture
def by_app(make_settings: MakeSettings, tmp_path: Path) -> Settings:
    """Declare two apps: one has its own token, the other uses one without an app."""
    for name in ("shop", "anybody"):
        (tmp_path / name).write_text(f"the-token-of-{name}\n")
    tokens = [f"shop={tmp_path}/shop", tmp_path / "anybody"]
    return make_settings(apps=APPS, results_token_files=tokens)


async def post(exporter: Exporter, token: str, *items: dict[str, Any]) -> dict[str, Any]:
    """Post items with a token; return the answer."""
    headers = {"Authorization": f"Bearer the-token-of-{token}"}
    status, answer = await exporter.post("/webhooks/results", json.dumps(items).encode(), headers)
    assert status == 200
    return answer


def item(app: object = None, **more: object) -> dict[str, Any]:
    """Make a failure of one app."""
    return {"channel": "apns", "code": 2009} | ({"app": app} if app is not None else {}) | more


@pytest.mark.parametrize(
    ("token", "named", "counted"),
    [
        ("anybody", "news", "news"),
        ("anybody", " shop ", "shop"),
        ("anybody", None, "other"),
        ("anybody", "", "other"),
        ("anybody", "games", "other"),
        ("anybody", "other", "other"),
        ("shop", None, "shop"),
        ("shop", "news", "shop"),
        ("shop", "games", "shop"),
    ],
)
async def test_credential_decides_else_the_item(
    by_app: Settings, token: str, named: str | None, counted: str
) -> None:
    """A credential of one app never counts for another, and only declared apps are taken."""
    async with started(by_app) as exporter:
        await post(exporter, token, item(named))
        assert await exporter.counted() == {(counted, "apns", "2009", "warning"): 1}
        received = await exporter.series("push_results_last_received_timestamp_seconds")
        assert [labels for labels, value in received.items() if value] == [(counted, "apns")]


async def test_app_does_not_identify_a_delivery(by_app: Settings) -> None:
    """A result that is repeated under another app is a duplicate."""
    async with started(by_app) as exporter:
        assert (await post(exporter, "anybody", item("shop", id="m-1")))["accepted"] == 1
        assert (await post(exporter, "anybody", item("news", id="m-1")))["duplicates"] == 1
        assert await exporter.counted() == {("shop", "apns", "2009", "warning"): 1}


async def test_known_pairs_start_at_zero(by_app: Settings) -> None:
    """Each app has the codes of MPS's channels at 0, those of others from its first result on."""
    async with started(by_app) as exporter:
        await post(exporter, "shop", {"channel": "webpush", "code": "410"})
        results = await exporter.series(RESULTS)
    for app in (*APPS, "other"):
        assert (app, "apns", "2009", "warning") in results
    assert {labels[0] for labels in results if labels[1] == "webpush"} == {"shop"}


async def test_undeclared_apps_are_remembered(by_app: Settings) -> None:
    """The names that results have and APPS has not, without tokens, and within bounds."""
    async with started(by_app) as exporter:
        token = "0123456789abcdef" * 4
        await post(exporter, "anybody", *(item("games") for _ in range(3)), item(token))
        await post(exporter, "anybody", *(item(f"app-{number}") for number in range(50)))
        names = {app.name: app.count for app in exporter.hub.undeclared_apps.most_frequent()}
    assert names.pop("games") == 3
    assert len(names) == MAX_NAMES - 1
    assert not any(token in name for name in names)


async def test_query_names_the_app_of_mps(
    make_settings: MakeSettings, tmp_path: Path, keys: KeyPair
) -> None:
    """MPS's callbacks are of the app of the key, else of `?app=`."""
    news = make_key_pair(tmp_path, "news")
    settings = make_settings(apps=APPS, mps_public_key_files=[keys.public, f"news={news.public}"])
    async with started(settings) as exporter:
        for number, pair in enumerate((keys, news)):
            body = json.dumps({"statusCode": "2", "msgId": f"m{number}", "channel": "IOS"}).encode()
            query = f"sign={url_sign(pair.sign(body))}&app=shop"
            assert (await exporter.post(f"/webhooks/mps?{query}", body))[0] == 200
        assert {labels[0] for labels in await exporter.counted()} == {"shop", "news"}
        found = await exporter.series("push_webhook_key_info")
    assert {labels[::-1] for labels in found} == {
        ("mps", fingerprint(pair)) for pair in (keys, news)
    }


def fingerprint(pair: KeyPair) -> str:
    """Hash a public key as the console of a gateway does."""
    key = serialization.load_pem_public_key(pair.public.read_bytes())
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


async def test_counts_keep_their_label(by_app: Settings) -> None:
    """Counts without an app stay without, and those of an app that is no longer declared stay."""
    without = by_app.model_copy(update={"apps": ()})
    totals = []
    for settings in (without, by_app, by_app.model_copy(update={"apps": ("news",)}), without):
        files = (settings.results_token_files[-1],)
        async with started(settings.model_copy(update={"results_token_files": files})) as exporter:
            await post(exporter, "anybody", item("shop"))
            async with exporter.client.get(f"{exporter.admin}/metrics") as answer:
                text = await answer.text()
        totals.append(
            {
                line.partition("} ")[0].partition("{")[2]: float(line.partition("} ")[2])
                for line in text.splitlines()
                if line.startswith(RESULTS + "{") and not line.endswith(" 0.0")
            }
        )
    none = 'channel="apns",code="2009",severity="warning"'
    shop, other = (f'app="{app}",{none}' for app in ("shop", "other"))
    assert totals == [
        {none: 1},
        {none: 1, shop: 1},
        {none: 1, shop: 1, other: 1},
        {none: 2, shop: 1, other: 1},
    ]
