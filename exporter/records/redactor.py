"""Redacts rejected requests in a thread, so that responses do not wait for it."""

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from exporter.gateways.gateway import ReceivedRequest
from exporter.records.record import Record, Rejected

MAX_WAITING = 32
"""Maximum number of requests waiting to be redacted; further requests are dropped."""

PAUSE_SECONDS = 0.02
"""Pause after each record: the thread shares the GIL with the event loop."""

log = structlog.get_logger()


class Redactor:
    """Makes records of rejected requests and passes them on."""

    def __init__(self, keep: Callable[[Record | None], None]) -> None:
        """`keep` is called with each record in the thread, with None for a dropped record."""
        self._keep = keep
        self._places = threading.BoundedSemaphore(MAX_WAITING)
        self._thread = ThreadPoolExecutor(1, "redactor")
        self._closing = threading.Event()

    def submit(
        self,
        source: str,
        reason: str,
        request: ReceivedRequest,
        items: Sequence[int] = (),
        app: str | None = None,
    ) -> None:
        """Queue a request for redaction; never waits or raises.

        `items` are the positions of rejected items; `app` is the app of the request's credential.
        """
        if self._closing.is_set() or not self._places.acquire(blocking=False):
            self._keep(None)
            return
        rejected = Rejected(
            dt.datetime.now(dt.UTC),
            source,
            reason,
            request.content_type,
            [*request.query],
            request.query.get("channel"),
            request.query.get("app"),
            app,
            request.content,
            items,
        )
        self._thread.submit(self._redact, rejected)

    def close(self) -> None:
        """Redact the waiting requests without pauses, and stop the thread."""
        self._closing.set()
        self._thread.shutdown()

    def _redact(self, rejected: Rejected) -> None:
        try:
            self._keep(rejected.redacted())
        except Exception as error:  # noqa: BLE001 - no request depends on a record
            log.warning("cannot redact a rejected request", problem=type(error).__name__)
            self._keep(None)
        self._closing.wait(PAUSE_SECONDS)
        self._places.release()
