"""Which of the alerts in deploy/prometheus/rules.yml watch a code, and where their runbooks are."""

from typing import Literal, NamedTuple

import msgspec

from exporter.results import Category, ClassifiedResult, Severity

RUNBOOKS = "https://github.com/push-result-exporter/push-result-exporter/blob/main/deploy/runbooks/"


def runbook_url(alert: str) -> str:
    """Return the address of an alert's runbook."""
    return f"{RUNBOOKS}{alert}.md"


class Alert(msgspec.Struct, frozen=True):
    """An alert and where to read on."""

    name: str
    runbook: str
    """The path of its page on the admin listener."""

    @classmethod
    def named(cls, name: str) -> "Alert":
        """Find the runbook of an alert."""
        return cls(name, f"runbooks/{name}")


class Watch(NamedTuple):
    """The codes that an alert counts: those with one of these values of a label."""

    label: Literal["severity", "category"]
    values: tuple[str, ...]


WATCHES = {
    "PushChannelRejected": Watch("severity", (Severity.CRITICAL,)),
    "PushThrottled": Watch("category", (Category.THROTTLED, Category.QUOTA)),
    "PushInvalidTokenRatioHigh": Watch("category", (Category.TOKEN_INVALID,)),
    "PushVendorOutage": Watch("category", (Category.VENDOR_OUTAGE, Category.CONNECTION)),
    "PushFailureRatioHigh": Watch("severity", (Severity.ERROR, Severity.CRITICAL)),
    "PushUnknownCode": Watch("severity", (Severity.UNKNOWN,)),
}
"""The alerts that find their codes by severity or category, the most telling first."""

_SPIKE = "PushBadDeviceTokenSpike"  # finds one code by itself


def alerts_for(meaning: ClassifiedResult) -> list[Alert]:
    """List the alerts that results of this meaning can raise, the most telling first."""
    spike = [_SPIKE] if meaning.series[:2] == ("apns", "2009") else []
    watching = [
        alert for alert, watch in WATCHES.items() if getattr(meaning, watch.label) in watch.values
    ]
    return [Alert.named(name) for name in spike + watching]
