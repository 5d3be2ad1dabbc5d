"""The interface of a ledger's store, which SQLite and PostgreSQL implement."""

from array import array
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

import msgspec

from exporter.ledger.keys import Key, Keyring
from exporter.results import Delivery, Series


class StoreError(Exception):
    """The store cannot be used at present; the message says why, and what to do where we know."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """The new keys of a delivery."""

    keys: list[int]
    """Those that this process did not know."""
    content: int
    """The hash of the content of a delivery that may conflict, else 0."""
    delivery: Delivery
    earlier: dict[int, list[Key]] = {}
    """By key, the keys under which a delivery may be known from before an upgrade or a copy."""

    def only(self, keys: list[int]) -> "Entry":
        """Return the entry of some of its keys."""
        earlier = self.earlier and {key: self.earlier[key] for key in keys}
        return Entry(keys, self.content, self.delivery, earlier)


class Commit(NamedTuple):
    """What one transaction writes."""

    number: int
    """Sequence number, consecutive."""
    at: float
    """Unix time in seconds."""
    counts: dict[Series, int]
    """What is counted if no other process knows any of the keys."""
    keys: "array[int]"
    """What the window remembers of the commit, in its order."""
    oldest: int
    """The first commit whose keys this process remembers."""
    entries: list[Entry]

    def without(self, known: AbstractSet[int]) -> dict[Series, int]:
        """Return what is counted if another process has counted these keys."""
        if not known:
            return self.counts
        counts = dict(self.counts)
        for entry in self.entries:
            times = sum(key in known for key in entry.keys)
            for series, count in entry.delivery.counts.items():
                counts[series] -= count * times
        return {series: count for series, count in counts.items() if count}


class Outcome(NamedTuple):
    """What a store that several processes share knew already when it committed."""

    known: frozenset[int] = frozenset()
    """The keys that others had counted: nothing was counted for them."""
    conflicts: frozenset[int] = frozenset()
    """Those of them that others had counted with another content."""


class Stored(NamedTuple):
    """What a store holds when it is opened."""

    number: int
    """That of the last commit, 0 if there is none."""
    counts: list[tuple[Series, int, float]]
    """Series, number of results, time of the last one: those of this process alone."""
    keyring: Keyring
    """Makes the keys of deliveries; a shared store may give it earlier keys later on."""


class StoredKeys(NamedTuple):
    """The keys of commits that were made within a second."""

    first: int
    """The number of the first of them."""
    last: int
    at: float
    """The time of the last one."""
    keys: "array[int]"


class Upkeep(msgspec.Struct):
    """What is known of the database behind a store that several processes share."""

    expiry_seconds: float = 0.0
    """Seconds that this process has spent on deleting expired keys."""
    oldest_transaction_seconds: float = 0.0
    """For how long the database has kept what was deleted, because a transaction, a standby or a
    replication slot may still read it; at most since this process started."""


class Store(Protocol):
    """Durable counts and deduplication keys of one process.

    The ledger calls one method at a time, and never cancels one. Whatever fails for now raises
    StoreError, and the ledger tries again.
    """

    shared: bool
    """Whether the store looks every key up among those of all processes, as far back as the
    deduplication window goes: what the process itself remembers then merely saves work."""
    heartbeat: float | None
    """Seconds after which an idle store wants a `probe`, to keep what `open` took."""

    @property
    def name(self) -> str:
        """The store for people: never with a password."""

    @property
    def instance(self) -> str | None:
        """The name under which this process counts, once it has one; None where there is none."""

    @property
    def upkeep(self) -> Upkeep | None:
        """What is known of the database; None for a file."""

    @property
    def opened(self) -> bool:
        """Whether what `open` returned, with the commits since, is still what the store holds.

        False before the first `open`, and again when another process may have counted in our name
        or the outcome of a commit is not known: the ledger then forgets all and opens once more.
        """

    async def open(self) -> Stored:
        """Take the ledger for this process alone, creating it if there is none; read its counts.

        While another process has it, StoreError. A commit of ours whose outcome was not known is
        either in what is returned or will never be. Raises ConfigurationError if there is
        something that is no ledger which this version can read; it is left as it was.
        """

    async def read_keys(self, after: int) -> list[StoredKeys]:
        """Return a part of the keys, oldest first, of the commits after a number; none at the end.

        None at all if the store itself looks keys up when it commits.
        """

    async def commit(self, commit: Commit) -> Outcome:
        """Write counts and keys durably, both or neither; return what others had counted.

        On StoreError nothing was written, or `opened` is False and the next `open` tells. A power
        cut after the return loses nothing, as far as the operator's settings ask for it.
        """

    async def probe(self) -> None:
        """Return if a commit would succeed now; StoreError says what is in its way."""

    async def close(self) -> None:
        """Release the ledger, so that another process can open it at once; never raises."""
