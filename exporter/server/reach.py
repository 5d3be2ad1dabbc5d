"""Tries the configured folders, database and ports."""

import asyncio
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from exporter.configuration.settings import Settings
from exporter.errors import ConfigurationError, ListenError
from exporter.ledger.header import read_header
from exporter.ledger.sqlite import VERSION
from exporter.ledger.store import StoreError
from exporter.ledger.stores import ledger_address
from exporter.server.listeners import bind

_NO_SCHEMA = ("3F000", "42P01")
"""SQLSTATEs of a missing schema or table."""

_PROBE_BYTES = 65536


class Attempt(msgspec.Struct, frozen=True):
    """An attempt to use a resource."""

    target: str
    problem: str | None
    """The cause of the failure, or None."""


def reach(settings: Settings) -> Iterator[Attempt]:
    """Try each resource, without leaving any files behind."""
    if settings.ledger_url:
        yield _try(f"LEDGER_URL {_shown(settings)}", partial(_connect, settings))
    else:
        file = settings.ledger_path.absolute()
        yield _try(f"LEDGER_PATH {settings.ledger_path}", partial(_check_ledger, file))
    if settings.record:
        yield _try(f"RECORD {settings.record}", partial(_write, settings.record.absolute()))
    for name, host, port in (
        ("INGEST_PORT", settings.ingest_host, settings.ingest_port),
        ("ADMIN_PORT", settings.admin_host, settings.admin_port),
    ):
        yield _try(f"{name} {port}", partial(_bind, host, port))


def _try(target: str, attempt: Callable[[], str | None]) -> Attempt:
    try:
        note = attempt()
    except (ConfigurationError, ListenError, StoreError) as error:
        return Attempt(target, str(error))
    except OSError as error:
        return Attempt(target, error.strerror or str(error))
    return Attempt(f"{target} ({note})" if note else target, None)


def _shown(settings: Settings) -> str:
    return str(settings.model_dump(mode="json")["ledger_url"])


def _connect(settings: Settings) -> str | None:
    """Connect to the database and read the ledger; return a note, if any."""
    address = ledger_address(settings)
    from exporter.ledger.administration import Administration  # noqa: PLC0415 - optional
    from exporter.ledger.database import StatementError  # noqa: PLC0415

    async def connect() -> str | None:
        ledger = Administration(address)
        try:
            await ledger.connect()
            await ledger.instances()
        except StatementError as error:
            if error.code in _NO_SCHEMA:
                return "no schema yet: the first start creates it, if the role is allowed to"
            raise
        finally:
            await ledger.close()
        return None

    return asyncio.run(connect())


def _check_ledger(file: Path) -> None:
    """Check the header of a ledger, if it exists, and write to its folder.

    The file is not opened with SQLite, which would create files as the wrong user.
    """
    if file.is_dir():
        raise StoreError("it is a folder: name a file in it")
    header = read_header(file) if file.exists() else None
    if header and not header.is_ledger:
        raise StoreError("not a ledger: set LEDGER_PATH to another file, or move this one away")
    if header and header.version > VERSION:
        raise StoreError(
            f"it has version {header.version}, of a later exporter; this exporter reads {VERSION}"
        )
    if file.exists() and not os.access(file, os.W_OK):
        raise PermissionError(errno.EACCES, "it cannot be written")
    _write(file.parent)


def _write(folder: Path) -> None:
    """Write to a folder, or to the nearest existing parent."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    with tempfile.TemporaryFile(dir=place) as file:
        file.write(bytes(_PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())


def _bind(host: str, port: int) -> None:
    bind(host, port).close()
