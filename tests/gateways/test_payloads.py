"""Bodies become results or rejections, and never another exception than RequestError."""

import json
from collections import Counter
from typing import Any

import pytest
from _pytest.monkeypatch import MonkeyPatch
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import RequestError
from exporter.gateways import generic as results
from exporter.gateways import mps
from exporter.gateways.decoding import MAX_REJECTED, REASONS, ItemDecoder
from exporter.results import Batch, PushResult

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FIELDS = st.sampled_from(
    ["code", "channel", "message", "id", "count", "results", "statusCode", "extInfo", "osType"]
)
ITEMS = st.dictionaries(FIELDS, JSON)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """Whatever the bytes are, each format gives a batch or says `malformed_body`."""
    for decode in (mps.decode, results.decode, lambda body: results.decode(body, lines=True)):
        check(decode, body)


@given(st.lists(ITEMS | JSON), st.booleans())
def test_any_item_is_a_result_or_a_rejection(items: list[Any], envelope: bool) -> None:
    """No item of an array is lost: each is a result or is rejected under its index."""
    body = json.dumps({"results": items} if envelope else items).encode()
    batch = check(results.decode, body)
    if batch:
        held = sum(group.items for group in batch.groups)
        assert held + len(batch.rejected) == len(items)
        assert all(0 <= one.index < len(items) for one in batch.rejected)


def check(decode: Any, body: bytes) -> Batch | None:
    """Decode; hold what comes out against what is promised of any batch."""
    try:
        batch: Batch = decode(body)
    except RequestError as refusal:
        if refusal.reason != "malformed_body":
            raise
        return None
    for rejection in batch.rejected:
        assert rejection.reason in REASONS
    for group in batch.groups:
        assert 1 <= len(group.result.code) <= 64
        assert group.items >= 1
        assert group.count >= 1
    return batch


def test_callback_in_full() -> None:
    """A callback gives code, message, message id and system; tokens are not even read."""
    body = b"""{"extInfo": {"adToken": "t", "osType": "IOS"}, "msgId": "m", "pushSuccess": false,
        "statusCode": "2009", "statusDesc": "BadDeviceToken", "targetId": "x"}"""
    [group] = mps.decode(body).groups
    assert group.result == PushResult("2009", None, "BadDeviceToken", ios=True)
    assert group.ids == ["m"]


@pytest.mark.parametrize(
    ("body", "query", "hint"),
    [
        (b'{"statusCode": 2, "channel": "HMS"}', None, "HMS"),
        (b'{"statusCode": 2, "channel": "HMS", "extInfo": {"channel": "OPPO"}}', None, "HMS"),
        (b'{"statusCode": 2, "extInfo": {"channel": "OPPO"}}', None, "OPPO"),
        (b'{"statusCode": 2, "channel": "HMS"}', "VIVO", "VIVO"),
        (b'{"statusCode": 2, "channel": ""}', "", None),
        (b'{"statusCode": 2, "channel": true}', None, None),
    ],
)
def test_hint_of_a_callback(body: bytes, query: str | None, hint: str | None) -> None:
    """The URL's hint goes first, then the top level, then extInfo."""
    assert mps.decode(body, query).groups[0].result.hint == hint


def test_numbers_where_texts_are_usual() -> None:
    """Ids may be integers in both formats."""
    assert mps.decode(b'{"statusCode": 2, "msgId": 17}').groups[0].ids == [17]
    assert results.decode(b'{"code": 2, "id": 17}').groups[0].ids == [17]


def test_generic_result_in_full() -> None:
    """A generic result gives all its fields."""
    body = b'{"channel": "vivo", "code": 10072, "message": "fast", "id": "m-17", "count": 4}'
    [group] = results.decode(body).groups
    assert group.result == PushResult("10072", "vivo", "fast")
    assert (group.ids, group.count) == (["m-17"], 4)


def test_equal_results_are_grouped() -> None:
    """What says the same is one group, whatever its ids; another count or message is another."""
    body = b"""[{"code": 2, "channel": "fcm"}, {"code": 2.0, "channel": "fcm", "count": 5},
        {"code": 2, "channel": "fcm", "id": "a"}, {"code": 2, "channel": "fcm", "message": "x"}]"""
    groups = results.decode(body).groups
    assert [(group.anonymous, group.ids, group.count) for group in groups] == [
        (1, ["a"], 1),
        (1, [], 5),
        (1, [], 1),
    ]


