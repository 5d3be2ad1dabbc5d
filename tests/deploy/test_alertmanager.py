"""Alertmanager's configuration: valid, its routes and inhibitions, and the messages it renders."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from exporter.classification.tables import load_tables
from tests.support.programs import checked, program
from tests.support.rules import ALERTMANAGER, ALERTS, GROUPS, read

TARGET_LABELS = ["cluster", "environment", "namespace", "job"]
"""The labels of targets that dashboards and Alertmanager know by name."""


def amtool(*arguments: str | Path) -> str:
    """Run amtool."""
    return checked(program("amtool", "prometheus-alertmanager"), *arguments)


def test_alertmanager_takes_the_configuration() -> None:
    """Amtool finds nothing wrong with the configuration."""
    assert "SUCCESS" in amtool("check-config", ALERTMANAGER)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (["severity=warning", "channel=apns"], "ios-chat"),
        (["severity=critical", "channel=apns"], "on-call,ios-chat"),
        (["severity=warning", "channel=vivo"], "android-chat"),
        (["severity=warning", "channel=vivo", "app=shop"], "android-chat"),
        (["severity=critical", "channel=huawei"], "on-call,android-chat"),
        (["severity=warning", "channel=mps"], "platform-chat"),
        (["severity=warning", "channel=other"], "platform-chat"),
        (["severity=critical", "alertname=PushExporterDown"], "on-call,platform-chat"),
        (["severity=warning", "source=mps"], "platform-chat"),
        (["severity=critical", "app=shop"], "on-call,platform-chat"),
        (["severity=info", "channel=apns"], "daily-mail"),
        (["severity=info"], "daily-mail"),
        (["severity=warning", "channel=acme"], "platform-chat"),
        (["severity=critical", "channel=acme"], "on-call,platform-chat"),
        (["channel=harmonyos"], "android-chat"),
        ([], "platform-chat"),
    ],
)
def test_alerts_reach_whom_they_concern(labels: list[str], receivers: str) -> None:
    """Severity and channel decide who hears of an alert."""
    test = ["config", "routes", "test", f"--config.file={ALERTMANAGER}"]
    amtool(*test, f"--verify.receivers={receivers}", *labels)


CHATS = [
    one["slack_configs"][0] for one in read(ALERTMANAGER)["receivers"] if "slack_configs" in one
]


def rendered(folder: Path, chat: dict[str, str], status: str, *names: str) -> tuple[str, str]:
    """Render title and text of the message about alerts of a channel of an app."""
    common = {
        "channel": "vivo",
        "app": "shop",
        "severity": "warning",
        "cluster": "eu",
        "job": "push",
    }
    alerts = [
        {
            "status": status,
            "labels": common | {"alertname": name},
            "annotations": {
                "summary": f"summary of {name}",
                "description": f"description of {name}",
                "runbook_url": f"https://push.example.com/runbooks/{name}?app=shop",
                "dashboard_url": "/d/push-channel",
            },
            "startsAt": "2026-11-29T20:17:08Z",
            "endsAt": "2026-11-29T21:02:40Z",
        }
        for name in names
    ]
    if len(names) == 1:
        common["alertname"] = names[0]
    data = {
        "status": status,
        "commonLabels": common,
        "alerts": alerts,
        "externalURL": "https://alerts.example.com",
    }
    file = folder / "data.json"
    file.write_text(json.dumps(data))
    render = ("template", "render", f"--template.glob={folder}/*.tmpl", f"--template.data={file}")
    title, text = (amtool(*render, f"--template.text={chat[part]}") for part in ("title", "text"))
    return title, text


@pytest.mark.parametrize("chat", CHATS, ids=lambda chat: chat["channel"])
def test_messages_of_alertmanager_can_be_read(chat: dict[str, str], tmp_path: Path) -> None:
    """A message names channel, app and alert, and links to runbook, dashboard and silence."""
    title, text = rendered(tmp_path, chat, "firing", "PushThrottled")
    assert title == "FIRING vivo of shop PushThrottled cluster=eu job=push"
    assert text.startswith("*summary of PushThrottled*\ndescription of PushThrottled\n")
    assert "<https://push.example.com/runbooks/PushThrottled?app=shop|Runbook>" in text
    assert "<https://grafana.example.com/d/push-channel|Dashboard>" in text
    silence = re.search(r"<https://alerts.example.com/#/silences/new\?filter=(.*)\|Silence>", text)
    assert silence
    assert unquote(silence[1]) == (
        '{alertname="PushThrottled",app="shop",channel="vivo",cluster="eu",job="push",'
        'severity="warning"}'
    )


@pytest.mark.parametrize("chat", CHATS, ids=lambda chat: chat["channel"])
def test_an_end_is_a_line_with_its_times(chat: dict[str, str], tmp_path: Path) -> None:
    """A resolved alert is named with its times, and without the figures of its summary."""
    both = ("PushThrottled", "PushFailureRatioHigh")
    title, text = rendered(tmp_path, chat, "resolved", *both)
    assert title == "RESOLVED vivo of shop 2 alerts cluster=eu job=push"
    assert text.splitlines() == [f"Over: {name} vivo of shop, 20:17 to 21:02 UTC" for name in both]


def test_every_channel_has_a_route() -> None:
    """The channels of one kind of phones go to its team; the rest to the platform team."""
    routes = " ".join(str(route.get("matchers")) for route in read(ALERTMANAGER)["route"]["routes"])
    patterns = re.findall(r'channel=~?"([^"]+)"', routes)
    routed = {name for name in load_tables() if any(re.fullmatch(one, name) for one in patterns)}
    assert load_tables().keys() - routed == {"mps", "azure", "expo", "sns", "webpush", "wns"}


def test_an_alert_ends_after_those_that_it_mutes() -> None:
    """An alert that is kept firing longer than the one that mutes it would be told then."""
    kept = {
        rule["alert"]: int(rule.get("keep_firing_for", "0m").removesuffix("m"))
        for rules in GROUPS.values()
        for rule in rules
        if "alert" in rule
    }
    for rule in read(ALERTMANAGER)["inhibit_rules"]:
        sources, targets = _muting_and_muted(rule)
        for target in filter(kept.get, targets):
            assert min(map(kept.__getitem__, sources)) > kept[target], (sources, target)


def _muting_and_muted(rule: dict[str, Any]) -> Iterator[set[str]]:
    """Return the alerts that mute, and those that they mute."""
    for side in ("source", "target"):
        yield set(re.findall(r"\bPush\w+", str(rule[f"{side}_matchers"])))


def test_inhibitions_name_alerts_that_exist() -> None:
    """Alerts that mute or are muted exist; a channel of an app of a target mutes only itself."""
    names = {alert.name for alert in ALERTS}
    muted: dict[str, set[str]] = {}
    for rule in read(ALERTMANAGER)["inhibit_rules"]:
        sources, targets = _muting_and_muted(rule)
        assert sources | targets <= names
        for source in sources:
            muted.setdefault(source, set()).update(targets)
        of_requests = {"PushWebhookRejecting", "PushItemsRejected"} & targets
        of_results = [] if "PushAllResultsStopped" in targets else ["app", "channel"]
        assert rule["equal"] == [*TARGET_LABELS, *(["source"] if of_requests else of_results)]
    assert "PushExporterDown" not in muted  # one that was retired would mute for good
    assert muted["PushLedgerFailing"] == {"PushResultsStopped", "PushAllResultsStopped"}
    assert "PushResultsStopped" not in muted["PushAllRequestsRefused"]  # of other gateways
    shares = {
        alert.name for alert in ALERTS if re.search(r"channel:\w+:ratio15m", alert.expression)
    }
    assert muted["PushChannelRejected"] == {"PushFailureRatioHigh"}  # it may be a few of many
    assert muted["PushNothingAccepted"] == shares
    assert read(ALERTMANAGER)["route"]["group_by"] == [*TARGET_LABELS, "app", "channel"]
