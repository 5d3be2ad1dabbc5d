"""Group commit: the requests of one commit, and the sums of their counts."""

import asyncio
from array import array
from collections import Counter

import msgspec

from exporter.errors import Reason, RequestError
from exporter.ledger.memory import Memory
from exporter.ledger.store import Entry, Outcome
from exporter.ledger.window import Seen
from exporter.results import Delivery, Series


class Request(msgspec.Struct, frozen=True):
    """A request waiting to be committed."""

    results: int
    new: int
    """Results that are new to this process."""
    accepted: "asyncio.Future[int]"
    key: int
    """The key of a request that may conflict, else 0."""
    conflict: bool
    """Whether this process knows the key with a different content."""

    def accept(self, counted_by_others: int) -> None:
        """Resolve the request after its commit."""
        if self.accepted.done():  # it was cancelled, or refused as a conflict
            return
        if self.conflict:
            self.accepted.set_exception(conflict())
        else:
            self.accepted.set_result(self.new - counted_by_others)

    def refuse(self, error: RequestError) -> None:
        """Resolve the request with an error; nothing was counted."""
        if not self.accepted.done():
            self.accepted.set_exception(error)


class Batch:
    """The requests of one commit, and the sums of their counts."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.results = 0
        self.counts: dict[Series, int] = {}
        self.keys: array[int] = array("Q")
        self.entries: list[Entry] = []
        self.end = 0
        """The position after its keys in the window."""

    def add(
        self,
        deliveries: list[Delivery],
        results: int,
        accepted: "asyncio.Future[int]",
        memory: Memory | None,
    ) -> None:
        """Add a request with its new deliveries; without a memory all are new."""
        new, key, conflicts = 0, 0, False
        for delivery in deliveries:
            times = len(delivery.identities) or 1
            if delivery.identities and memory:
                if delivery.content is None:
                    times = self._add_results(delivery, memory)
                else:
                    key, seen = self._add_request(delivery, memory)
                    times, conflicts = int(seen is Seen.NEW), seen is Seen.CONFLICT
            if times:
                new += delivery.results * times
                for series, count in delivery.counts.items():
                    self.counts[series] = self.counts.get(series, 0) + count * times
        self.requests.append(Request(results, new, accepted, key, conflicts))
        self.results += results

    def _add_results(self, delivery: Delivery, memory: Memory) -> int:
        """Add the new keys of a delivery; return their number."""
        fresh, earlier = memory.add(delivery)
        if fresh:
            self.keys.extend(fresh)
            self.entries.append(Entry(fresh, 0, delivery, len(self.requests), earlier))
        return len(fresh)

    def _add_request(self, delivery: Delivery, memory: Memory) -> tuple[int, Seen]:
        """Add a delivery that may conflict, unless it is known; return its key."""
        (key, content), earlier, seen = memory.add_request(delivery)
        if seen is Seen.NEW:
            self.keys.extend((key, content))
            others = {key: earlier} if earlier else {}
            self.entries.append(Entry([key], content, delivery, len(self.requests), others))
        return key, seen

    def accept(self, outcome: Outcome) -> None:
        """Resolve every request after the commit."""
        others: Counter[int] = Counter()
        if outcome.known:
            for entry in self.entries:
                known = sum(key in outcome.known for key in entry.keys)
                others[entry.request] += known * entry.delivery.results
        for number, request in enumerate(self.requests):
            request.accept(others[number] if others else 0)

    def refuse(self, error: RequestError) -> None:
        """Resolve every request with an error; nothing was counted."""
        for request in self.requests:
            request.refuse(error)

    def refuse_conflicts(self, keys: frozenset[int]) -> None:
        """Refuse the requests whose key another process has counted with a different content.

        Requests that conflicted within this process were compared with a content that was not
        counted after all; their senders have to retry.
        """
        for request in self.requests:
            if request.key in keys:
                request.refuse(unavailable() if request.conflict else conflict())


def conflict() -> RequestError:
    """Return the error for a request whose identity was used with a different content."""
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
