"""Requests that commit together: what they add up to, and what each of them is told."""

import asyncio
from array import array
from collections import Counter

import msgspec

from exporter.errors import Reason, RequestError
from exporter.ledger.store import Entry, Outcome
from exporter.ledger.window import DeliveryWindow, Seen
from exporter.results import Delivery, Series


class Request(msgspec.Struct, frozen=True):
    """A request that waits for its commit."""

    results: int
    new: int
    """How many of them this process had not counted before."""
    accepted: "asyncio.Future[int]"
    key: int
    """Of a request that may conflict, its key; else 0."""
    conflict: bool
    """Whether this process knows the key with another content."""

    def accept(self, counted_by_others: int) -> None:
        """Resolve the request now that its batch is durable."""
        if self.accepted.done():  # it was cancelled, or refused as a conflict
            return
        if self.conflict:
            self.accepted.set_exception(conflict())
        else:
            self.accepted.set_result(self.new - counted_by_others)

    def refuse(self, error: RequestError) -> None:
        """Resolve the request with an error; it counted nothing."""
        if not self.accepted.done():
            self.accepted.set_exception(error)


class Batch:
    """Requests that commit together, and what they add up to."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.results = 0
        self.counts: dict[Series, int] = {}
        self.keys: array[int] = array("Q")
        self.entries: list[Entry] = []
        self.end = 0
        """Where its keys end in the window."""

    def add(
        self,
        deliveries: list[Delivery],
        results: int,
        accepted: "asyncio.Future[int]",
        window: DeliveryWindow | None,
    ) -> None:
        """Add what a request delivers, as far as the window does not know it."""
        new, key, conflicts = 0, 0, False
        for delivery in deliveries:
            times = len(delivery.keys) or 1
            if delivery.keys and window:
                if delivery.content:
                    [key] = delivery.keys
                    seen = window.add_request(key, delivery.content)
                    conflicts = seen is Seen.CONFLICT
                    fresh = delivery.keys if seen is Seen.NEW else []
                    self.keys.extend((key, delivery.content) if fresh else ())
                else:
                    fresh = window.add(delivery.keys)
                    self.keys.extend(fresh)
                times = len(fresh)
                if times:
                    self.entries.append(Entry(fresh, delivery, len(self.requests)))
            if times:
                new += delivery.results * times
                for series, count in delivery.counts.items():
                    self.counts[series] = self.counts.get(series, 0) + count * times
        self.requests.append(Request(results, new, accepted, key, conflicts))
        self.results += results

    def accept(self, outcome: Outcome) -> None:
        """Resolve every request, now that the batch is durable."""
        others: Counter[int] = Counter()
        if outcome.known:
            for entry in self.entries:
                known = sum(key in outcome.known for key in entry.keys)
                others[entry.request] += known * entry.delivery.results
        for number, request in enumerate(self.requests):
            request.accept(others[number] if others else 0)

    def refuse(self, error: RequestError) -> None:
        """Resolve every request with an error: nothing of the batch was counted."""
        for request in self.requests:
            request.refuse(error)

    def refuse_conflicts(self, keys: frozenset[int]) -> None:
        """Refuse the requests whose key another process has counted with another content.

        Of these, the ones with a third content were compared with what was never counted: they
        have to be sent again.
        """
        for request in self.requests:
            if request.key in keys:
                request.refuse(unavailable() if request.conflict else conflict())


def conflict() -> RequestError:
    """Refuse a request whose key came before with another content."""
    return RequestError(
        Reason.CONFLICT,
        "This webhook-id came before with another body, which was counted; this body was not. "
        "Send it with an id of its own.",
    )


def unavailable() -> RequestError:
    """Refuse a request that may be sent again as it is."""
    return RequestError(
        Reason.LEDGER_UNAVAILABLE, "The results cannot be stored now; send them again."
    )