TRICKY = st.sampled_from(["}, {", "},{", '"}, {"', "}]", "[{", "é", "\n", ", ", ""]) | st.text(
    max_size=3
)
ALIKE = st.fixed_dictionaries(
    {"code": st.sampled_from([2, "2", "no code!", None, True])},
    optional={"message": TRICKY, "channel": TRICKY, "count": st.integers(0, 3), "x": TRICKY,
              "id": st.just("m"), "nested": st.fixed_dictionaries({"a": TRICKY})},
)  # fmt: skip


@given(
    st.lists(ALIKE, min_size=1, max_size=3).flatmap(
        lambda pool: st.lists(st.sampled_from(pool), max_size=12)
    ),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", ":")]),
    st.sampled_from(["array", "envelope", "lines"]),
    st.binary(max_size=2),
)
def test_repeated_items_are_read_as_any_others(
    items: list[Any], separators: tuple[str, str], shape: str, damage: bytes
) -> None:
    """Items that repeat to the letter take a shorter way, which leads to the same place."""
    texts = [json.dumps(item, separators=separators) for item in items]
    array = f"[{separators[0].join(texts)}]"
    body = {
        "array": array, "envelope": f'{{"results": {array}}}', "lines": "\n".join(texts)
    }[shape].encode() + damage  # fmt: skip
    with MonkeyPatch.context() as patch:
        patch.setattr(ItemDecoder, "repeated", lambda *_: None)
        expected = check(lambda body: results.decode(body, lines=shape == "lines"), body)
    batch = check(lambda body: results.decode(body, lines=shape == "lines"), body)
    assert summed(batch) == summed(expected)


def summed(batch: Batch | None) -> Any:
    """Sum up a batch, in how many groups ever it says the same."""
    if batch is None:
        return None
    said: Counter[Any] = Counter()
    for group in batch.groups:
        said[group.result, group.count, None] += group.anonymous
        said.update((group.result, group.count, identity) for identity in group.ids)
    return +said, batch.rejected


@pytest.mark.parametrize("between", [",", ", "])
def test_items_to_the_letter_are_decoded_once(
    between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand items that say two things are two texts to decode."""
    monkeypatch.setattr(ItemDecoder, "array", None)
    body = between.join(['{"code":2}', '{"code":2009,"channel":"apns"}'] * 500)
    groups = results.decode(f"[{body}]".encode()).groups
    assert [(group.result.code, group.anonymous) for group in groups] == [("2", 500), ("2009", 500)]


def test_cuts_inside_of_texts_are_noticed() -> None:
    """Where a message holds what ends an item and begins the next, it stays in one piece."""
    body = ",".join(['{"code":2,"message":"a},{b"}'] * 9)
    [group] = results.decode(f"[{body}]".encode()).groups
    assert (group.result.message, group.anonymous) == ("a},{b", 9)


@pytest.mark.parametrize("bad", ["1", '{"code": "no code!"}'])
def test_body_with_too_many_bad_items_is_refused(bad: str) -> None:
    """Ten thousand items that are no results can be listed; one more refuses the body."""
    body = ",".join(['{"code": 2}', *[bad] * MAX_REJECTED])
    assert len(results.decode(f"[{body}]".encode()).rejected) == MAX_REJECTED
    with pytest.raises(RequestError, match="10,000 items"):
        results.decode(f"[{body},{bad}]".encode())


@pytest.mark.parametrize("body", [b'{"results": 5}', b'{"results": {}}', b'{"results": null}'])
def test_envelope_without_a_list_is_malformed(body: bytes) -> None:
    """`results` that is no array is an error of the whole body."""
    with pytest.raises(RequestError, match="array"):
        results.decode(body)


def test_details_do_not_repeat_the_body() -> None:
    """What is said of a bad item or body holds none of its values."""
    batch = results.decode(b'[{"code": "a secret token"}, {"code": 1, "count": "s3cret"}]')
    assert "s3cret" not in str(batch)
    assert "secret token" not in str(batch)
    with pytest.raises(RequestError) as caught:
        mps.decode(b'{"targetId": "s3cret", ')
    assert "s3cret" not in caught.value.detail


@pytest.mark.parametrize("identity", ["[1]", '{"adToken": "s3cret"}', "true", "1.5", "null", '""'])
def test_callback_with_an_impossible_id_has_none(identity: str) -> None:
    """An id that is no text and no integer is not shown as an exemplar."""
    [group] = mps.decode(f'{{"statusCode": 2009, "msgId": {identity}}}'.encode()).groups
    assert (group.ids, group.anonymous) == ([], 1)
