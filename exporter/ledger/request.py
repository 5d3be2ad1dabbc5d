"""A request in the ledger: its deliveries with their keys, and its outcome."""

import asyncio
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from exporter.errors import Reason, RequestError
from exporter.ledger.memory import Memory
from exporter.ledger.store import Entry
from exporter.ledger.window import Seen
from exporter.results import Delivery, Series

SLICE_DELIVERIES = 32
"""Deliveries hashed per step of the event loop: at most a millisecond, since a delivery of a large
body has at most 256 identities."""


class Request(msgspec.Struct):
    """A request: prepared, then added to a batch, then resolved.

    Preparation computes the keys. It takes most of the time and changes no shared state, so the
    event loop may run between the deliveries of a large request. All are added at once.
    """

    accepted: "asyncio.Future[int]"
    """Resolves to the number of counted results."""
    results: int
    """Results of the request, duplicates included."""
    new: int = 0
    """Results that this process has not counted before."""
    counts: dict[Series, int] = msgspec.field(default_factory=dict)
    """Counts of the new results."""
    keys: list[int] = msgspec.field(default_factory=list)
    """Keys of all entries."""
    entries: list[Entry] = msgspec.field(default_factory=list)
    may_conflict: Delivery | None = None
    """The only delivery of a request that may conflict."""
    key: int = 0
    """The key of `may_conflict`."""
    conflict: bool = False
    """Whether this process has counted `key` with different content."""

    def prepare(self, deliveries: Iterable[Delivery], memory: Memory | None) -> None:
        """Add deliveries with their keys; without a memory all are new."""
        for delivery in deliveries:
            times = len(delivery.identities) or 1
            if delivery.identities and memory:
                if delivery.content is not None:
                    self.may_conflict = delivery
                    continue
                keys, earlier = memory.keys_of(delivery)
                times = len(keys)
                self.keys += keys
                self.entries.append(Entry(keys, 0, delivery, earlier))
            self._count(delivery, times)

    async def prepare_in_slices(self, deliveries: list[Delivery], memory: Memory | None) -> None:
        """Prepare deliveries in slices, yielding to the event loop between them."""
        for start in range(0, len(deliveries), SLICE_DELIVERIES):
            await asyncio.sleep(0)
            self.prepare(deliveries[start : start + SLICE_DELIVERIES], memory)

    def remember(self, memory: Memory) -> Sequence[int]:
        """Add the new keys to the memory, discard known keys, and return the new keys.

        The keys of a request that may conflict include the key of its content.
        """
        if self.may_conflict is not None:
            return self._remember_request(self.may_conflict, memory)
        if not self.keys:
            return ()
        new = memory.add(self.keys)
        if len(new) < len(self.keys):
            self._keep(set(new))
        return new

    def _remember_request(self, delivery: Delivery, memory: Memory) -> Sequence[int]:
        (self.key, content), earlier, seen = memory.add_request(delivery)
        self.conflict = seen is Seen.CONFLICT
        if seen is not Seen.NEW:
            return ()
        others = {self.key: earlier} if earlier else {}
        self.entries.append(Entry([self.key], content, delivery, others))
        self._count(delivery, 1)
        return self.key, content

    def _keep(self, new: set[int]) -> None:
        """Discard known keys, and repetitions of a key within the request."""
        entries = self.entries
        self.entries = []
        for entry in entries:
            keys = []
            for key in entry.keys:
                if key in new:
                    new.remove(key)
                    keys.append(key)
            known = len(entry.keys) - len(keys)
            if known:
                self._count(entry.delivery, -known)
            if keys:
                self.entries.append(entry.only(keys) if known else entry)

    def _count(self, delivery: Delivery, times: int) -> None:
        self.new += delivery.results * times
        for series, count in delivery.counts.items():
            self.counts[series] = self.counts.get(series, 0) + count * times

    def accept(self, known: AbstractSet[int]) -> None:
        """Resolve the request after its commit; other processes have counted the known keys."""
        if self.accepted.done():  # cancelled, or refused as a conflict
            return
        if self.conflict:
            self.accepted.set_exception(conflict())
            return
        counted = self.new
        if known:
            for entry in self.entries:
                counted -= entry.delivery.results * sum(key in known for key in entry.keys)
        self.accepted.set_result(counted)

    def refuse(self, error: RequestError) -> None:
        """Resolve the request with an error; nothing was counted."""
        if not self.accepted.done():
            self.accepted.set_exception(error)


def conflict() -> RequestError:
    """Return the error for a request whose identity was used with different content."""
    return RequestError(
        Reason.CONFLICT,
        "This webhook-id was already used with a different body, and this body was not counted. "
        "Send it with a new webhook-id.",
    )


def unavailable() -> RequestError:
    """Return the error for a request that may be repeated unchanged."""
    return RequestError(
        Reason.LEDGER_UNAVAILABLE, "The results cannot be stored at present; repeat the request."
    )
