"""The interface of a ledger's store, which SQLite and PostgreSQL implement."""

from array import array
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

import msgspec

from exporter.ledger.keys import Key, Keyring
from exporter.results import Delivery, Series


class StoreError(Exception):
    """The store cannot be used at present; the message has the cause, and advice if known."""


class Count(msgspec.Struct):
    """The number of results of a series."""

    total: int
    last_at: float
    """Unix time of the last result, in seconds."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """The new keys of a delivery."""

    keys: list[int]
    """The keys that are new to this process."""
    content: int
    """The hash of the delivery's content, 0 if it cannot conflict."""
    delivery: Delivery
    earlier: dict[int, list[Key]] = {}
    """By key, the earlier keys of the same identity, from before an upgrade or a copy."""

    def only(self, keys: list[int]) -> "Entry":
        """Return the entry of some of its keys."""
        earlier = self.earlier and {key: self.earlier[key] for key in keys}
        return Entry(keys, self.content, self.delivery, earlier)


class Commit(NamedTuple):
    """The data written by one transaction."""

    number: int
    """Sequence number, consecutive."""
    at: float
    """Unix time in seconds."""
    counts: dict[Series, int]
    """The counts if no other process knows any of the keys."""
    keys: "array[int]"
    """The keys and contents of the commit, in the order of the window."""
    oldest: int
    """The first commit whose keys this process remembers."""
    entries: list[Entry]

    def without(self, known: AbstractSet[int]) -> dict[Series, int]:
        """Return the counts without keys that another process has counted."""
        if not known:
            return self.counts
        counts = dict(self.counts)
        for entry in self.entries:
            times = sum(key in known for key in entry.keys)
            for series, count in entry.delivery.counts.items():
                counts[series] -= count * times
        return {series: count for series, count in counts.items() if count}


class Outcome(NamedTuple):
    """The keys of a commit that other processes of a shared store had already counted."""

    known: frozenset[int] = frozenset()
    """All of these keys; nothing was counted for them."""
    conflicts: frozenset[int] = frozenset()
    """The known keys that were counted with different content."""


class Stored(NamedTuple):
    """The state of a store when it is opened."""

    number: int
    """The number of the last commit, 0 if there is none."""
    counts: list[tuple[Series, int, float]]
    """Series, number of results and time of the last result, of this process only."""
    keyring: Keyring
    """Makes the keys of deliveries; a shared store may add earlier keys later."""


class StoredKeys(NamedTuple):
    """The keys of commits made within one second."""

    first: int
    """The number of the first commit."""
    last: int
    """The number of the last commit."""
    at: float
    """The time of the latest commit."""
    keys: "array[int]"


class Upkeep(msgspec.Struct):
    """Statistics of the database behind a shared store."""

    expiry_seconds: float = 0.0
    """Time that this process has spent on deleting expired keys."""
    oldest_transaction_seconds: float = 0.0
    """Age of the oldest snapshot that keeps the database from removing deleted rows, held by a
    transaction, a standby or a replication slot; at most the uptime of this process."""


class Store(Protocol):
    """Durable counts and deduplication keys of one process.

    The ledger calls one method at a time, and never cancels a call. A temporary failure raises
    StoreError, and the ledger retries.
    """

    shared: bool
    """Whether several processes share the store. It then looks up each key among those of all
    processes within the deduplication window; the memory of this process merely saves work."""
    heartbeat: float | None
    """Seconds after which an idle store needs a `probe` to renew its lease, if it has one."""

    @property
    def name(self) -> str:
        """The store's display name, without a password."""

    @property
    def instance(self) -> str | None:
        """The name under which this process counts; None if it has no name, or not yet."""

    @property
    def upkeep(self) -> Upkeep | None:
        """Statistics of the database; None for a file."""

    @property
    def opened(self) -> bool:
        """Whether the result of `open`, with the commits since, is still the state of the store.

        False before the first `open`, and again when another process may have counted under our
        name or the outcome of a commit is unknown: the ledger then drops its state and reopens.
        """

    async def open(self) -> Stored:
        """Acquire the ledger exclusively, create it if it is missing, and read its counts.

        A commit of this process whose outcome was unknown is either in the returned state or will
        never take effect. Raises StoreError while another process holds it, and
        ConfigurationError, changing nothing, for data that is not a ledger of a readable version.
        """

    async def read_keys(self, after: int) -> list[StoredKeys]:
        """Return the next part of the keys of the commits after a number, oldest first.

        The list is empty at the end, and always if the store looks up keys when it commits.
        """

    async def commit(self, commit: Commit) -> Outcome:
        """Write counts and keys durably and atomically; return the keys counted by others.

        On StoreError nothing was written, or `opened` is False and the next `open` resolves the
        outcome. A power cut after the return loses nothing, if the settings ask for durability.
        """

    async def probe(self) -> None:
        """Check whether a commit would succeed now; raises StoreError with the cause if not."""

    async def close(self) -> None:
        """Release the ledger, so that another process can open it immediately; never raises."""
