"""The delivery window: exact cases on tiny tables, and any sequence against a dict."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from exporter.delivery_window import DeliveryWindow

LAST_KEY = 2**64 - 1


def is_new(window: DeliveryWindow, key: int, number: int) -> bool:
    """Add one key; say whether it was new."""
    return len(window.add([key], number)) == 1


COLLIDING = {
    "first-slot": [8, 16, 24, 32],
    "last-slot-wraps-around": [7, 15, 23, 0],
    "neighbours": [8, 9, 16, 17],
    "top-bits-only": [1 << 63, 1 << 62, 1 << 61, 3 << 62],
}


def new_to(window: DeliveryWindow, key: int, number: int) -> bool:
    """Add one key; say whether it was new."""
    return len(window.add([key], number)) == 1


@pytest.mark.parametrize("key", [0, 1, 2, 7, 8, 2**63, LAST_KEY])
def test_key_is_new_once(key: int) -> None:
    """Any 64-bit key, 0 included, is new the first time and never again."""
    window = DeliveryWindow(slots=8)
    assert [new_to(window, key, 1), new_to(window, key, 1), new_to(window, key, 2)] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("key", [0, 5])
def test_forgotten_key_is_new_again(key: int) -> None:
    """A key whose commit failed can be added again, and is remembered then."""
    window = DeliveryWindow(slots=8)
    new_to(window, key, 1)
    window.forget([key])
    assert [new_to(window, key, 1), new_to(window, key, 1)] == [True, False]


def test_forgetting_a_stranger_changes_nothing() -> None:
    """A key that was never added can be forgotten, without harm to those that were."""
    window = DeliveryWindow(slots=8)
    new_to(window, 8, 1)
    window.forget([16])
    assert not new_to(window, 8, 1)
    assert new_to(window, 16, 1)


def test_key_past_oldest_is_new_again() -> None:
    """A key is remembered while its commit is `oldest` or younger, and not longer."""
    window = DeliveryWindow(slots=8)
    new_to(window, 5, 1)
    new_to(window, 6, 2)
    window.oldest = 2
    assert [new_to(window, 5, 3), new_to(window, 6, 3)] == [True, False]
    window.oldest = 3
    assert [new_to(window, 5, 4), new_to(window, 6, 4)] == [False, True]


@pytest.mark.parametrize("keys", COLLIDING.values(), ids=COLLIDING)
def test_colliding_keys_are_told_apart(keys: list[int]) -> None:
    """Keys that want the same slot are different keys, before and after one is forgotten."""
    window = DeliveryWindow(slots=8)
    assert [new_to(window, key, 1) for key in keys] == [True] * 4
    assert [new_to(window, key, 1) for key in keys] == [False] * 4
    window.forget([keys[1]])
    assert [new_to(window, key, 1) for key in keys] == [False, True, False, False]


@pytest.mark.parametrize("slots", [4, 8, 1024])
def test_capacity_leaves_slots_free(slots: int) -> None:
    """A table is never full, or a search for a strange key would not end."""
    assert slots // 4 <= DeliveryWindow(slots).capacity < slots


def test_keys_of_a_batch_are_told_apart() -> None:
    """Of many keys at once the new ones come back in their order, each once."""
    window = DeliveryWindow(slots=16)
    assert window.add([9, 5, 9, 25], 1) == [9, 5, 25]
    assert window.add([25, 6, 5, 6, 9], 2) == [6]
    assert window.add([], 2) == []
    window.forget([9, 5])
    assert window.add([25, 9, 6, 5], 3) == [9, 5]


def test_forgetting_what_was_returned() -> None:
    """What `add` returned can be forgotten as it is, and all of it is new again, 0 too."""
    window = DeliveryWindow(slots=16)
    new = window.add([0, 7, LAST_KEY], 1)
    assert len(new) == 3
    window.forget(new)
    assert window.add([0, 7, LAST_KEY], 1) == new


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("added", range(1, 25))
def test_last_keys_survive_rotation(added: int, at_once: bool) -> None:
    """However many keys came before, in whatever batches, the last `capacity` are still known."""
    window = DeliveryWindow(slots=8)
    keys = range(100, 100 + added)
    batches = [list(keys)] if at_once else [[key] for key in keys]
    assert [new for batch in batches for new in window.add(batch, 1)] == list(keys)
    assert window.add(keys[-window.capacity :], 1) == []


def test_first_key_is_dropped_at_last() -> None:
    """At most twice the capacity is remembered, so memory is flat."""
    window = DeliveryWindow(slots=4)
    window.add(range(100, 101 + 2 * window.capacity), 1)
    assert is_new(window, 100, 1)


def test_repetitions_push_nothing_out() -> None:
    """A key that comes again and again costs the others nothing."""
    window = DeliveryWindow(slots=8)
    keys = range(100, 100 + window.capacity)
    window.add(keys, 1)
    assert window.add([keys[-1]] * 20, 1) == []
    assert window.add(keys, 1) == []


@pytest.mark.parametrize("later", [0, 1, 4])
def test_key_in_the_elder_table_is_forgotten(later: int) -> None:
    """A failed commit's key is taken back, even if later keys turned the tables meanwhile."""
    window = DeliveryWindow(slots=8)
    window.add(range(100, 100 + window.capacity + later), 1)
    window.forget([100])
    assert is_new(window, 100, 2)
    assert not is_new(window, 100, 2)


