"""Notifies systemd of the state of the service (sd_notify(3))."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress


def notify(*lines: str) -> None:
    """Send a state to systemd, if it is there; errors are ignored."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        address = address.replace("@", "\0", 1) if address.startswith("@") else address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire, suppress(OSError):
            wire.setblocking(False)
            wire.sendto("\n".join(lines).encode(), address)


@asynccontextmanager
async def serving() -> AsyncIterator[None]:
    """Report ready, send watchdog pings inside the block, then report stopping."""
    notify("READY=1")
    alive = asyncio.create_task(_keep_alive())
    try:
        yield
    finally:
        alive.cancel()
        notify("STOPPING=1")


@contextmanager
def reloading() -> Iterator[None]:
    """Report reloading inside the block, then ready."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        yield
    finally:
        notify("READY=1")


async def _keep_alive() -> None:
    microseconds = int(os.environ.get("WATCHDOG_USEC") or 0)
    while microseconds and os.environ.get("WATCHDOG_PID") in (None, str(os.getpid())):
        notify("WATCHDOG=1")
        await asyncio.sleep(microseconds / 2e6)
