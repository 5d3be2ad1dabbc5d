"""The process as both listeners report it."""

import os
import socket
import time

from exporter.errors import Reason
from exporter.runtime.hub import Hub


class Service:
    """Since when and where the exporter runs, and whether it accepts results."""

    def __init__(self, hub: Hub, *, ingest_port: int, admin_port: int) -> None:
        self._hub = hub
        self.started_at = time.time()
        """Unix time."""
        self.host = socket.gethostname()
        self.process_id = os.getpid()
        self.ingest_port, self.admin_port = ingest_port, admin_port
        self.draining = False
        """Set when the exporter stops: results are refused, so that senders try another one."""

    def not_ready(self) -> Reason | None:
        """Return why results are not accepted now, or None."""
        if self.draining:
            return Reason.DRAINING
        return Reason.LEDGER_UNAVAILABLE if self._hub.ledger.problem else None