def test_expired_key_in_the_elder_table_is_new_again() -> None:
    """Expiry reaches the elder table too, and the key's new commit counts from then on."""
    window = DeliveryWindow(slots=8)
    last = window.capacity + 2
    for key in range(1, last + 1):
        window.add([100 + key], key)
    window.oldest = 3
    assert window.add([101, 102], last + 1) == [101, 102]
    assert window.add([101, 102, 100 + last - 1, 100 + last], last + 1) == []


# No 1 among them: 0 is kept as 1, and one pair in 2**64 may be taken for the other.
_KEYS = st.sampled_from([0, 2, 3, 4, 7, 8, 11, 12, 15, 16, 24, 2**32, 2**63, LAST_KEY])


class WindowAgainstDict(RuleBasedStateMachine):
    """Any sequence of commits, some of which fail, does what a dict of all keys would do."""

    @initialize(slots=st.sampled_from([4, 8, 16]))
    def start(self, slots: int) -> None:
        """Begin with an empty window."""
        self.window = DeliveryWindow(slots)
        self.number = 1
        self.counted: dict[int, int] = {}
        self.order: list[int] = []

    @rule(batch=st.lists(_KEYS, max_size=6))
    def add(self, batch: list[int]) -> None:
        """Never take an unknown key for a known one, nor a recent one for new."""
        new = self.window.add(batch, self.number)
        for key in batch:
            known = self.counted.get(key, 0) >= self.window.oldest
            recent = key in self.order[-self.window.capacity :]
            taken_for_new = new[:1] == [key or 1]  # 0 is kept as 1
            if not known:
                assert taken_for_new
            if known and recent:
                assert not taken_for_new
            if taken_for_new:
                del new[0]
                self.counted[key] = self.number
                self.order = [*(one for one in self.order if one != key), key]
        assert new == []

    @rule(batch=st.lists(_KEYS, max_size=3))
    def forget(self, batch: list[int]) -> None:
        """Take keys back, known or not."""
        self.window.forget(batch)
        for key in batch:
            self.counted.pop(key, None)

    @rule()
    def commit(self) -> None:
        """Go on to the next commit."""
        self.number += 1

    @rule(kept=st.integers(0, 4))
    def expire(self, kept: int) -> None:
        """Let go of all but the last few commits."""
        self.window.oldest = max(self.window.oldest, self.number - kept)


TestWindowAgainstDict = WindowAgainstDict.TestCase
TestWindowAgainstDict.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
