"""The hub: commits the results of requests, and counts them once they are durable."""

import asyncio
from collections.abc import Iterator
from typing import Literal

import msgspec

from exporter.configuration.settings import Settings
from exporter.configuration.version import VERSION, revision
from exporter.errors import UNROUTED, Reason
from exporter.ledger.ledger import Ledger
from exporter.ledger.store import Count
from exporter.ledger.stores import make_store
from exporter.metrics.exposition import Exposition
from exporter.metrics.metrics import (
    CertificateCollector,
    DatabaseCollector,
    KeyCollector,
    Metrics,
)
from exporter.metrics.results import ResultsCollector
from exporter.records.folder import Folder
from exporter.records.record import Record
from exporter.redaction import redact_path, redact_text
from exporter.results import Delivery, Series, results_of
from exporter.runtime.code_matches import CodeMatches
from exporter.runtime.current import Current
from exporter.runtime.frequent import FrequentNames
from exporter.runtime.snapshot import Snapshot
from exporter.runtime.submission import Receipt, Submission
from exporter.runtime.unknown_codes import UnknownCodes

Status = Literal["accepted", "verified"] | Reason
"""The outcome of a request: the label `status`."""

_MAX_APP_LENGTH = 100

_SLICE = 256
"""Unknown codes, or deliveries, labelled per step of the event loop: at most 2 ms."""


class Hub:
    """The half of the exporter that counts; the edge calls `commit`, `finished` and `keep`."""

    def __init__(self, settings: Settings, current: Current) -> None:
        """Make the ledger without opening it; raises ConfigurationError for unusable settings."""
        self.metrics = Metrics(VERSION, revision=revision())
        self.unknown_codes = UnknownCodes(lambda: self.ledger.counts)
        self.code_matches = CodeMatches()
        self.other_paths = FrequentNames(redact_path)
        """Paths of requests without a webhook."""
        self.undeclared_apps = FrequentNames(_redact_app)
        """Apps named in results, but not declared in APPS."""
        self.ledger = Ledger(
            make_store(settings),
            dedupe_seconds=settings.dedupe_window_seconds,
            max_keys=settings.dedupe_max_keys,
            max_pending=settings.max_pending_results,
            on_load=self.unknown_codes.restore,
            on_commit=self.metrics.ledger.commit_seconds.observe,
            on_error=self.metrics.ledger.commit_errors.inc,
        )
        if self.ledger.upkeep:
            self.metrics.registry.register(DatabaseCollector(self.ledger.upkeep))
        if current.snapshot.certificates:
            certificates = CertificateCollector(lambda: current.snapshot.certificates)
            self.metrics.registry.register(certificates)
        self._results = ResultsCollector(
            self.counts, lambda: current.snapshot.classifier, settings.apps
        )
        self.metrics.registry.register(KeyCollector(lambda: _public_keys(current.snapshot)))
        self._records = (
            Folder(settings.record, settings.record_max_bytes) if settings.record else None
        )
        self._sources = self.metrics.webhooks.source
        self.exposition = Exposition(self.metrics.registry, self._results)
        self.metrics.ledger.pending.set_function(lambda: self.ledger.pending)
        self.metrics.ledger.dedupe_reach.set_function(lambda: self.ledger.dedupe_reach_seconds)
        self.metrics.reload_successful.set_function(lambda: current.problem is None)
        current.subscribe(self.unknown_codes.update)
        current.subscribe(self.code_matches.update)
        current.subscribe(self._expose_gateways)

    async def start(self) -> None:
        """Open the ledger; raises ConfigurationError if the store has no valid ledger."""
        await self.ledger.start()

    async def close(self) -> None:
        """Commit the pending results and close the ledger."""
        await self.ledger.close()

    async def commit(self, submission: Submission) -> Receipt:
        """Count the results of a request durably, exactly once.

        Raises RequestError (`overloaded`, `ledger_unavailable`, `conflict`) if nothing was counted.
        """
        if submission.unknown:
            await self._label_unknown(submission)
        deliveries = submission.deliveries
        accepted = await self.ledger.record(deliveries)
        receipt = Receipt(accepted, results_of(deliveries) - accepted)
        if submission.exemplars:
            self._results.remember(submission.exemplars)
        self._count(submission, receipt)
        return receipt

    def finished(
        self, source: str, status: Status, seconds: float, other_path: str | None = None
    ) -> None:
        """Count a request by its status, and observe the seconds from its headers to its response.

        `other_path` is the path of a request without a webhook.
        """
        if source == UNROUTED:
            self.metrics.webhooks.unrouted[Reason(status)].inc()
            if other_path:
                self.other_paths.add(other_path)
        else:
            children = self._sources(source)
            children.requests[status].inc()
            children.seconds.observe(seconds)

    def keep(self, record: Record | None) -> None:
        """Write a redacted record, from any thread; None counts a dropped record."""
        written = record and self._records and self._records.write(record)
        self.metrics.records[written or "dropped"].inc()

    async def _label_unknown(self, submission: Submission) -> None:
        """Apply the bound on unknown codes; deduplication keys do not depend on the label."""
        moved: dict[Series, Series] = {}
        exemplars = submission.exemplars
        for number, ((series, hint), message) in enumerate(submission.unknown.items()):
            if number and not number % _SLICE:
                await asyncio.sleep(0)
            label = self.unknown_codes.admit(series, message, hint)
            if label != series:
                moved[series] = label
                if shown := exemplars.pop(series, None):
                    exemplars[label] = shown
        deliveries = submission.deliveries
        for start in range(0, len(deliveries) if moved else 0, _SLICE):
            if start:
                await asyncio.sleep(0)
            for place in range(start, min(start + _SLICE, len(deliveries))):
                deliveries[place] = _relabelled(deliveries[place], moved)

    def _count(self, submission: Submission, receipt: Receipt) -> None:
        """Update the metrics that are not in the ledger."""
        items = receipt.accepted + receipt.duplicates + len(submission.rejected)
        self.code_matches.observe(submission.source, items, submission.without_code)
        for name, count in submission.undeclared_apps.items():
            self.undeclared_apps.add(name, count)
        if receipt.duplicates or submission.skipped or submission.rejected:
            children = self._sources(submission.source)
            children.duplicates.inc(receipt.duplicates)
            children.skipped.inc(submission.skipped)
            for rejection in submission.rejected:
                children.rejected[rejection.reason].inc()

    def _expose_gateways(self, snapshot: Snapshot) -> None:
        for name in snapshot.gateways:
            self._sources(name)

    def counts(self) -> dict[Series, Count] | None:
        """Return the ledger's counts, or None before they are loaded."""
        return self.ledger.counts if self.ledger.loaded else None


def _redact_app(name: str) -> str:
    return redact_text(name[:_MAX_APP_LENGTH])


def _public_keys(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield the fingerprints of each gateway's public keys, with its name."""
    for name, gateway in snapshot.gateways.items():
        for source in gateway.credentials:
            for key in source.keys:
                yield name, key.fingerprint


def _relabelled(delivery: Delivery, labels: dict[Series, Series]) -> Delivery:
    if labels.keys().isdisjoint(delivery.counts):
        return delivery
    counts: dict[Series, int] = {}
    for series, count in delivery.counts.items():
        label = labels.get(series, series)
        counts[label] = counts.get(label, 0) + count
    return msgspec.structs.replace(delivery, counts=counts)
