"""The schema in PostgreSQL: created if it is missing, upgraded if it is old."""

import time

from exporter.errors import ConfigurationError
from exporter.ledger.address import Address
from exporter.ledger.database import Database, StatementError
from exporter.ledger.keys import EarlierKeys
from exporter.ledger.sql import read_sql

VERSION = 2

SCHEMA_SECONDS = 30
"""Statement timeout for creating or upgrading the schema."""

_UNDEFINED_TABLE, _UNDEFINED_SCHEMA, _INSUFFICIENT_PRIVILEGE = "42P01", "3F000", "42501"


def check_version(address: Address, version: int) -> None:
    """Raise ConfigurationError for a schema of a later exporter."""
    if version > VERSION:
        raise ConfigurationError(
            f"ledger {address.name}: its schema has version {version}, and this exporter reads "
            f"{VERSION}. Run the exporter that upgraded it, or a later one."
        )


def outdated(version: int) -> StatementError:
    """Return the error for a schema that has to be upgraded first."""
    return StatementError(
        f"its schema has version {version}: run `push-result-exporter ledger init` as the owner of "
        "the schema, to upgrade it",
        "",
    )


async def prepare_schema(database: Database, *, durable: bool) -> None:
    """Create or upgrade the schema if necessary, and enable durable commits.

    Raises ConfigurationError for a newer schema.
    """
    try:
        rows = await database.run(read_sql("postgresql", "version"))
    except StatementError as error:
        if error.code not in (_UNDEFINED_TABLE, _UNDEFINED_SCHEMA):
            raise
        await _run_schema(database, error)
        rows = await database.run(read_sql("postgresql", "version"))
    if not rows:  # for example, a backup was restored without data
        raise StatementError("its schema has no version: `ledger init` completes it", "")
    [(version, synchronous_commit)] = rows
    check_version(database.address, version)
    # With "off", a crash of the server could lose acknowledged results.
    if durable and synchronous_commit == "off":
        database.synchronous_commit = "on"
    if version < VERSION:
        await _run_schema(database, outdated(version))


async def _run_schema(database: Database, problem: StatementError) -> None:
    """Create or upgrade the schema; raise `problem` if the role lacks the privilege."""
    try:
        await database.run(read_sql("postgresql", "schema"), seconds=SCHEMA_SECONDS)
    except StatementError as error:
        if error.code == _INSUFFICIENT_PRIVILEGE:
            raise problem from error  # it advises to run `ledger init` as another role
        raise


async def read_secrets(database: Database, window: float) -> tuple[bytes, list[EarlierKeys]]:
    """Read the current secret, and the earlier ones of the last window."""
    now, current = time.time(), b""
    earlier = []
    rows = await database.run(read_sql("postgresql", "secrets"), {"window": window})
    for secret, xxh3, age in rows:
        if age is None:
            current = secret
        else:
            earlier.append(EarlierKeys(secret, xxh3, now - age))
    if not current:
        raise StatementError("its schema has no secret: `ledger init` completes it", "")
    return current, earlier
