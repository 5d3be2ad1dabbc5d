"""Every metric by name; those of requests, of the ledger and of the process, with their labels."""

from collections.abc import Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from exporter.errors import UNROUTED, ItemReason, Reason

RESULTS = "push_results_total"
CODE_INFO = "push_code_info"
CHANNEL_INFO = "push_channel_info"
LAST_RECEIVED = "push_results_last_received_timestamp_seconds"
DUPLICATES = "push_results_duplicate_total"
REJECTED = "push_results_rejected_total"
SKIPPED = "push_results_skipped_total"
REQUESTS = "push_webhook_requests_total"
REQUEST_SECONDS = "push_webhook_request_duration_seconds"
IN_FLIGHT = "push_webhook_requests_in_flight"
COMMIT_SECONDS = "push_ledger_commit_duration_seconds"
COMMIT_ERRORS = "push_ledger_commit_errors_total"
PENDING = "push_ledger_pending_results"
DEDUPE_REACH = "push_ledger_dedupe_reach_seconds"
RECORDS = "push_exporter_records_total"
BUILD_INFO = "push_exporter_build_info"
RELOAD_SUCCESSFUL = "push_exporter_config_last_reload_successful"

_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COMMIT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

# Otherwise each counter and histogram has a `_created` twin. The library has no other switch.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one exporter, in a registry of their own."""

    def __init__(
        self, version: str, registry: CollectorRegistry | None = None, *, revision: str = "unknown"
    ) -> None:
        # It describes collectors by what they collect, so that `name[]` finds those of the process.
        self.registry = registry or CollectorRegistry(auto_describe=True)
        self.webhooks = WebhookMetrics(self.registry)
        self.ledger = LedgerMetrics(self.registry)
        self.reload_successful = Gauge(
            RELOAD_SUCCESSFUL,
            "Whether the last load of keys, tokens and code tables succeeded.",
            registry=self.registry,
        )
        records = Counter(
            RECORDS,
            "Rejected requests to keep in RECORD: written, dropped for lack of space, or failed.",
            ["outcome"],
            registry=self.registry,
        )
        self.records = {one: records.labels(one) for one in ("written", "dropped", "failed")}
        build = Gauge(
            BUILD_INFO,
            "Version and revision of the exporter; the value is always 1.",
            ["version", "revision"],
            registry=self.registry,
        )
        build.labels(version, revision).set(1)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)


class WebhookMetrics:
    """What comes in: requests and the items in them, by gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sources: dict[str, SourceMetrics] = {}
        self._requests = Counter(
            REQUESTS,
            "Requests by gateway and outcome: accepted, or the reason for which they are refused.",
            ["source", "status"],
            registry=registry,
        )
        self.unrouted = {
            reason: self._requests.labels(UNROUTED, reason)
            for reason in (Reason.NOT_FOUND, Reason.MALFORMED_REQUEST, Reason.INTERNAL_ERROR)
        }
        """Requests that reach no gateway, by the reason."""
        self._request_seconds = Histogram(
            REQUEST_SECONDS,
            "Seconds from the headers of a request to its response.",
            ["source"],
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            IN_FLIGHT,
            "Requests that have no response yet.",
            registry=registry,
        )
        self._duplicates = Counter(
            DUPLICATES,
            "Results that had been counted before and were not counted again.",
            ["source"],
            registry=registry,
        )
        self._skipped = Counter(
            SKIPPED,
            "Items that the gateway's description leaves aside.",
            ["source"],
            registry=registry,
        )
        self._rejected = Counter(
            REJECTED,
            "Items that were not results, by reason.",
            ["source", "reason"],
            registry=registry,
        )

    def source(self, name: str) -> "SourceMetrics":
        """Return the series of a gateway, created at 0 when it is first asked for."""
        try:
            return self._sources[name]
        except KeyError:
            children = self._sources[name] = self._make_source(name)
            return children

    def _make_source(self, name: str) -> "SourceMetrics":
        statuses = ["accepted", *Reason]
        return SourceMetrics(
            requests={status: self._requests.labels(name, status) for status in statuses},
            seconds=self._request_seconds.labels(name),
            duplicates=self._duplicates.labels(name),
            skipped=self._skipped.labels(name),
            rejected={reason: self._rejected.labels(name, reason) for reason in ItemReason},
        )

    def requests(self) -> dict[tuple[str, ...], int]:
        """Return how many webhook requests there were, by source and status."""
        return _totals(self._requests)

    def rejections(self) -> dict[tuple[str, ...], int]:
        """Return how many items were not results, by source and reason."""
        return _totals(self._rejected)

    def duplicates(self) -> dict[tuple[str, ...], int]:
        """Return how many results were not counted again, by source."""
        return _totals(self._duplicates)

    def skipped(self) -> dict[tuple[str, ...], int]:
        """Return how many items a gateway's description leaves aside, by source."""
        return _totals(self._skipped)


class LedgerMetrics:
    """How well the ledger keeps up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.commit_seconds = Histogram(
            COMMIT_SECONDS,
            "Seconds to commit a group of results to the ledger.",
            buckets=_COMMIT_BUCKETS,
            registry=registry,
        )
        self.commit_errors = Counter(
            COMMIT_ERRORS,
            "Failed attempts to write to the ledger.",
            registry=registry,
        )
        self.pending = Gauge(
            PENDING,
            "Results that wait for their commit.",
            registry=registry,
        )
        self.dedupe_reach = Gauge(
            DEDUPE_REACH,
            "Seconds for which a delivery is known, so that its repetition is a duplicate.",
            registry=registry,
        )


class SourceMetrics:
    """The children of one webhook, resolved once."""

    def __init__(
        self,
        requests: Mapping[str, Counter],
        seconds: Histogram,
        duplicates: Counter,
        skipped: Counter,
        rejected: Mapping[str, Counter],
    ) -> None:
        self.requests = requests
        self.seconds = seconds
        self.duplicates = duplicates
        self.skipped = skipped
        self.rejected = rejected


def _totals(counter: Counter) -> dict[tuple[str, ...], int]:
    """Read a counter by the values of its labels."""
    return {
        tuple(sample.labels.values()): int(sample.value)
        for metric in counter.collect()
        for sample in metric.samples
    }
