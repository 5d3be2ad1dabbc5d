"""The background task: samples counters and determines findings once a minute."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count

import structlog

from exporter.admin.findings.health import findings_of
from exporter.admin.history import MINUTE
from exporter.admin.reading import Reading
from exporter.admin.view import View

log = structlog.get_logger()


@asynccontextmanager
async def recording(view: View) -> AsyncIterator[None]:
    """Record the history inside the block."""
    task = asyncio.create_task(_record(view))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _record(view: View) -> None:
    for minute in count(1):
        await asyncio.sleep(MINUTE)
        view.history.sample(minute)
        try:
            reading = Reading(view)
            await asyncio.sleep(0)
            findings_of(reading)  # records when each was first seen
        except Exception:
            log.exception("findings could not be determined")
