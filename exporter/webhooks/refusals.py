"""Logs refused requests: one line per gateway and reason each minute, with advice."""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from exporter.errors import Reason, RequestError
from exporter.redaction import redact_path

INTERVAL_SECONDS = 60.0

ACTIONS = {
    Reason.MALFORMED_BODY: "run explain --payload on a record (setting RECORD)",
    Reason.INVALID_RESULTS: "run explain --payload on a record (setting RECORD)",
    Reason.MALFORMED_REQUEST: "correct the client or the proxy as described in the detail",
    Reason.MISSING_CREDENTIALS: "run check-config: it lists the credentials of each webhook",
    Reason.BAD_SIGNATURE: "compare keys and secrets with the sender's; check-config prints the "
    "fingerprints of keys",
    Reason.STALE_TIMESTAMP: "compare this machine's clock with the sender's",
    Reason.NOT_FOUND: "correct the URL in the sender's configuration",
    Reason.METHOD_NOT_ALLOWED: "configure the sender to use POST",
    Reason.BODY_TIMEOUT: "check the sender's connection, or raise BODY_TIMEOUT_SECONDS",
    Reason.CONFLICT: "correct the sender: a changed body needs a new webhook-id",
    Reason.TOO_LARGE: "configure the sender to use smaller batches, or raise MAX_BODY_BYTES",
    Reason.UNSUPPORTED_ENCODING: "configure the sender to use gzip or no encoding",
    Reason.OVERLOADED: "add replicas, or raise MAX_PENDING_RESULTS",
    Reason.LEDGER_UNAVAILABLE: "look for the ledger's error in this log",
    Reason.DRAINING: "none: senders retry these requests",
}
"""The advice for each reason, except `internal_error`, which is logged with a traceback."""


class _Unlogged:
    """The refusals of a gateway and reason since the last log line."""

    def __init__(self) -> None:
        self.requests = 0
        self.detail = ""
        self.path = ""


class Refusals:
    """Collects and logs refused requests, by gateway and reason; used in one event loop."""

    def __init__(
        self, webhooks: Callable[[], Iterable[str]], *, interval: float = INTERVAL_SECONDS
    ) -> None:
        """`webhooks` returns the names of the gateways."""
        self._webhooks = webhooks
        self._interval = interval
        self._unlogged: dict[tuple[str, Reason], _Unlogged] = {}
        self._timers: dict[tuple[str, Reason], asyncio.TimerHandle] = {}
        self._log = structlog.get_logger()

    def add(self, source: str, error: RequestError, path: str = "") -> None:
        """Log a refused request now, or with others at the end of the interval."""
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
        """Log the remaining refusals, and stop the timers."""
        for key, timer in [*self._timers.items()]:
            timer.cancel()
            self._write(key)
        for timer in self._timers.values():
            timer.cancel()

    def _write(self, key: tuple[str, Reason]) -> None:
        """Log the refusals of a gateway and reason, if any, and start the next interval."""
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
