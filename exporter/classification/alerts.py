"""The declarations of the alerts: names, severities, watched results and advice.

Rules, status page, dashboards and Grafana's alerts agree with them; for the rules,
tests/deploy/test_rules.py verifies it.
"""

from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

from exporter.results import Category, ClassifiedResult, Severity

RUNBOOKS = "https://github.com/push-result-exporter/push-result-exporter/blob/main/deploy/runbooks/"


class AlertName(StrEnum):
    """The names of the alerts; of alerts that watch the same code, the most specific first."""

    CHANNEL_REJECTED = "PushChannelRejected"
    NOTHING_ACCEPTED = "PushNothingAccepted"
    BAD_DEVICE_TOKEN_SPIKE = "PushBadDeviceTokenSpike"  # noqa: S105 - the name of an alert
    THROTTLED = "PushThrottled"
    INVALID_TOKEN_RATIO_HIGH = "PushInvalidTokenRatioHigh"  # noqa: S105 - likewise
    VENDOR_OUTAGE = "PushVendorOutage"
    FAILURE_RATIO_HIGH = "PushFailureRatioHigh"
    DELIVERY_RATIO_LOW = "PushDeliveryRatioLow"
    ALL_RESULTS_STOPPED = "PushAllResultsStopped"
    RESULTS_STOPPED = "PushResultsStopped"
    ALL_CODES_UNKNOWN = "PushAllCodesUnknown"
    UNKNOWN_CODE = "PushUnknownCode"
    ALL_REQUESTS_REFUSED = "PushAllRequestsRefused"
    WEBHOOK_REJECTING = "PushWebhookRejecting"
    ITEMS_REJECTED = "PushItemsRejected"
    EXPORTER_ERRORS = "PushExporterErrors"
    EXPORTER_DOWN = "PushExporterDown"
    EXPORTER_OVERLOADED = "PushExporterOverloaded"
    LEDGER_FAILING = "PushLedgerFailing"
    RELOAD_FAILED = "PushReloadFailed"
    DEDUPE_REACH_LOW = "PushDedupeReachLow"
    CERTIFICATE_EXPIRING = "PushCertificateExpiring"


ACCEPTED = (Category.ACCEPTED, Category.DELIVERED, Category.OPENED)
"""Categories that show a working channel."""

NOT_THE_CHANNEL = (Category.PENDING, Category.UNREACHABLE, Category.UNREGISTERED)
"""Failures that do not indicate a dead channel: the vendor processed the request."""


class Watch(NamedTuple):
    """The results counted by an alert: those with any of these values of a label."""

    label: Literal["severity", "category", "code"]
    values: tuple[str, ...]
    channel: str | None = None
    """The only watched channel; None for all channels."""

    def matches(self, meaning: ClassifiedResult) -> bool:
        """Whether the alert counts results with a meaning."""
        if self.channel not in (None, meaning.series.channel):
            return False
        value = meaning.series.code if self.label == "code" else getattr(meaning, self.label)
        return value in self.values


class Declaration(NamedTuple):
    """The declaration of an alert."""

    severity: Literal["info", "warning", "critical"]
    title: str
    """The title of findings on the status page; `{}` is the channel, webhook or exporter."""
    advice: str
    """The action to take, without templates; ends the description in the rules."""
    watch: Watch | None = None
    number: str | None = None
    """The threshold of the number of results or requests in 15 minutes."""
    share: str | None = None
    """The threshold of their share."""


