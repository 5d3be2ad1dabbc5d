"""The parts of one exporter that both listeners share, and the reload that replaces some."""

import os
import socket
import time
from importlib.metadata import version
from typing import Self

import structlog

from exporter.bodies import Bodies
from exporter.configuration import Configuration, load_configuration
from exporter.errors import ConfigurationError
from exporter.ledger import Count, Ledger
from exporter.metrics import Metrics, ResultsCollector
from exporter.recorder import Recorder
from exporter.results import Series
from exporter.settings import Settings
from exporter.unknown_codes import UnknownCodes

VERSION = version("push-result-exporter")

log = structlog.get_logger()


class Service:
    """Settings, configuration, ledger and metrics of one running exporter."""

    def __init__(self, settings: Settings, configuration: Configuration) -> None:
        self.settings = settings
        self.configuration = configuration
        self.started_at = time.time()
        self.host = socket.gethostname()
        self.process = os.getpid()
        self.draining = False
        """Set when the exporter stops: results are refused, so that a sender goes elsewhere."""
        self.in_flight = 0
        """Webhook calls that are being answered."""
        self.bodies = Bodies()
        self.unknown_codes = UnknownCodes()
        self.metrics = Metrics(VERSION)
        self.ledger = Ledger(
            settings.ledger_path,
            sync=settings.ledger_sync,
            dedupe_seconds=settings.dedupe_window_seconds,
            max_pending=settings.max_pending_results,
            on_load=self._continue_unknown_codes,
            on_commit=self.metrics.commit_seconds.observe,
            on_error=self.metrics.commit_errors.inc,
        )
        self.recorder = Recorder(
            settings.record,
            settings.record_max_bytes,
            unauthenticated=settings.record_unauthenticated,
            on_outcome=lambda outcome: self.metrics.records[outcome].inc(),
        )
        self.results = ResultsCollector(self._counts, lambda: self.configuration.classifier)
        self.metrics.registry.register(self.results)
        self.metrics.requests_in_flight.set_function(lambda: self.in_flight)
        self.metrics.pending_results.set_function(lambda: self.ledger.pending)
        self.metrics.reload_successful.set(1)

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Read every file that the settings name; ConfigurationError names a bad one."""
        return cls(settings, load_configuration(settings))

    def reload(self) -> None:
        """Read keys, tokens and code tables again; on ConfigurationError the old ones stay."""
        try:
            self.configuration = load_configuration(self.settings)
        except ConfigurationError as error:
            self.metrics.reload_successful.set(0)
            log.error(  # noqa: TRY400 - the message says it all
                "reload failed, the old configuration stays", problem=str(error)
            )
            raise
        known = (meaning.series for meaning in self.configuration.classifier.known())
        self.unknown_codes.forget(known)
        self.metrics.reload_successful.set(1)
        log.info("configuration reloaded")

    def not_ready(self) -> str | None:
        """Say why results cannot be taken now, or None."""
        if self.draining:
            return "draining"
        return "ledger_unavailable" if self.ledger.problem else None

    def _counts(self) -> dict[Series, Count] | None:
        return self.ledger.counts if self.ledger.loaded else None

    def _continue_unknown_codes(self) -> None:
        current = self.configuration.classifier.current
        counted = (current(series) for series in self.ledger.counts)
        self.unknown_codes.restore(meaning.series for meaning in counted if not meaning.known)
