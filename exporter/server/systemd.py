"""Integration with systemd: socket activation (sd_listen_fds(3)) and sd_notify(3)."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from exporter.errors import ConfigurationError

_FIRST_FD = 3
_NAMES = ("ingest", "admin")


def inherited(name: str) -> socket.socket | None:
    """Return the socket passed by a socket unit under a name (`ingest` or `admin`), or None.

    Raises ConfigurationError for a passed socket on which the exporter cannot listen.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")[: int(os.environ["LISTEN_FDS"])]
    if unknown := sorted(set(names).difference(_NAMES)):
        raise ConfigurationError(
            f"systemd passes a socket named {unknown[0]!r}: set FileDescriptorName=ingest or admin"
        )
    if names.count(name) > 1:
        raise ConfigurationError(
            f"systemd passes {names.count(name)} sockets named {name}: pass one"
        )
    return _listening(_FIRST_FD + names.index(name), name) if name in names else None


def _listening(descriptor: int, name: str) -> socket.socket:
    found = socket.socket(fileno=descriptor)
    stream = found.type == socket.SOCK_STREAM and found.family in (socket.AF_INET, socket.AF_INET6)
    if not (stream and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)):
        raise ConfigurationError(f"systemd's socket {name} is not a listening TCP socket")
    found.set_inheritable(False)
    return found


def notify(*lines: str) -> None:
    """Send a state to systemd if the process runs under it; errors are ignored."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        address = address.replace("@", "\0", 1) if address.startswith("@") else address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire, suppress(OSError):
            wire.setblocking(False)
            wire.sendto("\n".join(lines).encode(), address)


@asynccontextmanager
async def serving() -> AsyncIterator[None]:
    """Report ready, send watchdog pings within the context, then report stopping."""
    notify("READY=1")
    alive = asyncio.create_task(_keep_alive())
    try:
        yield
    finally:
        alive.cancel()
        notify("STOPPING=1")


@contextmanager
def reloading() -> Iterator[None]:
    """Report reloading within the context, then ready."""
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
