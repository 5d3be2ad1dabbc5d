"""Stores, and ledgers that run on them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import NamedTuple

from exporter.ledger.ledger import Ledger
from exporter.ledger.store import Store


class StoreKind(NamedTuple):
    """A way to store, for the tests of what all ways have in common."""

    make: Callable[[], Store]
    """Make another handle of the same ledger, under the same name."""
    blocked: Callable[[], AbstractContextManager[None]]
    """Keep the ledger from being written inside the block, as another program would."""


@asynccontextmanager
async def running(store: Store, **given: object) -> AsyncIterator[Ledger]:
    """Run a ledger inside the block."""
    ledger = Ledger(store, **given)  # type: ignore[arg-type]
    try:
        await ledger.start()
        yield ledger
    finally:
        await ledger.close()
