"""Log lines for refused requests: one per gateway and reason each minute, with advice."""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from exporter.errors import Reason, RequestError
from exporter.redaction import redact_path

INTERVAL_SECONDS = 60.0

ACTIONS = {
    Reason.MALFORMED_BODY: "keep such bodies with RECORD, and read one with explain --payload",
    Reason.INVALID_RESULTS: "keep such bodies with RECORD, and read one with explain --payload",
    Reason.MALFORMED_REQUEST: "compare what the client or the proxy sends with the detail",
    Reason.MISSING_CREDENTIALS: "compare with check-config, which shows what each webhook accepts",
    Reason.BAD_SIGNATURE: "compare key and secret with the sender's: check-config has fingerprints",
    Reason.STALE_TIMESTAMP: "compare this machine's clock with the sender's",
    Reason.NOT_FOUND: "correct the URL that the sender has",
    Reason.METHOD_NOT_ALLOWED: "have the sender use POST",
    Reason.BODY_TIMEOUT: "check the sender's connection, or raise BODY_TIMEOUT_SECONDS",
    Reason.CONFLICT: "have the sender use a new webhook-id for a changed body",
    Reason.TOO_LARGE: "have the sender send less at once, or raise MAX_BODY_BYTES",
    Reason.UNSUPPORTED_ENCODING: "have the sender use gzip or no encoding",
    Reason.OVERLOADED: "add replicas, or raise MAX_PENDING_RESULTS",
    Reason.LEDGER_UNAVAILABLE: "see the ledger's own lines in this log",
    Reason.DRAINING: "none: senders repeat these requests",
}
"""The advice for each reason but `internal_error`, which is logged with its traceback."""


class _Unlogged:
    """The refusals since the last line of their kind."""

    def __init__(self) -> None:
        self.requests = 0
        self.detail = ""
        self.path = ""


class Refusals:
    """Refused requests, by gateway and reason; used from one event loop."""

    def __init__(
        self, webhooks: Callable[[], Iterable[str]], *, interval: float = INTERVAL_SECONDS
    ) -> None:
        """`webhooks` lists the names of the gateways."""
        self._webhooks = webhooks
        self._interval = interval
        self._unlogged: dict[tuple[str, Reason], _Unlogged] = {}
        self._timers: dict[tuple[str, Reason], asyncio.TimerHandle] = {}
        self._log = structlog.get_logger()

    def add(self, source: str, error: RequestError, path: str = "") -> None:
        """Log a refused request, now or with those that follow within the minute."""
        if error.reason not in ACTIONS:
            return
        key = source, error.reason
        unlogged = self._unlogged.get(key)
        if unlogged is None:
            unlogged = self._unlogged[key] = _Unlogged()
        unlogged.requests += 1
        unlogged.detail, unlogged.path = error.detail, path
        if key not in self._timers:
            self._write(key)

    def close(self) -> None:
        """Log the refusals since the last lines, and stop the timers."""
        for key, timer in [*self._timers.items()]:
            timer.cancel()
            self._write(key)
        for timer in self._timers.values():
            timer.cancel()

    def _write(self, key: tuple[str, Reason]) -> None:
        """Log the refusals of a kind, if any, and start its next minute."""
        self._timers.pop(key, None)
        unlogged = self._unlogged.pop(key, None)
        if unlogged is None:
            return
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(self._interval, self._write, key)
        source, reason = key
        facts = {}
        if reason is Reason.NOT_FOUND:
            facts = {"last_path": redact_path(unlogged.path), "webhooks": self._paths()}
        self._log.info(
            "requests refused",
            source=source,
            reason=reason.value,
            requests=unlogged.requests,
            detail=unlogged.detail,
            action=ACTIONS[reason],
            **facts,
        )

    def _paths(self) -> str:
        return " ".join(f"/webhooks/{name}" for name in self._webhooks())
