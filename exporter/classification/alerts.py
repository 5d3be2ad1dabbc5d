"""The alerts, declared once: names, severities, thresholds, what they watch, and what to do.

The rules of deploy/prometheus/rules.yml, the status page, the dashboards and Grafana's alerts agree
with this; tests/deploy/test_rules.py proves it of the rules.
"""

from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

from exporter.results import Category, ClassifiedResult, Severity

RUNBOOKS = "https://github.com/push-result-exporter/push-result-exporter/blob/main/deploy/runbooks/"


class AlertName(StrEnum):
    """The name of each alert, the most specific first where several watch one code."""

    CHANNEL_REJECTED = "PushChannelRejected"
    NOTHING_ACCEPTED = "PushNothingAccepted"
    BAD_DEVICE_TOKEN_SPIKE = "PushBadDeviceTokenSpike"  # noqa: S105 - the name of an alert
    THROTTLED = "PushThrottled"
    INVALID_TOKEN_RATIO_HIGH = "PushInvalidTokenRatioHigh"  # noqa: S105 - likewise
    VENDOR_OUTAGE = "PushVendorOutage"
    FAILURE_RATIO_HIGH = "PushFailureRatioHigh"
    DELIVERY_RATIO_LOW = "PushDeliveryRatioLow"
    RESULTS_STOPPED = "PushResultsStopped"
    UNKNOWN_CODE = "PushUnknownCode"
    WEBHOOK_REJECTING = "PushWebhookRejecting"
    EXPORTER_DOWN = "PushExporterDown"
    EXPORTER_OVERLOADED = "PushExporterOverloaded"
    LEDGER_FAILING = "PushLedgerFailing"


THRESHOLDS = {
    "min_results": 50,
    "min_affected": 10,
    "dead_share": 0.5,
    "bad_device_token_share": 0.05,
    "token_invalid_share": 0.05,
    "spike_growth": 2.5,
    "usual_share": 0.04,
    "spike_results": 20,
    "throttled_share": 0.05,
    "throttled_rate": 1,
    "rejected_results": 3,
    "nothing_accepted_results": 50,
    "usually_accepted_share": 0.05,
    "outage_share": 0.1,
    "failure_share": 0.1,
    "delivery_drop": 0.5,
    "delivery_results": 50,
    "steady_results": 20,
    "unknown_results": 1,
    "refused_share": 0.05,
    "overloaded_share": 0.01,
    "pending_results": 80_000,
}
"""By the middle of its name, `push:<name>:threshold` in the rules, which say what each means."""

ACCEPTED = (Category.ACCEPTED, Category.DELIVERED, Category.OPENED)
"""What says that a channel works."""

NOT_THE_CHANNEL = (Category.PENDING, Category.UNREACHABLE, Category.UNREGISTERED)
"""What says nothing against a channel: for the vendor to know, the request must have got in."""


class Watch(NamedTuple):
    """The results that an alert counts: those with one of these values of a label."""

    label: Literal["severity", "category", "code"]
    values: tuple[str, ...]
    channel: str | None = None
    """The only channel that is watched; None for every channel."""

    def matches(self, meaning: ClassifiedResult) -> bool:
        """Whether the alert counts results of this meaning."""
        if self.channel not in (None, meaning.series.channel):
            return False
        value = meaning.series.code if self.label == "code" else getattr(meaning, self.label)
        return value in self.values


class Declaration(NamedTuple):
    """An alert, as rules, page, dashboards and Grafana agree on it."""

    severity: Literal["info", "warning", "critical"]
    title: str
    """Of a finding on the status page; `{}` is the channel, webhook or exporter."""
    advice: str
    """What to do, without templates: the end of the description in the rules."""
    watch: Watch | None = None
    number: str | None = None
    """The threshold that the number of results or requests in 15 minutes has to reach."""
    share: str | None = None
    """The threshold that their share has to reach."""


