"""The commit queue: pending batches, with a bound on their results."""

import time
from collections import deque
from collections.abc import Callable, Iterator

from exporter.errors import Reason, RequestError
from exporter.ledger.batch import Batch
from exporter.ledger.memory import Memory

MAX_COMMIT_RESULTS = 20_000
"""Maximum results per commit; bounds the work in the event loop after a commit."""


class CommitQueue:
    """Batches in the order of their commits; requests join the last batch."""

    def __init__(self, max_pending: int, on_batch: Callable[[], None]) -> None:
        """`max_pending` bounds the pending results; `on_batch` is called for each new batch."""
        self.pending = 0
        """Results waiting to be committed, with reservations."""
        self._max_pending = max_pending
        self._on_batch = on_batch
        self._batches: deque[Batch] = deque()

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the batches."""
        return iter(self._batches)

    def check(self, results: int) -> None:
        """Raise RequestError (`overloaded`) if there is no room for a number of results."""
        # A single body larger than the bound is accepted when the queue is empty.
        if self.pending and self.pending + results > self._max_pending:
            raise RequestError(Reason.OVERLOADED, "The commit queue is full; slow down.")

    def reserve(self, results: int) -> None:
        """Take room for results until they are released."""
        self.pending += results

    def release(self, results: int) -> None:
        """Release the room of committed or refused results."""
        self.pending -= results

    def batch_for(self, results: int, memory: Memory | None) -> Batch:
        """Return a batch with room for a number of results; a new batch first expires old keys."""
        if self._batches and self._batches[-1].results + results <= MAX_COMMIT_RESULTS:
            return self._batches[-1]
        if memory:
            memory.expire(time.time())
        self._batches.append(Batch())
        self._on_batch()
        return self._batches[-1]

    def take(self) -> Batch:
        """Remove and return the first batch; its results stay pending."""
        return self._batches.popleft()

    def refuse(self, error: RequestError) -> None:
        """Remove all batches and refuse their requests."""
        for batch in self._batches:
            self.release(batch.results)
            batch.refuse(error)
        self._batches.clear()
