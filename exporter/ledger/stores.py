"""Which store the settings ask for."""

from importlib.util import find_spec

from exporter.errors import ConfigurationError
from exporter.ledger.sqlite import SqliteStore
from exporter.ledger.store import Store
from exporter.settings import Settings


def make_store(settings: Settings) -> Store:
    """Make the store of a running exporter; nothing is opened yet.

    Raises ConfigurationError if LEDGER_URL is unusable.
    """
    if settings.ledger_url is None:
        return SqliteStore(settings.ledger_path, settings.ledger_sync)
    require_postgresql()
    from exporter.ledger.address import parse_address  # noqa: PLC0415 - an extra
    from exporter.ledger.postgres import PostgresStore  # noqa: PLC0415

    return PostgresStore(
        parse_address(settings.ledger_url, settings.ledger_password_file),
        settings.instance,
        dedupe_seconds=settings.dedupe_window_seconds,
        durable=settings.ledger_sync == "full",
    )


def require_postgresql() -> None:
    """Raise ConfigurationError if the driver of PostgreSQL is not installed."""
    if find_spec("psycopg") is None:
        raise ConfigurationError(
            "LEDGER_URL: PostgreSQL needs a driver: pip install 'push-result-exporter[postgresql]'"
        )