DECLARATIONS = {
    AlertName.CHANNEL_REJECTED: Declaration(
        "critical",
        "rejected by {}",
        "Someone has to act: it does not recover by itself.",
        Watch("severity", (Severity.CRITICAL,)),
        "rejected_results",
    ),
    AlertName.NOTHING_ACCEPTED: Declaration(
        "critical",
        "nothing accepted by {}",
        "Compare secret, certificate, environment and app in the mPaaS console with the vendor's "
        "console, in this order.",
        number="nothing_accepted_results",
    ),
    AlertName.BAD_DEVICE_TOKEN_SPIKE: Declaration(
        "warning",
        "bad device tokens on {}",
        "Compare the environment of the push certificate in the mPaaS console (development or "
        "production) with the app build that was released last, and delete nothing before they "
        "agree.",
        Watch("code", ("2009",), channel="apns"),
        "spike_results",
        "bad_device_token_share",
    ),
    AlertName.THROTTLED: Declaration(
        "warning",
        "throttled by {}",
        "Throttled: send more slowly, and retry with growing delays. Quota: stop what can wait "
        "until the next day, and ask the vendor for more.",
        Watch("category", (Category.THROTTLED, Category.QUOTA)),
        "min_affected",
        "throttled_share",
    ),
    AlertName.INVALID_TOKEN_RATIO_HIGH: Declaration(
        "warning",
        "invalid tokens on {}",
        "Look for a new app release, target list or setting that brings tokens of another app, "
        "environment or region, and delete nothing before that is known.",
        Watch("category", (Category.TOKEN_INVALID,)),
        "spike_results",
        "token_invalid_share",
    ),
    AlertName.VENDOR_OUTAGE: Declaration(
        "warning",
        "outage at {}",
        "Hold back what can wait, let the gateway retry with growing delays, and look at the "
        "vendor's status page.",
        Watch("category", (Category.VENDOR_OUTAGE, Category.CONNECTION)),
        "min_affected",
        "outage_share",
    ),
    AlertName.FAILURE_RATIO_HIGH: Declaration(
        "warning",
        "failures on {}",
        "Begin with the most frequent code: push-result-exporter explain says what to do about it.",
        Watch("severity", (Severity.ERROR, Severity.CRITICAL)),
        "min_affected",
        "failure_share",
    ),
    AlertName.DELIVERY_RATIO_LOW: Declaration(
        "warning",
        "few pushes of {} are delivered",
        "Look at what the receipts say of the others, at the classification of the messages with "
        "the vendor, and at the last release of the app.",
    ),
    AlertName.RESULTS_STOPPED: Declaration(
        "critical",
        "results of {} have stopped",
        "Find out whether pushes are still sent on this channel, and if so, whether the gateway "
        "still calls the webhook.",
        number="steady_results",
    ),
    AlertName.UNKNOWN_CODE: Declaration(
        "info",
        "unknown codes on {}",
        "Read their messages on the exporter's status page and add a row to a code table.",
        Watch("severity", (Severity.UNKNOWN,)),
        "unknown_results",
    ),
    AlertName.WEBHOOK_REJECTING: Declaration(
        "warning",
        "requests to /webhooks/{} are refused",
        "If they come from your gateway, its key, token or format differs from what the exporter "
        "expects; if not, block the sender.",
        number="min_affected",
        share="refused_share",
    ),
    AlertName.EXPORTER_DOWN: Declaration(
        "critical",
        "exporter {} is down",
        "Start it, repair the way from Prometheus to its admin port, or take a target that was "
        "retired out of the list.",
    ),
    AlertName.EXPORTER_OVERLOADED: Declaration(
        "warning",
        "requests to /webhooks/{} are too many for the disk",
        "Give it a faster disk or add a replica.",
        number="min_affected",
        share="overloaded_share",
    ),
    AlertName.LEDGER_FAILING: Declaration(
        "critical",
        "the ledger cannot be used",
        "Look for a full disk, a read-only file system or a second exporter on the same file; its "
        "log says which. It recovers by itself once the cause is gone.",
    ),
}
"""Every alert, in the order of AlertName."""

WATCHES = {name: one.watch for name, one in DECLARATIONS.items() if one.watch}
"""The alerts that find results by what their codes mean, the most specific first."""


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


def alerts_for(meaning: ClassifiedResult) -> list[Alert]:
    """List the alerts that results of this meaning can raise, the most specific first."""
    return [Alert.named(name) for name, watch in WATCHES.items() if watch.matches(meaning)]
