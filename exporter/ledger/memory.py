"""Deduplication in memory: the keys of the last deliveries, bounded by age and number."""

import asyncio
import time
from array import array
from collections.abc import AsyncIterator, Sequence

from exporter.ledger.keys import Key, Keyring
from exporter.ledger.retention import Retention
from exporter.ledger.store import Store
from exporter.ledger.window import DeliveryWindow, Seen, has_numpy
from exporter.results import Delivery

_SLICE_KEYS = 1 << 14
"""Keys read per iteration of the event loop: some milliseconds."""
_FEW_KEYS = 1 << 20
"""Keys that are read without numpy, in a third of a second."""

_NONE: dict[int, list[Key]] = {}


class Memory:
    """The window of a ledger, with its retention and the store's keyring."""

    def __init__(self, max_keys: int, seconds: float, keyring: Keyring) -> None:
        self._seconds = seconds
        self._keyring = keyring
        self._window = DeliveryWindow(max_keys)
        self._retention = Retention(self._window, seconds)
        self._durable = self._window.end
        """The position after the keys of the last commit."""

    @property
    def end(self) -> int:
        """The position of the next new key."""
        return self._window.end

    @property
    def oldest(self) -> int | None:
        """The number of the oldest commit in the window; None if the window is empty."""
        return self._retention.oldest

    def reach(self, now: float) -> float:
        """Return the effective length of the deduplication window in seconds."""
        return self._retention.age(now) if self._window.full else self._seconds

    async def read(self, store: Store) -> AsyncIterator[int]:
        """Fill the window from a store, in short steps; yield the number of keys read so far."""
        self._retention.clear()
        self._durable = self._window.end
        after, read = 0, 0
        while parts := await store.read_keys(after):
            keys = array("Q", b"".join(part.keys for part in parts))
            is_long = read >= _FEW_KEYS and await asyncio.to_thread(has_numpy)
            add = self._window.fill if is_long else self._window.extend
            for start in range(0, len(keys), _SLICE_KEYS):
                add(keys[start : start + _SLICE_KEYS])
                await asyncio.sleep(0)
            for part in parts:
                self._durable += len(part.keys)
                self._retention.note(part.first, part.at, self._durable)
            after, read = parts[-1].last, read + len(keys)
            yield read
        self.expire(time.time())

    def keys_of(self, delivery: Delivery) -> tuple[list[int], dict[int, list[Key]]]:
        """Return the keys of a delivery that may be new, and the earlier keys of these.

        A key is left out if one of its earlier ones is remembered: no further one is ever added.
        """
        keys = self._keyring.current.of(delivery)
        earlier = self._keyring.earlier(delivery)
        if not earlier:
            return keys, _NONE
        look_up = self._window.look_up
        others = {
            key: earlier_keys
            for key, *earlier_keys in zip(keys, *earlier, strict=True)
            if all(look_up(earlier_key.key) is Seen.NEW for earlier_key in earlier_keys)
        }
        return list(others), others

    def add(self, keys: Sequence[int]) -> list[int]:
        """Remember keys; return the new ones."""
        return self._window.add(keys)

    def add_request(self, delivery: Delivery) -> tuple[Key, list[Key], Seen]:
        """Add a delivery that may conflict; return its key, earlier keys, and whether it is new."""
        key = self._keyring.current.of_request(delivery)
        earlier = [earlier_key for [earlier_key] in self._keyring.earlier(delivery)]
        for earlier_key in earlier:
            if (seen := self._window.look_up(*earlier_key)) is not Seen.NEW:
                return key, [], seen
        return key, earlier, self._window.add_request(*key)

    def commit(self, number: int, at: float, end: int) -> None:
        """Assign the keys up to a position to a durable commit."""
        if end > self._durable:
            self._retention.note(number, at, end)
            self._durable = end

    def rollback(self) -> None:
        """Remove the keys that were not committed."""
        self._window.rollback(self._durable)

    def remove(self, *keys: int) -> None:
        """Remove keys of a durable commit."""
        self._window.remove(*keys)

    def expire(self, now: float) -> None:
        """Remove the keys that are older than the window."""
        self._retention.expire(now)
        self._keyring.expire(now - self._seconds)
