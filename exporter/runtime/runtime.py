"""The parts of one exporter that both listeners share, and the reload that replaces some."""

import os
import socket
import time
from collections.abc import Callable
from typing import Self

import structlog

from exporter import VERSION, revision
from exporter.configuration.settings import Settings
from exporter.errors import ConfigurationError
from exporter.ledger.ledger import Count, Ledger
from exporter.ledger.stores import make_store
from exporter.metrics.metrics import Metrics
from exporter.metrics.results import ResultsCollector
from exporter.results import Series
from exporter.runtime.code_matches import CodeMatches
from exporter.runtime.snapshot import Snapshot, load_snapshot
from exporter.runtime.unknown_codes import UnknownCodes

log = structlog.get_logger()


class Runtime:
    """Settings, snapshot, ledger and metrics of one running exporter."""

    def __init__(self, settings: Settings, snapshot: Snapshot) -> None:
        self.settings = settings
        self.snapshot = snapshot
        self.started_at = time.time()
        self.host = socket.gethostname()
        self.ingest_port, self.admin_port = settings.ingest_port, settings.admin_port
        """Where the listeners are; if a setting is 0, known once they are bound."""
        self.process = os.getpid()
        self.draining = False
        """Set when the exporter stops: results are refused, so that a sender goes elsewhere."""
        self.in_flight = 0
        """Webhook calls that are being answered."""
        self.unknown_codes = UnknownCodes()
        self.code_matches = CodeMatches()
        self.metrics = Metrics(VERSION, revision=revision())
        self.ledger = Ledger(
            make_store(settings),
            dedupe_seconds=settings.dedupe_window_seconds,
            max_keys=settings.dedupe_max_keys,
            max_pending=settings.max_pending_results,
            on_load=self._continue,
            on_commit=self.metrics.ledger.commit_seconds.observe,
            on_error=self.metrics.ledger.commit_errors.inc,
        )
        self.results = ResultsCollector(self._counts, lambda: self.snapshot.classifier)
        self.metrics.registry.register(self.results)
        self.metrics.webhooks.in_flight.set_function(lambda: self.in_flight)
        self.metrics.ledger.pending.set_function(lambda: self.ledger.pending)
        self.metrics.ledger.dedupe_reach.set_function(lambda: self.ledger.dedupe_reach_seconds)
        self.metrics.reload_successful.set(1)
        self._announce()
        self.reload_problem: str | None = None
        """Why the last reload failed, or None."""
        self.on_load: list[Callable[[], None]] = []
        """What else to call once the ledger's counts are known."""

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Read every file that the settings name; ConfigurationError names a bad one."""
        return cls(settings, load_snapshot(settings))

    def reload(self) -> None:
        """Read keys, tokens and code tables again; on ConfigurationError the old ones stay."""
        try:
            self.snapshot = load_snapshot(self.settings)
        except ConfigurationError as error:
            self.metrics.reload_successful.set(0)
            self.reload_problem = str(error)
            log.error(  # noqa: TRY400 - the message says it all
                "reload failed, the old configuration stays", problem=str(error)
            )
            raise
        self.unknown_codes.forget(self.snapshot.classifier)
        self._restore_unknown_codes()  # their rows may be gone again
        self.code_matches = CodeMatches()  # the descriptions may be others now
        self._announce()
        self.metrics.reload_successful.set(1)
        self.reload_problem = None
        log.info("configuration reloaded")

    def _announce(self) -> None:
        """Expose each gateway's series from now on, and log what is worth a look in its file."""
        for gateway in self.snapshot.gateways:
            self.metrics.webhooks.source(gateway)
        for warning in self.snapshot.warnings:
            log.warning("gateway description", warning=warning)

    def not_ready(self) -> str | None:
        """Say why results cannot be taken now, or None."""
        if self.draining:
            return "draining"
        return "ledger_unavailable" if self.ledger.problem else None

    def _counts(self) -> dict[Series, Count] | None:
        return self.ledger.counts if self.ledger.loaded else None

    def _continue(self) -> None:
        """Go on from what the ledger had counted."""
        self._restore_unknown_codes()
        for call in self.on_load:
            call()

    def _restore_unknown_codes(self) -> None:
        current = self.snapshot.classifier.current
        counted = (current(series) for series in self.ledger.counts)
        self.unknown_codes.restore(meaning.series for meaning in counted if not meaning.known)
