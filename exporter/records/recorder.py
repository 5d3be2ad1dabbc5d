"""Keep rejected calls in a folder, so that an unknown gateway's format can be looked at."""

import datetime as dt
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import structlog

from exporter.gateways.gateway import ReceivedRequest
from exporter.records.record import Rejected

MAX_WAITING = 32
"""Calls that may wait to be written; past that they are not recorded."""

PAUSE_SECONDS = 0.02
"""Rest after each call: threads share the interpreter, and no good call waits for bad ones."""

_PREFIX = "record-"
_BLOCK = 4096  # what a small file takes on a disk

Outcome = Callable[[str], None]
"""Is told `written`, `dropped` or `failed` for each call."""

log = structlog.get_logger()


class Recorder:
    """Writes one file per rejected request, in a thread; at the bound the oldest files go.

    The oldest and not the newest: a format changes one day, long after the folder has filled up
    with other things.
    """

    def __init__(
        self,
        folder: Path | None,
        max_bytes: int,
        *,
        unauthenticated: bool,
        on_outcome: Outcome,
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._unauthenticated = unauthenticated
        self._on_outcome = on_outcome
        self._places = threading.BoundedSemaphore(MAX_WAITING)
        self._writer = ThreadPoolExecutor(1, "recorder")
        self._closing = threading.Event()
        # What follows belongs to the writer's thread.
        self._files: deque[tuple[Path, int]] | None = None
        self._bytes = 0
        self._number = 0
        self._failing = False

    def keep(
        self,
        source: str,
        reason: str,
        request: ReceivedRequest,
        *,
        authenticated: bool,
    ) -> None:
        """Record a rejected call, if that is wanted; never wait, never raise."""
        if self._folder is None or not (authenticated or self._unauthenticated):
            return
        if not self._places.acquire(blocking=False):
            self._on_outcome("dropped")
            return
        rejected = Rejected(
            dt.datetime.now(dt.UTC),
            source,
            reason,
            request.content_type,
            [*request.query],
            request.query.get("channel"),
            request.content,
        )
        self._writer.submit(self._try, self._folder, rejected)

    def close(self) -> None:
        """Finish what waits to be written, without a rest."""
        self._closing.set()
        self._writer.shutdown()

    def _try(self, folder: Path, rejected: Rejected) -> None:
        try:
            outcome = self._write(folder, rejected)
            self._failing = False
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody waits for this thread
            outcome = "failed"
            if not self._failing:
                problem = getattr(error, "strerror", None) or type(error).__name__
                log.warning(
                    "rejected requests cannot be recorded", folder=str(folder), problem=problem
                )
            self._failing = True
            self._files = None  # the folder may have gone: begin again
        self._on_outcome(outcome)
        self._closing.wait(PAUSE_SECONDS)
        self._places.release()

    def _write(self, folder: Path, rejected: Rejected) -> str:
        data = msgspec.json.encode(rejected.redacted()) + b"\n"
        size = _on_disk(len(data))
        if size > self._max_bytes:
            return "dropped"
        if self._files is None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._files = deque(_existing(folder))
            self._bytes = sum(size for _, size in self._files)
        while self._files and self._bytes + size > self._max_bytes:
            oldest, freed = self._files.popleft()
            oldest.unlink(missing_ok=True)
            self._bytes -= freed
        self._number += 1
        name = f"{rejected.at:%Y%m%dT%H%M%S.%f}Z-{self._number}-{rejected.source}-{rejected.reason}"
        path, unfinished = folder / f"{_PREFIX}{name}.json", folder / f".{_PREFIX}{name}"
        try:
            with open(unfinished, "xb", opener=_private) as file:
                file.write(data)
            unfinished.rename(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        self._files.append((path, size))
        self._bytes += size
        return "written"


def _existing(folder: Path) -> list[tuple[Path, int]]:
    """List the records of earlier runs, the oldest first; what else lies there stays."""
    for unfinished in folder.glob(f".{_PREFIX}*"):
        unfinished.unlink(missing_ok=True)
    paths = sorted(folder.glob(f"{_PREFIX}*.json"))
    return [(path, _on_disk(path.stat().st_size)) for path in paths]


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
