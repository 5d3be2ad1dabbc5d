"""The alerts that watch a code are those that the rules have, and by the rules' own selection."""

import re

import pytest
import yaml

from exporter.classification.alerts import WATCHES, Alert, alerts_for
from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.results import PushResult
from tests.support.rules import DEPLOY, RULES

CLASSIFIER = Classifier(load_tables())
EXPRESSIONS = {
    rule.get("alert") or rule["record"]: rule["expr"]
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    for rule in group["rules"]
}


def selected_by(name: str) -> str:
    """Return a rule's expression and those of the rules that it reads."""
    expression: str = EXPRESSIONS[name]
    read = set(re.findall(r"\b\w+:\w+:\w+\b", expression)) & EXPRESSIONS.keys() - {name}
    return "\n".join([expression, *map(selected_by, sorted(read))])


@pytest.mark.parametrize("alert", WATCHES)
def test_selection_is_that_of_the_rules(alert: str) -> None:
    """Each alert selects the severities or categories that we say."""
    label, values = WATCHES[alert]
    matcher = f'{label}="{values[0]}"' if len(values) == 1 else f'{label}=~"{"|".join(values)}"'
    assert matcher in selected_by(alert)


def test_every_alert_about_codes_is_here() -> None:
    """No alert of the rules is about results of some kind without being listed."""
    about_results = {
        name
        for name, text in EXPRESSIONS.items()
        if re.search(r"channel(_severity)?:push_results", text)
    }
    alerts = {name for name in about_results if name.startswith("Push")}
    assert alerts - {"PushResultsStopped"} == {*WATCHES, "PushBadDeviceTokenSpike"}


@pytest.mark.parametrize(
    ("channel", "code", "alerts"),
    [
        ("apns", "2009", ["PushBadDeviceTokenSpike", "PushInvalidTokenRatioHigh"]),
        ("apns", "2014", ["PushChannelRejected", "PushFailureRatioHigh"]),
        ("oppo", "-2", ["PushThrottled"]),
        ("vivo", "987654", ["PushUnknownCode"]),
        ("fcm", "2", []),
    ],
)
def test_alerts_of_a_code(channel: str, code: str, alerts: list[str]) -> None:
    """A code is watched by the alerts for its severity and category."""
    meaning = CLASSIFIER.classify(PushResult(code, channel))
    assert [alert.name for alert in alerts_for(meaning)] == alerts


@pytest.mark.parametrize("alert", [*WATCHES, "PushBadDeviceTokenSpike"])
def test_runbooks_exist(alert: str) -> None:
    """The page of a runbook is made of a file that we ship."""
    assert (DEPLOY / f"{Alert.named(alert).runbook}.md").is_file()
