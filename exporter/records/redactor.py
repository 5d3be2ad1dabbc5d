"""Redacts rejected requests in a thread, so that no response waits for it."""

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from exporter.gateways.gateway import ReceivedRequest
from exporter.records.record import Record, Rejected

MAX_WAITING = 32
"""Requests waiting to be redacted; further ones are dropped."""

PAUSE_SECONDS = 0.02
"""Pause after each record: the thread shares the interpreter with the event loop."""

log = structlog.get_logger()


class Redactor:
    """Makes records of rejected requests and passes them on."""

    def __init__(self, keep: Callable[[Record | None], None]) -> None:
        """`keep` gets each record, in the thread; None for one that was dropped."""
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
        """Redact a request soon; never waits, never raises.

        `items` are the rejected ones; `app` is the one that the request's credential belongs to.
        """
        if not self._places.acquire(blocking=False):
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
        """Redact what is waiting, without pauses."""
        self._closing.set()
        self._thread.shutdown()

    def _redact(self, rejected: Rejected) -> None:
        try:
            self._keep(rejected.redacted())
        except Exception as error:  # noqa: BLE001 - no request depends on a record
            log.warning("a rejected request cannot be redacted", problem=type(error).__name__)
            self._keep(None)
        self._closing.wait(PAUSE_SECONDS)
        self._places.release()
