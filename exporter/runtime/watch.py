"""Reloads when the content of a configured file changes.

Contents are compared, not times and sizes: this notices the `..data` link of a Kubernetes Secret, a
rename by an editor and a copy with an old time alike, and ignores a file that was merely touched.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import structlog

from exporter.configuration.files import Digests, digest_of, recording
from exporter.errors import ConfigurationError
from exporter.runtime.snapshot import Snapshot

INTERVAL_SECONDS = 15.0
SETTLE_SECONDS = 1.0
"""Certificate and key are replaced one after the other."""

_MAX_SETTLING = 10
"""Checks for further changes, after which files are reloaded all the same."""

log = structlog.get_logger()


class Reloadable(Protocol):
    """The current snapshot, and the reload that replaces it."""

    snapshot: Snapshot

    def reload(self) -> None:
        """Replace the snapshot; ConfigurationError, after it is logged, if it stays."""


@asynccontextmanager
async def watching(
    current: Reloadable, *, interval: float = INTERVAL_SECONDS, settle: float = SETTLE_SECONDS
) -> AsyncIterator[None]:
    """Watch the files of the current snapshot inside the block."""
    task = asyncio.create_task(_watch(current, interval, settle))
    try:
        yield
    finally:
        task.cancel()


async def _watch(current: Reloadable, interval: float, settle: float) -> None:
    snapshot: Snapshot | None = None
    seen: Digests = {}
    while True:
        if current.snapshot is not snapshot:
            snapshot = current.snapshot
            seen = dict(snapshot.files)
        await asyncio.sleep(interval)
        if current.snapshot is snapshot and await _digests(seen) != seen:
            seen = await _settled(seen, settle) | _reload(current)


async def _digests(files: Iterable[Path]) -> Digests:
    """Read files in a thread: a disk may be slow."""

    def read() -> Digests:
        return {path: digest_of(path) for path in files}

    return await asyncio.to_thread(read)


async def _settled(files: Iterable[Path], settle: float) -> Digests:
    """Wait until files no longer change; return their digests."""
    digests = await _digests(files)
    for _ in range(_MAX_SETTLING):
        await asyncio.sleep(settle)
        before, digests = digests, await _digests(files)
        if digests == before:
            break
    return digests


def _reload(current: Reloadable) -> Digests:
    """Reload once; return the digests of the files that it read, also if it failed."""
    log.info("files have changed")
    with recording() as read:
        try:
            current.reload()
        except ConfigurationError:
            pass  # has been logged
        except Exception:
            log.exception("reload failed")
    return read
