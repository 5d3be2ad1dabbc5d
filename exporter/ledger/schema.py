"""The schema in PostgreSQL: created where it is missing, upgraded where it is old."""

import time

from exporter.errors import ConfigurationError
from exporter.ledger.address import Address
from exporter.ledger.database import Database, StatementError
from exporter.ledger.keys import EarlierKeys, Keyring
from exporter.ledger.sql import read_sql

VERSION = 2

SCHEMA_SECONDS = 30
"""For creating or upgrading the schema."""

_NO_TABLE, _NO_SCHEMA, _NO_RIGHT = "42P01", "3F000", "42501"


def check_version(address: Address, version: int) -> None:
    """Refuse a database that a later exporter has upgraded: ConfigurationError."""
    if version > VERSION:
        raise ConfigurationError(
            f"ledger {address.name}: its schema has version {version}, and this exporter knows "
            f"{VERSION}. Run the exporter that upgraded it, or a later one."
        )


def outdated(version: int) -> StatementError:
    """Refuse a database that has to be upgraded first."""
    return StatementError(
        f"its schema has version {version}: run `push-result-exporter ledger init` as the owner of "
        "the schema, to upgrade it",
        "",
    )


async def prepare_schema(database: Database, *, durable: bool) -> None:
    """Create or upgrade the schema if need be, and have commits be durable if they are not.

    Raises ConfigurationError for a schema that is newer.
    """
    try:
        rows = await database.run(read_sql("postgresql", "version"))
    except StatementError as error:
        if error.code not in (_NO_TABLE, _NO_SCHEMA):
            raise
        await _run_schema(database, error)
        rows = await database.run(read_sql("postgresql", "version"))
    if not rows:  # its definition was restored, say, and not its contents
        raise StatementError("its schema has no version: `ledger init` completes it", "")
    [(version, synchronous_commit)] = rows
    check_version(database.address, version)
    # "off" would acknowledge what a crash of the server loses.
    if durable and synchronous_commit == "off":
        database.synchronous_commit = "on"
    if version < VERSION:
        await _run_schema(database, outdated(version))


async def _run_schema(database: Database, problem: StatementError) -> None:
    """Create or upgrade the schema; without the right to, raise the problem."""
    try:
        await database.run(read_sql("postgresql", "schema"), seconds=SCHEMA_SECONDS)
    except StatementError as error:
        if error.code == _NO_RIGHT:
            raise problem from error  # whose advice is to have somebody else do it
        raise


async def read_secrets(database: Database, window: float) -> tuple[bytes, list[EarlierKeys]]:
    """Read what keys are made with: the secret in use, and those of the last window."""
    now, secret = time.time(), b""
    earlier = []
    for one, xxh3, age in await database.run(read_sql("postgresql", "secrets"), {"window": window}):
        if age is None:
            secret = one
        else:
            earlier.append(EarlierKeys(one, xxh3, now - age))
    if not secret:
        raise StatementError("its schema has no secret: `ledger init` completes it", "")
    return secret, earlier


async def read_keyring(database: Database, window: float) -> Keyring:
    """Return what makes the keys of deliveries."""
    return Keyring(*await read_secrets(database, window))
