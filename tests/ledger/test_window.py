"""The delivery window: exact cases on tiny rings, and any sequence against a list."""

import random
import tracemalloc
from array import array

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from exporter.ledger.window import DeliveryWindow, Seen

LAST_KEY = 2**64 - 1

COLLIDING = {
    "first-bucket": [16, 32, 48, 64],
    "last-bucket": [15, 31, 47, LAST_KEY],
    "neighbours": [16, 17, 32, 33],
    "top-bits-only": [1 << 63, 1 << 62, 1 << 61, 3 << 62],
}


def new_to(window: DeliveryWindow, key: int) -> bool:
    """Add one key; return whether it was new."""
    return window.add([key]) == [key]


@pytest.mark.parametrize("key", [0, 1, 2, 7, 8, 2**63, LAST_KEY])
def test_key_is_new_once(key: int) -> None:
    """Any 64-bit key, 0 included, is new the first time and never again."""
    window = DeliveryWindow(8)
    assert [new_to(window, key) for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize("keys", COLLIDING.values(), ids=COLLIDING)
def test_colliding_keys_are_distinct(keys: list[int]) -> None:
    """Keys of one bucket are different keys, before and after a rollback."""
    window = DeliveryWindow(8)
    assert window.add(keys[:2]) == keys[:2]
    end = window.end
    assert window.add(keys) == keys[2:]
    assert window.add(keys) == []
    window.rollback(end)
    assert window.add(keys) == keys[2:]


def test_new_keys_of_a_batch_are_returned_in_order() -> None:
    """The new ones of many keys are returned in their order, each once."""
    window = DeliveryWindow(16)
    assert window.add([9, 5, 9, 41]) == [9, 5, 41]
    assert window.add([41, 6, 5, 6, 9]) == [6]
    assert window.add([]) == []


def test_keys_that_are_rolled_back_are_new() -> None:
    """A rollback removes the keys of its commit, 0 included, and no others."""
    window = DeliveryWindow(16)
    window.add([1, 2])
    end = window.end
    new = window.add([0, 7, 1, LAST_KEY, 7])
    assert new == [0, 7, LAST_KEY]
    window.rollback(end)
    window.rollback(end)
    assert window.add([0, 7, LAST_KEY, 2, 1]) == new


def test_old_keys_are_new_again() -> None:
    """What lies before the position that is given is dropped; the rest stays."""
    window = DeliveryWindow(8)
    window.add([5])
    end = window.end
    window.add([6])
    window.expire(end)
    window.expire(0)
    assert [new_to(window, key) for key in (6, 5, 5)] == [False, True, False]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("added", range(1, 40))
def test_last_keys_are_known(added: int, at_once: bool) -> None:
    """The window holds exactly the last `capacity` keys, in batches of any size."""
    window = DeliveryWindow(8)
    keys = list(range(100, 100 + added))
    batches = [keys] if at_once else [[key] for key in keys]
    assert [new for batch in batches for new in window.add(batch)] == keys
    assert window.add(keys[-8:]) == []
    if added > 8:
        assert new_to(window, keys[-9])


def test_repetitions_push_nothing_out() -> None:
    """A key that is repeated again and again costs the others nothing."""
    window = DeliveryWindow(8)
    keys = list(range(100, 108))
    window.add(keys)
    assert window.add([keys[-1]] * 20) == []
    assert window.add(keys) == []


def test_capacity_is_rounded_up() -> None:
    """The capacity is the next power of two, and a full window is reported as full."""
    assert [DeliveryWindow(keys).capacity for keys in (1, 2, 3, 1000, 1024)] == [
        1,
        2,
        4,
        1024,
        1024,
    ]
    window = DeliveryWindow(3)
    assert [bool(window.add([key])) and window.full for key in range(5)] == [
        *[False] * 3,
        *[True] * 2,
    ]


def test_request_with_a_key_and_a_content() -> None:
    """The key with its content is a duplicate, with another one a conflict, without it new."""
    window = DeliveryWindow(8)
    assert window.add_request(16, 5) is Seen.NEW
    assert window.add_request(16, 5) is Seen.DUPLICATE
    assert window.add_request(16, 6) is Seen.CONFLICT
    assert window.add_request(32, 5) is Seen.NEW
    assert window.add_request(16, 5) is Seen.DUPLICATE


@pytest.mark.parametrize("others", range(1, 40))
def test_eviction_never_makes_a_conflict(others: int) -> None:
    """However many keys came since, the same content is new or a duplicate, and then both stay."""
    window = DeliveryWindow(8)
    window.add_request(16, 5)
    window.add(range(100, 100 + others))
    assert window.add_request(16, 5) is (Seen.DUPLICATE if others <= 6 else Seen.NEW)
    assert window.add_request(16, 5) is Seen.DUPLICATE
    window.add([200])
    assert window.add_request(16, 5) is not Seen.CONFLICT


@pytest.mark.no_cover  # coverage would make it six times as long
def test_memory_is_taken_as_the_window_fills() -> None:
    """A large window that holds few keys is small; full, it takes 20 bytes for each key."""
    capacity = 1 << 18
    tracemalloc.start()
    try:
        window = DeliveryWindow(capacity)
        window.add(range(250))
        assert tracemalloc.get_traced_memory()[0] < 4e5
        window.add(range(250, 25_000))
        assert tracemalloc.get_traced_memory()[0] < 3e6
        window.extend(range(25_000, capacity))
        full = tracemalloc.get_traced_memory()[0]
        assert full < 22 * capacity
        window.extend(range(capacity, 2 * capacity))
        assert tracemalloc.get_traced_memory()[0] < full + 1e5
    finally:
        tracemalloc.stop()
    assert window.full


def test_failed_commit_in_which_the_window_grew() -> None:
    """Keys that were known before stay known, in whichever bucket they are by then."""
    rng = random.Random(20261130)
    for size in [*range(1, 200, 7), *[8] * 300]:
        window = DeliveryWindow(1 << 10, step=1)
        before, *others = ([rng.getrandbits(64) for _ in range(size)] for _ in range(5))
        window.add(before)
        end = window.end
        for keys in others[:3]:
            window.add(keys)
        window.rollback(end)
        assert window.add(others[3]) == others[3]
        assert window.add(before) == []


def test_rollback_of_a_request_makes_it_new() -> None:
    """After a failed commit its key and content are unknown, and earlier ones are known."""
    window = DeliveryWindow(8)
    window.add([5])
    end = window.end
    window.add_request(16, 5)
    window.rollback(end)
    assert window.add([5]) == []
    assert window.add_request(16, 7) is Seen.NEW


def test_removed_key_is_new_and_its_neighbours_stay() -> None:
    """One key can be forgotten, without those before and behind it in its chain."""
    window = DeliveryWindow(8)
    keys = [16, 32, 48, 33]
    window.add(keys)
    window.remove(32)
    window.remove(99)
    assert window.add(keys) == [32]
    end = window.end
    window.add([64])
    window.rollback(end)
    assert window.add([*keys, 64]) == [64]


@pytest.mark.no_cover
@pytest.mark.parametrize("stored", [0, 1, 100, 5000, 10_000])
@pytest.mark.parametrize("step", [9, 1000, 20_000])
def test_filled_window_is_that_of_keys_added_one_by_one(stored: int, step: int) -> None:
    """Keys that are filled in are found like others, whether or not they share buckets."""
    rng = random.Random(stored + step)
    keys = array("Q", (rng.getrandbits(64) & ~rng.choice([0, 0xFFF]) for _ in range(stored)))
    window, other = DeliveryWindow(4096), DeliveryWindow(4096)
    for start in range(0, stored, step):
        window.fill(keys[start : start + step])
    other.extend(keys)
    assert (window.begin, window.end) == (other.begin, other.end)
    assert window.add(keys[-4096:]) == []
    candidates = [*keys, *range(100)]
    rng.shuffle(candidates)
    assert window.add(candidates) == other.add(candidates)


# Few buckets, so that chains lead over links that are out of date.
_KEYS = st.integers(0, 3).map(lambda n: 16 * n) | st.sampled_from([1, 3, 17, 2**63, LAST_KEY])


class WindowAgainstList(RuleBasedStateMachine):
    """Any sequence of commits, some of which fail, is equivalent to a list of the last keys."""

    @initialize(
        capacity=st.sampled_from([1, 2, 4, 8, 64]),
        step=st.sampled_from([1, 2, 1 << 14]),
        begin=st.sampled_from([0, *range(2**32 - 9, 2**32 + 3), 2**40]),
    )
    def start(self, capacity: int, step: int, begin: int) -> None:
        """Begin with an empty window, also shortly before 32-bit positions wrap around."""
        self.window = DeliveryWindow(capacity, step=step)
        self.known: list[int] = []
        self.window.begin = self.window.end = max(begin, self.window.capacity)

    @rule(batch=st.lists(_KEYS, max_size=6), fails=st.booleans())
    def commit(self, batch: list[int], fails: bool) -> None:
        """Add keys; if the commit fails take them back."""
        end = self.window.end
        expected = []
        for key in batch:
            if key not in self.known:
                expected.append(key)
                self.known = [*self.known, key][-self.window.capacity :]
        assert self.window.add(batch) == expected
        if fails:
            self.window.rollback(end)
            # What they had pushed out stays out.
            self.known = self.known[: max(0, len(self.known) - len(expected))]

    @rule(batch=st.lists(_KEYS, max_size=12, unique=True))
    def fill(self, batch: list[int]) -> None:
        """Add new keys as a start does."""
        new = array("Q", [key for key in batch if key not in self.known])
        self.window.fill(new)
        self.known = [*self.known, *new][-self.window.capacity :]

    @rule(kept=st.integers(0, 80))
    def expire(self, kept: int) -> None:
        """Drop all but the last few keys."""
        self.window.expire(self.window.end - kept)
        self.known = self.known[max(0, len(self.known) - kept) :]


TestWindowAgainstList = WindowAgainstList.TestCase
TestWindowAgainstList.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
