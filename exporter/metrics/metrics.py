"""The names of all metrics, and the metrics of requests, ledger and process."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from exporter.errors import SUCCEEDED, UNROUTED, ItemReason, Reason
from exporter.ledger.store import Upkeep

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
OLDEST_TRANSACTION = "push_ledger_oldest_transaction_seconds"
EXPIRY_SECONDS = "push_ledger_expiry_seconds_total"
RECORDS = "push_exporter_records_total"
BUILD_INFO = "push_exporter_build_info"
KEY_INFO = "push_webhook_key_info"
TLS_EXPIRY = "push_exporter_tls_certificate_expiry_timestamp_seconds"
RELOAD_SUCCESSFUL = "push_exporter_config_last_reload_successful"

_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COMMIT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

# Disable the `_created` series of counters and histograms, which is possible only globally.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one exporter, in a separate registry."""

    def __init__(
        self, version: str, registry: CollectorRegistry | None = None, *, revision: str = "unknown"
    ) -> None:
        # `auto_describe` makes `name[]` work for the metrics of the process.
        self.registry = registry or CollectorRegistry(auto_describe=True)
        self.webhooks = WebhookMetrics(self.registry)
        self.ledger = LedgerMetrics(self.registry)
        self.reload_successful = Gauge(
            RELOAD_SUCCESSFUL,
            "Whether the last reload of the configuration succeeded.",
            registry=self.registry,
        )
        records = Counter(
            RECORDS,
            "Records of rejected requests: written, dropped for lack of space, or failed.",
            ["outcome"],
            registry=self.registry,
        )
        self.records = {
            outcome: records.labels(outcome) for outcome in ("written", "dropped", "failed")
        }
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
    """Requests and their items, by gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sources: dict[str, SourceMetrics] = {}
        self._requests = Counter(
            REQUESTS,
            "Requests by gateway and status: accepted, verified (handshakes), or a refusal reason.",
            ["source", "status"],
            registry=registry,
        )
        self.unrouted = {
            reason: self._requests.labels(UNROUTED, reason)
            for reason in (Reason.NOT_FOUND, Reason.MALFORMED_REQUEST, Reason.INTERNAL_ERROR)
        }
        """Requests without a gateway, by reason."""
        self._request_seconds = Histogram(
            REQUEST_SECONDS,
            "Seconds from the headers of a request to its response.",
            ["source"],
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            IN_FLIGHT,
            "Requests without a response yet.",
            registry=registry,
        )
        self._duplicates = Counter(
            DUPLICATES,
            "Duplicate results, which were not counted again.",
            ["source"],
            registry=registry,
        )
        self._skipped = Counter(
            SKIPPED,
            "Items skipped by the description's items.only.",
            ["source"],
            registry=registry,
        )
        self._rejected = Counter(
            REJECTED,
            "Invalid items, by reason.",
            ["source", "reason"],
            registry=registry,
        )

    def source(self, name: str) -> "SourceMetrics":
        """Return the children of a gateway, which start at 0."""
        try:
            return self._sources[name]
        except KeyError:
            children = self._sources[name] = self._make_source(name)
            return children

    def _make_source(self, name: str) -> "SourceMetrics":
        statuses = [*SUCCEEDED, *Reason]
        return SourceMetrics(
            requests={status: self._requests.labels(name, status) for status in statuses},
            seconds=self._request_seconds.labels(name),
            duplicates=self._duplicates.labels(name),
            skipped=self._skipped.labels(name),
            rejected={reason: self._rejected.labels(name, reason) for reason in ItemReason},
        )

    def requests(self) -> dict[tuple[str, ...], int]:
        """Return the number of requests by source and status."""
        return _totals(self._requests)

    def rejections(self) -> dict[tuple[str, ...], int]:
        """Return the number of rejected items by source and reason."""
        return _totals(self._rejected)

    def duplicates(self) -> dict[tuple[str, ...], int]:
        """Return the number of duplicates by source."""
        return _totals(self._duplicates)

    def skipped(self) -> dict[tuple[str, ...], int]:
        """Return the number of skipped items by source."""
        return _totals(self._skipped)


class LedgerMetrics:
    """Commits of the ledger."""

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
            "Results waiting to be committed.",
            registry=registry,
        )
        self.dedupe_reach = Gauge(
            DEDUPE_REACH,
            "Effective length of the deduplication window in seconds.",
            registry=registry,
        )


class DatabaseCollector(Collector):
    """Exposes statistics of the PostgreSQL database of the ledger."""

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep

    def collect(self) -> Iterator[Metric]:
        """Yield both families."""
        yield GaugeMetricFamily(
            OLDEST_TRANSACTION,
            "Age of the oldest transaction, standby or replication slot for which deleted rows are "
            "kept.",
            value=self._upkeep.oldest_transaction_seconds,
        )
        yield CounterMetricFamily(
            EXPIRY_SECONDS.removesuffix("_total"),
            "Seconds spent deleting expired deduplication keys from PostgreSQL.",
            value=self._upkeep.expiry_seconds,
        )


class CertificateCollector(Collector):
    """Exposes the expiry of the listeners' certificates."""

    def __init__(self, expiries: Callable[[], Mapping[str, float]]) -> None:
        self._expiries = expiries

    def collect(self) -> Iterator[Metric]:
        """Yield the family."""
        family = GaugeMetricFamily(
            TLS_EXPIRY,
            "Unix time at which the certificate chain of a listener expires.",
            labels=["listener"],
        )
        for listener, expires_at in self._expiries().items():
            family.add_metric([listener], expires_at)
        yield family


class KeyCollector(Collector):
    """Exposes the fingerprints of the gateways' public keys."""

    def __init__(self, keys: Callable[[], Iterable[tuple[str, str]]]) -> None:
        """`keys` returns pairs of a gateway's name and the fingerprint of a key."""
        self._keys = keys

    def collect(self) -> Iterator[Metric]:
        """Yield the family."""
        family = GaugeMetricFamily(
            KEY_INFO,
            "SHA-256 fingerprints of the public keys of each gateway; the value is always 1.",
            labels=["source", "fingerprint"],
        )
        for labels in dict.fromkeys(self._keys()):
            family.add_metric(labels, 1)
        yield family


class SourceMetrics:
    """The children of one gateway's metrics, looked up once."""

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
    """Return the values of a counter by its label values."""
    return {
        tuple(sample.labels.values()): int(sample.value)
        for metric in counter.collect()
        for sample in metric.samples
    }
