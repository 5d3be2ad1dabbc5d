"""The declaration of the alerts: which codes they watch, and that each has a runbook."""

import pytest

from exporter.classification.alerts import (
    DECLARATIONS,
    Alert,
    AlertName,
    alerts_for,
    runbook_url,
)
from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.classification.thresholds import THRESHOLDS
from exporter.results import PushResult
from tests.support.rules import DEPLOY
from tests.support.rules import RUNBOOKS as RUNBOOK_FILES

CLASSIFIER = Classifier(load_tables())


def test_every_alert_is_declared() -> None:
    """Each name has one declaration, in the order of precedence, with thresholds that exist."""
    assert list(DECLARATIONS) == list(AlertName)
    named = {declaration.number for declaration in DECLARATIONS.values()}
    named |= {declaration.share for declaration in DECLARATIONS.values()}
    assert named - {None} <= THRESHOLDS.keys()


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


@pytest.mark.parametrize("alert", AlertName)
def test_runbooks_exist(alert: str) -> None:
    """The page of a runbook, and its address, are those of a shipped file."""
    assert (DEPLOY / f"{Alert.named(alert).runbook}.md").is_file()
    assert runbook_url(alert).endswith(f"/deploy/runbooks/{alert}.md")
    assert alert in RUNBOOK_FILES
