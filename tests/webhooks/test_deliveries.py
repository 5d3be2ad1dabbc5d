"""Deduplication keys: what is the same delivery, and for whom."""

from itertools import combinations

import pytest

from exporter.gateways.gateway import Credential, RequestKey
from exporter.results import ClassifiedResult, Delivery, PushResult, ResultGroup, results_of
from exporter.webhooks.deliveries import make_deliveries

CREDENTIAL = Credential(0x1234_5678_9ABC_DEF0)

Item = tuple[str | None, str, str | int | None]
"""Hint, code and id of a result."""


def keys_of(item: Item, credential: Credential = CREDENTIAL) -> list[int]:
    """Return the keys of one result; those of hints that no table knows share a channel."""
    hint, code, identity = item
    channel = hint if hint in {"apns", "vivo"} else "other"
    meaning = ClassifiedResult.unknown(channel, code)
    group = ResultGroup(PushResult(code, hint), 1, 0 if identity else 1, [identity or ""])
    if not identity:
        group.ids = []
    [delivery] = make_deliveries([(group, meaning)], credential, None)
    return delivery.keys


DIFFERENT: list[Item] = [
    ("apns", "2", "m1"),
    ("apns", "2", "m2"),
    ("apns", "3", "m1"),
    ("vivo", "2", "m1"),
    ("getui-x", "2", "m1"),
    ("getui-y", "2", "m1"),
    (None, "2", "m1"),
    ("apns", "2", "\\0m1"),
    ("apns", "2", "\x00m1"),
    ("apns", "2", "half an emoji \ud83d"),
    ("apns", "2", "another half \ude00"),
]


def test_results_with_different_ids_have_different_keys() -> None:
    """Channel, or the hint where it is unknown, code and id tell results apart; so do scopes."""
    keys = [keys_of(item, scope) for item in DIFFERENT for scope in (CREDENTIAL, Credential(7))]
    assert all(len(each) == 1 for each in keys)
    assert len({key for [key] in keys}) == len(keys)
    assert [keys_of(item) for item in DIFFERENT] == keys[::2]


@pytest.mark.parametrize("identity", [5, "m-1", "é", ""])
def test_same_result_has_the_same_key(identity: str | int) -> None:
    """A key depends on nothing but the result and the credential; without an id there is none."""
    first, second = (keys_of(("apns", "2", identity)) for _ in range(2))
    assert first == second
    assert len(first) == (1 if identity else 0)


def whole(request_key: RequestKey, scope: int = 1) -> Delivery:
    """Make the delivery of a request with a key of its own."""
    groups = [
        (ResultGroup(PushResult("2"), 3, 1, ["a"]), ClassifiedResult.unknown("apns", "2")),
        (ResultGroup(PushResult("9"), 1, 0, ["b", "c"]), ClassifiedResult.unknown("apns", "2")),
    ]
    [delivery] = make_deliveries(groups, Credential(scope), request_key)
    return delivery


def test_request_with_a_key_is_one_delivery() -> None:
    """It counts every push of its results, under one key of 64 bits."""
    delivery = whole(RequestKey(7))
    assert list(delivery.counts.values()) == [8]
    assert (results_of([delivery]), delivery.content) == (4, 0)
    assert make_deliveries([], CREDENTIAL, RequestKey(7, 8)) == []


def test_keys_and_contents_of_requests_never_meet() -> None:
    """Key and content differ by scope, key and fingerprint, and from each other."""
    made = {
        (scope, key, fingerprint): whole(RequestKey(key, fingerprint), scope)
        for scope in (1, 2, 3)
        for key in (7, 8)
        for fingerprint in (0, 7, 9)
    }
    for (one, first), (other, second) in combinations(made.items(), 2):
        assert (first.keys == second.keys) == (one[:2] == other[:2])
        assert first.content != second.content or first.content == 0
    numbers = [*(one.keys[0] for one in made.values()), *(one.content for one in made.values())]
    assert len(set(numbers)) == 6 + 12 + 1
    assert all(number.bit_length() <= 64 for number in numbers)
