"""The whole path: exporter, Prometheus, Alertmanager, and a webhook that is told what is wrong."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.chain import (
    MAX_PENDING_RESULTS,
    Chain,
    alertmanager,
    chain,
    played,
    query,
    strangers,
)
from tests.support.exporter import TOKEN, KeyPair
from tests.support.programs import (
    Settings,
    fetch,
    frozen,
    in_background,
    program,
    wait_for,
)
from tests.support.receiver import receiver
from tests.support.rules import (
    ALERTS,
    EXPRESSIONS,
    RECORDED,
    RUNBOOKS,
    code_blocks,
    template_queries,
)

pytestmark = pytest.mark.load

OWN_CHANNEL = """
channel = "quiet"
title = "A channel of which no scenario has results"
aliases = []
checked = 2026-01-01
[codes.2]
name = "Acked"
description = "The vendor took the push."
severity = "info"
category = "accepted"
retry = "no"
action = "None."
source = "test"
origin = "operator"
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, keys: KeyPair) -> Iterator[Chain]:
    """Run everything while three scenarios are played at once, and strangers call."""
    folder = tmp_path_factory.mktemp("alerting")
    (folder / "quiet.toml").write_text(OWN_CHANNEL)
    settings: Settings = {
        "mps_public_key_files": keys.public,
        "code_table_files": folder / "quiet.toml",
        "max_pending_results": MAX_PENDING_RESULTS,
    }
    with chain(folder, short=True, key=keys.private, **settings) as path:
        # Each makes the shares of the others smaller; with these rates all are well above.
        rates = {"bad-device-token-spike": 120, "throttled": 120, "outage": 60}
        with played(path, rates), strangers(path, seconds=20):
            yield path


def sent(path: Chain, receiver_: str, alert: str, channel: str = "") -> dict[str, Any]:
    """Wait until an alert has reached a receiver."""
    return wait_for(
        lambda: path.told.told(receiver_, alert, channel), f"{alert} of {channel} is sent"
    )


def test_bad_device_tokens_reach_the_ios_team(running: Chain) -> None:
    """A spike of BadDeviceToken travels to the webhook, with its code and where to read on."""
    alert = sent(running, "ios-chat", "PushBadDeviceTokenSpike", "apns")
    assert alert["labels"]["severity"] == "warning"
    assert "2009 BadDeviceToken" in alert["annotations"]["description"]
    assert re.match(r"\d+(\.\d+)?% of the results of APNs", alert["annotations"]["summary"])
    assert alert["annotations"]["dashboard_url"] == (
        "/d/push-channel?var-channel=apns&var-job=push-result-exporter"
    )
    assert Path(alert["annotations"]["runbook_url"]).stem in RUNBOOKS


@pytest.mark.parametrize(
    ("channel", "codes"),
    [
        ("vivo", ["10072 SendTooFast", "10070 TotalSendLimit"]),
        ("mipush", ["10027 AppFrequencyLimit"]),
        ("oppo", ["-2 Service in Flow Control"]),
    ],
)
def test_throttling_reaches_the_android_team(
    running: Chain, channel: str, codes: list[str]
) -> None:
    """Throttling travels to the webhook as one alert a channel, which names the codes."""
    alert = sent(running, "android-chat", "PushThrottled", channel)
    assert all(code in alert["annotations"]["description"] for code in codes)
    assert not re.search(r"%!|  |<no value>|<error", alert["annotations"]["description"])


def test_an_outage_mutes_its_failure_share(running: Chain) -> None:
    """An outage is told once, not as a share of failures as well."""
    sent(running, "android-chat", "PushVendorOutage", "huawei")
    muted(running, "PushFailureRatioHigh", "huawei")


def muted(path: Chain, alert: str, channel: str) -> None:
    """Wait until Alertmanager has an alert and holds it back for another."""
    wait_for(
        lambda: (alert, channel, "", "") in inhibited(path.alertmanager),
        f"{alert} of {channel} is held back",
    )


