"""The state of the process, as both listeners report it."""

import os
import socket
import time
from typing import Literal

from exporter.runtime.hub import Hub
from exporter.runtime.scrapes import Scrapes

NotReady = Literal["draining", "ledger_unavailable", "not_scraped"]
"""Why a load balancer should send requests elsewhere."""

FIRST_SCRAPE_SECONDS = 30.0
"""How long a replica waits for its first scrape before it is ready anyway."""


class Service:
    """Since when and where the exporter runs, and whether it is ready for requests."""

    def __init__(self, hub: Hub, *, ingest_port: int, admin_port: int) -> None:
        self._hub = hub
        self.scrapes = Scrapes()
        self.started_at = time.time()
        """Unix time."""
        self.host = socket.gethostname()
        self.process_id = os.getpid()
        self.ingest_port, self.admin_port = ingest_port, admin_port
        self.draining = False
        """Set when the exporter stops: it is not ready, and closes connections after a response."""
        self.refusing = False
        """Set after the grace period of a stop: results are refused."""

    def not_ready(self) -> NotReady | None:
        """Return why requests should go elsewhere, or None."""
        if self.draining:
            return "draining"
        if self._hub.ledger.problem:
            return "ledger_unavailable"
        if self._hub.ledger.shared and not self.scrapes.begun:
            # Its series should begin before they count: `increase` knows no value before the first.
            waited = time.time() - self.started_at
            return "not_scraped" if waited < FIRST_SCRAPE_SECONDS else None
        return None
