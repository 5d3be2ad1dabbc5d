"""Group commit: requests committed together, with their sums."""

from array import array

from exporter.errors import RequestError
from exporter.ledger.memory import Memory
from exporter.ledger.request import Request, conflict, unavailable
from exporter.ledger.store import Entry, Outcome
from exporter.results import Series


class Batch:
    """Requests committed together."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.results = 0
        self.counts: dict[Series, int] = {}
        self.keys: array[int] = array("Q")
        self.end = 0
        """The position after the keys of the batch in the window."""

    @property
    def entries(self) -> list[Entry]:
        """The new keys of all requests."""
        return [entry for request in self.requests for entry in request.entries]

    def add(self, request: Request, memory: Memory | None) -> None:
        """Add the new deliveries of a prepared request; without a memory all are new."""
        if memory:
            self.keys.extend(request.remember(memory))
            self.end = memory.end
        for series, count in request.counts.items():
            if count:
                self.counts[series] = self.counts.get(series, 0) + count
        self.requests.append(request)
        self.results += request.results

    def accept(self, outcome: Outcome) -> None:
        """Resolve every request after the commit."""
        for request in self.requests:
            request.accept(outcome.known)

    def refuse(self, error: RequestError) -> None:
        """Resolve every request with an error; nothing was counted."""
        for request in self.requests:
            request.refuse(error)

    def refuse_conflicts(self, keys: frozenset[int]) -> None:
        """Refuse the requests whose key another process has counted with different content.

        A request that conflicts in this process, too, was compared with content that is now
        refused, so its sender has to repeat it.
        """
        for request in self.requests:
            if request.key in keys:
                request.refuse(unavailable() if request.conflict else conflict())