DECLARATIONS = {
    AlertName.CHANNEL_REJECTED: Declaration(
        "critical",
        "rejected by {}",
        "Look up the code: its page describes what to renew or correct. The channel does not "
        "recover by itself.",
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
        "production) with the latest released app build. Delete no tokens until the two match.",
        Watch("code", ("2009",), channel="apns"),
        "spike_results",
        "bad_device_token_share",
    ),
    AlertName.THROTTLED: Declaration(
        "warning",
        "throttled by {}",
        "If throttled, send more slowly and retry with growing delays; if a quota is exhausted, "
        "postpone pushes that can wait, and request more from the vendor.",
        Watch("category", (Category.THROTTLED, Category.QUOTA)),
        "min_affected",
        "throttled_share",
    ),
    AlertName.INVALID_TOKEN_RATIO_HIGH: Declaration(
        "warning",
        "invalid tokens on {}",
        "Look for a new app release, target list or setting that brings tokens of another app, "
        "environment or region. Delete no tokens before the cause is known.",
        Watch("category", (Category.TOKEN_INVALID,)),
        "spike_results",
        "token_invalid_share",
    ),
    AlertName.VENDOR_OUTAGE: Declaration(
        "warning",
        "outage at {}",
        "Check the vendor's status page, postpone pushes that can wait, and let the gateway retry "
        "with growing delays.",
        Watch("category", (Category.VENDOR_OUTAGE, Category.CONNECTION)),
        "min_affected",
        "outage_share",
    ),
    AlertName.FAILURE_RATIO_HIGH: Declaration(
        "warning",
        "failures on {}",
        "Look up the most frequent code: its page describes the action to take.",
        Watch("severity", (Severity.ERROR, Severity.CRITICAL)),
        "min_affected",
        "failure_share",
    ),
    AlertName.DELIVERY_RATIO_LOW: Declaration(
        "warning",
        "few pushes of {} are delivered",
        "Check the receipts' codes, the message class in the vendor's console, and the latest app "
        "release.",
    ),
    AlertName.ALL_RESULTS_STOPPED: Declaration(
        "critical",
        "all results have stopped",
        "Check that the gateway still calls the webhook: the callback switch and its URL, DNS, the "
        "public certificate, the proxy.",
        number="steady_results",
    ),
    AlertName.RESULTS_STOPPED: Declaration(
        "critical",
        "results of {} have stopped",
        "Find out whether pushes are still sent on this channel and, if so, whether the gateway "
        "still calls the webhook.",
        number="steady_results",
    ),
    AlertName.ALL_CODES_UNKNOWN: Declaration(
        "warning",
        "only unknown codes on {}",
        "Read the messages of these codes on the exporter's status page, and check that the sender "
        "names the right channel and the right field as the code.",
        number="min_affected",
    ),
    AlertName.UNKNOWN_CODE: Declaration(
        "info",
        "unknown codes on {}",
        "Read their messages on the exporter's status page and add a row to a code table.",
        Watch("severity", (Severity.UNKNOWN,)),
        "unknown_results",
    ),
    AlertName.ALL_REQUESTS_REFUSED: Declaration(
        "critical",
        "all requests to /webhooks/{} are refused",
        "If these are the requests of your gateway, compare its key, token or format with the "
        "exporter's configuration; if not, block the sender.",
        number="refused_requests",
    ),
    AlertName.WEBHOOK_REJECTING: Declaration(
        "warning",
        "requests to /webhooks/{} are refused",
        "If these are the requests of your gateway, compare its key, token or format with the "
        "exporter's configuration; if not, block the sender.",
        number="min_affected",
        share="refused_share",
    ),
    AlertName.ITEMS_REJECTED: Declaration(
        "warning",
        "items of requests to /webhooks/{} are rejected",
        "Run push-result-exporter explain --payload on a record (setting RECORD): it reports the "
        "error of each item.",
        number="min_affected",
        share="rejected_items_share",
    ),
    AlertName.EXPORTER_ERRORS: Declaration(
        "warning",
        "requests to /webhooks/{} fail in the exporter",
        "Read the traceback in the exporter's log; if the errors began with an upgrade, roll back.",
        number="error_requests",
    ),
    AlertName.EXPORTER_DOWN: Declaration(
        "critical",
        "exporter {} is down",
        "Start it, restore the connection from Prometheus to its admin port, or remove a retired "
        "target from the scrape configuration.",
    ),
    AlertName.EXPORTER_OVERLOADED: Declaration(
        "warning",
        "requests to /webhooks/{} come faster than they can be stored",
        "Move the ledger to a faster disk, or add a replica.",
        number="min_affected",
        share="overloaded_share",
    ),
    AlertName.LEDGER_FAILING: Declaration(
        "critical",
        "the ledger cannot be used",
        "Look for a full disk, a read-only file system, an unreachable database or a second "
        "exporter on the same file; its log names the cause. It recovers by itself once the cause "
        "is gone.",
    ),
    AlertName.RELOAD_FAILED: Declaration(
        "warning",
        "the last reload failed",
        "Read the reason in its log or on its status page, fix the file and reload. A restart "
        "would fail, too.",
    ),
    AlertName.DEDUPE_REACH_LOW: Declaration(
        "warning",
        "duplicates are recognized for too short a time",
        "Raise DEDUPE_MAX_KEYS, have senders send one webhook-id per batch, or add a replica.",
    ),
    AlertName.CERTIFICATE_EXPIRING: Declaration(
        "warning",
        "the certificate of the {} listener ends soon",
        "Renew the certificate, and reload the exporter.",
    ),
}
"""All alerts, in the order of AlertName."""

WATCHES = {
    name: declaration.watch for name, declaration in DECLARATIONS.items() if declaration.watch
}
"""Alerts on the meaning of codes, the most specific first."""


def runbook_url(alert: str) -> str:
    """Return the address of an alert's runbook."""
    return f"{RUNBOOKS}{alert}.md"


class Alert(msgspec.Struct, frozen=True):
    """An alert with its runbook."""

    name: str
    runbook: str
    """The path of its page on the admin listener."""

    @classmethod
    def named(cls, name: str) -> "Alert":
        """Return an alert with its runbook."""
        return cls(name, f"runbooks/{name}")


def alerts_for(meaning: ClassifiedResult) -> list[Alert]:
    """List the alerts that count results with a meaning, the most specific first."""
    return [Alert.named(name) for name, watch in WATCHES.items() if watch.matches(meaning)]
