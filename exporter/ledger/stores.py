"""Which store the settings ask for."""

from exporter.ledger.sqlite import SqliteStore
from exporter.ledger.store import Store
from exporter.settings import Settings


def make_store(settings: Settings) -> Store:
    """Make the store of a running exporter; nothing is opened yet."""
    return SqliteStore(settings.ledger_path, settings.ledger_sync)
