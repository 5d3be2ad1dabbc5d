"""Reloads when the content of a configured file changes.

It compares content, not times and sizes. So it detects a changed `..data` link of a Kubernetes
Secret, a rename by an editor and a copy with an old time, and ignores a touched file.
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
"""Time without changes before a reload: certificate and key are replaced one after the other."""

_MAX_SETTLING = 10
"""Maximum number of checks for further changes before a reload."""

log = structlog.get_logger()


class Reloadable(Protocol):
    """The current snapshot, and the reload that replaces it."""

    snapshot: Snapshot

    def reload(self) -> None:
        """Replace the snapshot; on failure log and raise ConfigurationError."""


@asynccontextmanager
async def watching(
    current: Reloadable, *, interval: float = INTERVAL_SECONDS, settle: float = SETTLE_SECONDS
) -> AsyncIterator[None]:
    """Watch the files of the current snapshot within the context."""
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
        if await _digests(seen) == seen:
            continue
        settled = await _settled(seen, settle)
        if current.snapshot is snapshot:  # else somebody else has reloaded in the meantime
            seen = settled | _reload(current)


async def _digests(files: Iterable[Path]) -> Digests:
    """Read files in a thread, since a disk may be slow."""

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
    """Reload once; return the digests of the files that were read, even on failure."""
    log.info("files have changed")
    with recording() as read:
        try:
            current.reload()
        except ConfigurationError:
            pass  # already logged
        except Exception:
            log.exception("reload failed")
    return read
