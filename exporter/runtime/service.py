"""The state of the process, reported by both listeners."""

import os
import socket
import time
from typing import Literal

from exporter.runtime.hub import Hub
from exporter.runtime.scrapes import Scrapes

NotReady = Literal["draining", "ledger_unavailable", "not_scraped"]
"""The reason why a load balancer should send requests to another exporter."""

FIRST_SCRAPE_SECONDS = 30.0
"""Maximum time for which a replica waits for its first scrape before it is ready."""


class Service:
    """Start time, host and ports of the exporter, and its readiness."""

    def __init__(self, hub: Hub, *, ingest_port: int, admin_port: int) -> None:
        self._hub = hub
        self.scrapes = Scrapes()
        self.started_at = time.time()
        """Unix time."""
        self._started = time.monotonic()
        self.host = socket.gethostname()
        self.process_id = os.getpid()
        self.ingest_port, self.admin_port = ingest_port, admin_port
        self.draining = False
        """Whether the exporter is stopping: not ready, and closing connections after a response."""
        self.refusing = False
        """Whether the grace period of a stop is over: results are refused."""

    def not_ready(self) -> NotReady | None:
        """Return the reason why the exporter is not ready, or None."""
        if self.draining:
            return "draining"
        if self._hub.ledger.problem:
            return "ledger_unavailable"
        if self._hub.ledger.shared and not self.scrapes.begun:
            # Series should exist before the first result: `increase` ignores their first value.
            return "not_scraped" if self.uptime_seconds < FIRST_SCRAPE_SECONDS else None
        return None

    @property
    def uptime_seconds(self) -> float:
        """Seconds since the start, by a clock that is never set back."""
        return time.monotonic() - self._started