def test_no_rule_fails(running: Chain) -> None:
    """Prometheus reports every rule as healthy."""
    answer = json.loads(fetch(f"{running.prometheus}/api/v1/rules"))
    groups = answer["data"]["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}


def test_queries_of_annotations_run(running: Chain) -> None:
    """Every query in the template of an annotation runs."""
    for alert in ALERTS:
        for expression in template_queries(alert.annotations["description"]):
            query(running, expression)


@pytest.mark.parametrize("name", sorted(RUNBOOKS))
def test_commands_of_runbooks_silence(running: Chain, name: str) -> None:
    """The command of a runbook silences its alert."""
    program("amtool", "prometheus-alertmanager")
    (command,) = code_blocks(name, "sh")

    def shell(line: str) -> str:
        environment = {**os.environ, "USER": "somebody"}
        ran = subprocess.run(
            ["sh", "-c", line], env=environment, capture_output=True, text=True, check=True
        )
        return ran.stdout.strip()

    silence = shell(command.replace("http://127.0.0.1:9093", running.alertmanager))
    try:
        made = json.loads(fetch(f"{running.alertmanager}/api/v2/silence/{silence}"))
        matched = {matcher["name"]: matcher["value"] for matcher in made["matchers"]}
        assert matched["alertname"] == name
    finally:
        shell(f"amtool silence expire --alertmanager.url={running.alertmanager} {silence}")


def check_runbook(path: Chain, name: str) -> None:
    """Every query of a runbook has data once its alert has fired."""
    alert = f'last_over_time(ALERTS{{alertname="{name}", alertstate="firing"}}[10m])'
    wait_for(lambda: query(path, alert), f"{name} fires")
    for expression in code_blocks(name, "promql"):
        assert query(path, expression), expression


LATER = {
    "PushChannelRejected",
    "PushNothingAccepted",
    "PushLedgerFailing",
    "PushResultsStopped",
    "PushAllRequestsRefused",
    "PushReloadFailed",
    "PushExporterDown",
}
"""Alerts whose trouble comes in a test of its own, below."""
BY_PROMTOOL = re.compile(
    r"Delivery|delivered|opened|push_channel:info"  # receipts, and hours of them
    r"|quiet|moved|(app|exporter):push_results_stopped|AllResults"  # days, and total silence
    r"|AllCodes|ItemsRejected|ExporterErrors|failed:|Dedupe|Certificate"
)
"""What tests/rules/ proves, and no traffic here brings about."""


@pytest.mark.parametrize(
    "name", sorted(one for one in RUNBOOKS.keys() - LATER if not BY_PROMTOOL.search(one))
)
def test_queries_of_a_runbook_find_its_trouble(running: Chain, name: str) -> None:
    """Whoever opens the runbook of an alert and runs its queries is shown something."""
    check_runbook(running, name)


def test_a_rejected_channel_wakes_somebody_and_mutes_its_shares(running: Chain) -> None:
    """An expired certificate reaches the one on call; the failures of the channel are muted."""
    with played(running, {"certificate-expired": 150}):
        alert = sent(running, "on-call", "PushChannelRejected", "apns")
        assert "2014 BadCertificate" in alert["annotations"]["description"]
        sent(running, "ios-chat", "PushChannelRejected", "apns")
        check_runbook(running, "PushChannelRejected")
        muted(running, "PushFailureRatioHigh", "apns")


def test_a_channel_that_accepts_nothing_wakes_somebody(running: Chain) -> None:
    """A channel that accepted pushes and now none reaches the one on call, whatever the code."""
    with results(running, {"channel": "quiet", "code": 2}, at_once=10):
        accepted = 'channel:push_results_accepted:increase15m{channel="quiet"} > 0'
        wait_for(lambda: query(running, accepted), "pushes are accepted")
    with results(running, {"channel": "quiet", "code": "UNHEARD_OF"}, at_once=2):
        alert = sent(running, "on-call", "PushNothingAccepted", "quiet")
        assert "UNHEARD_OF" in alert["annotations"]["description"]
        check_runbook(running, "PushNothingAccepted")


@contextmanager
def results(
    path: Chain, result: dict[str, Any], at_once: int, token: str = TOKEN
) -> Iterator[None]:
    """Post so many of a result, ten times per second, inside the block."""
    body = json.dumps([result | {"count": at_once}]).encode()
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.1):
            with suppress(OSError):  # too many may wait for their commit, or the token is wrong
                headers = {"Authorization": f"Bearer {token}"}
                fetch(f"{path.exporter.ingest}/webhooks/results", body, headers)

    with in_background(send, over.set):
        yield


def test_a_ledger_out_of_reach_wakes_somebody(running: Chain) -> None:
    """A ledger that cannot be written reaches the one on call and the platform team."""
    ledger = running.folder / "ledger.sqlite3"
    away = ledger.rename(running.folder / "away.sqlite3")
    try:
        sent(running, "on-call", "PushLedgerFailing")
        sent(running, "platform-chat", "PushLedgerFailing")
        check_runbook(running, "PushLedgerFailing")
    finally:
        away.rename(ledger)


def test_results_that_stop_wake_somebody(running: Chain) -> None:
    """A channel that falls silent reaches the one on call, while others go on."""
    alert = sent(running, "on-call", "PushResultsStopped", "other")
    assert re.search(r"the last arrived .* ago\.", alert["annotations"]["description"])
    check_runbook(running, "PushResultsStopped")


def test_a_wrong_key_wakes_somebody(running: Chain) -> None:
    """A gateway whose requests are all refused reaches the one on call."""
    with results(running, {"channel": "quiet", "code": 2}, at_once=1):
        accepted = 'source:push_webhook_requests_accepted:increase15m{source="results"} > 0'
        wait_for(lambda: query(running, accepted), "requests are accepted")
    with results(running, {"channel": "quiet", "code": 2}, at_once=1, token="of nobody"):
        alert = sent(running, "on-call", "PushAllRequestsRefused")
        assert "bad_signature" in alert["annotations"]["description"]
        check_runbook(running, "PushAllRequestsRefused")


