"""Which store the settings ask for."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from exporter.configuration.groups import CommitSettings, LedgerSettings
from exporter.errors import ConfigurationError
from exporter.ledger.sqlite import SqliteStore
from exporter.ledger.store import Store

if TYPE_CHECKING:
    from exporter.ledger.address import Address


def make_store(settings: CommitSettings) -> Store:
    """Make the store of a running exporter; nothing is opened yet.

    Raises ConfigurationError if LEDGER_URL or LEDGER_PASSWORD_FILE is unusable.
    """
    if settings.ledger_url is None:
        return SqliteStore(settings.ledger_path, settings.ledger_sync)
    address = ledger_address(settings)
    address.password()
    from exporter.ledger.postgres import PostgresStore  # noqa: PLC0415 - an extra

    return PostgresStore(
        address,
        settings.instance,
        dedupe_seconds=settings.dedupe_window_seconds,
        durable=settings.ledger_sync == "full",
    )


def ledger_address(settings: LedgerSettings) -> "Address":
    """Return the address of the ledger in PostgreSQL.

    Raises ConfigurationError if LEDGER_URL is unusable, or there is none, or no driver.
    """
    if settings.ledger_url is None:
        raise ConfigurationError("LEDGER_URL: it is needed, for the ledger in PostgreSQL")
    if find_spec("psycopg") is None:
        raise ConfigurationError(
            "LEDGER_URL: PostgreSQL needs a driver: pip install 'push-result-exporter[postgresql]'"
        )
    from exporter.ledger.address import parse_address  # noqa: PLC0415 - an extra

    return parse_address(settings.ledger_url, settings.ledger_password_file)
