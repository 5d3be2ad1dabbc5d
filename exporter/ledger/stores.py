"""Makes the store that the settings select."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from exporter.configuration.groups import CommitSettings, LedgerSettings
from exporter.errors import ConfigurationError
from exporter.ledger.sqlite import SqliteStore
from exporter.ledger.store import Store

if TYPE_CHECKING:
    from exporter.ledger.address import Address


def make_store(settings: CommitSettings) -> Store:
    """Make the store of a running exporter, without opening it.

    Raises ConfigurationError if LEDGER_URL or LEDGER_PASSWORD_FILE is unusable.
    """
    if settings.ledger_url is None:
        return SqliteStore(settings.ledger_path, settings.ledger_sync)
    address = ledger_address(settings)
    address.password()
    from exporter.ledger.postgres import PostgresStore  # noqa: PLC0415 - an optional dependency

    return PostgresStore(
        address,
        settings.instance,
        dedupe_seconds=settings.dedupe_window_seconds,
        durable=settings.ledger_sync == "full",
    )


def ledger_address(settings: LedgerSettings) -> "Address":
    """Return the address of the ledger in PostgreSQL.

    Raises ConfigurationError if LEDGER_URL is missing or unusable, or the driver is missing.
    """
    if settings.ledger_url is None:
        raise ConfigurationError("LEDGER_URL: required for a ledger in PostgreSQL")
    if find_spec("psycopg") is None:
        raise ConfigurationError(
            "LEDGER_URL: PostgreSQL needs a driver: pip install 'push-result-exporter[postgresql]'"
        )
    from exporter.ledger.address import parse_address  # noqa: PLC0415 - an optional dependency

    return parse_address(settings.ledger_url, settings.ledger_password_file)