def test_a_failed_reload_reaches_the_platform_team(running: Chain) -> None:
    """A file that cannot be read, and a reload, reach the platform team."""
    table = running.folder / "quiet.toml"
    good = table.read_text()
    try:
        table.write_text("channel =")
        with suppress(OSError):  # the response is 500
            fetch(f"{running.exporter.admin}/-/reload", b"")
        sent(running, "platform-chat", "PushReloadFailed")
        check_runbook(running, "PushReloadFailed")
    finally:
        table.write_text(good)
        fetch(f"{running.exporter.admin}/-/reload", b"")


def test_an_exporter_that_is_down_wakes_somebody(running: Chain) -> None:
    """An exporter that does not answer reaches the one on call, by its name."""
    with frozen(running.exporter.process):
        alert = sent(running, "on-call", "PushExporterDown")
        assert running.exporter.admin.endswith(alert["labels"]["instance"])
        check_runbook(running, "PushExporterDown")


@pytest.mark.parametrize("name", [one for one in EXPRESSIONS if not BY_PROMTOOL.search(one)])
def test_every_rule_has_had_data(running: Chain, name: str) -> None:
    """By now every recording rule has written something, and every alert has fired."""
    alert = f'ALERTS{{alertname="{name}", alertstate="firing"}}'
    series = name if name in RECORDED else alert
    assert query(running, f"last_over_time({series}[10m])")


Identity = tuple[str, str, str, str]
"""An alert by its name, channel, app and source."""

OF_RESULTS = {
    (name, channel, app, "")
    for name in ("PushInvalidTokenRatioHigh", "PushThrottled", "PushFailureRatioHigh",
                 "PushResultsStopped", "PushUnknownCode")
    for channel in ("apns", "vivo")
    for app in ("shop", "blog", "")
}  # fmt: skip
OF_REQUESTS = {
    (name, "", "", source)
    for name in ("PushWebhookRejecting", "PushExporterErrors", "PushItemsRejected")
    for source in ("mps", "results")
}
ALL_STOPPED = {("PushAllResultsStopped", "", app, "") for app in ("shop", "")}
ALWAYS = {one for one in OF_REQUESTS if one[0] == "PushItemsRejected"}
"""Held back by PushWebhookRejecting, which is among them."""
SHARES = {"PushInvalidTokenRatioHigh", "PushThrottled", "PushFailureRatioHigh"}
STOPPED = {one for one in OF_RESULTS if one[0] == "PushResultsStopped"}


def of_shop(*names: str) -> set[Identity]:
    """Return alerts of APNs of the shop."""
    return {(name, "apns", "shop", "") for name in names}


MUTES: list[tuple[Identity, set[Identity]]] = [
    (("PushLedgerFailing", "", "", ""), STOPPED | ALL_STOPPED),
    (("PushChannelRejected", "apns", "shop", ""), of_shop("PushFailureRatioHigh")),
    (("PushNothingAccepted", "apns", "shop", ""), of_shop(*SHARES)),
    (("PushVendorOutage", "apns", "shop", ""), of_shop("PushFailureRatioHigh")),
    (("PushBadDeviceTokenSpike", "apns", "shop", ""), of_shop("PushInvalidTokenRatioHigh")),
    (("PushAllCodesUnknown", "apns", "shop", ""), of_shop("PushUnknownCode")),
    (
        ("PushAllRequestsRefused", "", "", "mps"),
        {("PushAllResultsStopped", "", "", "")} | {one for one in OF_REQUESTS if one[3] == "mps"},
    ),
]
"""What an alert holds back of those above."""


def test_alerts_mute_what_follows_from_them(tmp_path: Path) -> None:
    """Alertmanager holds back what another alert explains, and on no other channel or app."""
    targets = OF_RESULTS | OF_REQUESTS | ALL_STOPPED
    with receiver() as told, alertmanager(tmp_path, told) as url:
        for source, expected in MUTES:
            post(url, {source} | targets, ends_in=60)
            wait_for(partial(holds_back, url, expected | ALWAYS), f"what {source[0]} mutes")
            post(url, {source} | targets, ends_in=-1)


def post(url: str, alerts: set[Identity], ends_in: float) -> None:
    """Tell Alertmanager of alerts, as Prometheus does."""
    ends = datetime.now(UTC) + timedelta(seconds=ends_in)
    body = [
        {
            "labels": dict(zip(("alertname", "channel", "app", "source"), alert, strict=True)),
            "endsAt": ends.isoformat(),
        }
        for alert in alerts
    ]
    headers = {"Content-Type": "application/json"}
    fetch(f"{url}/api/v2/alerts", json.dumps(body).encode(), headers)


def holds_back(url: str, expected: set[Identity]) -> bool:
    """Whether Alertmanager holds back these alerts and no others."""
    return inhibited(url) == expected


def inhibited(url: str) -> set[Identity]:
    """Return the alerts that Alertmanager holds back for another."""
    return {
        (
            alert["labels"]["alertname"],
            alert["labels"].get("channel", ""),
            alert["labels"].get("app", ""),
            alert["labels"].get("source", ""),
        )
        for alert in json.loads(fetch(f"{url}/api/v2/alerts"))
        if alert["status"]["inhibitedBy"]
    }
