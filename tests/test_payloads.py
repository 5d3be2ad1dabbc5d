"""Bodies become results or rejections, and never another exception than Refusal."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import Refusal
from exporter.payloads import mps, results
from exporter.payloads.decoding import REASONS
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
    except Refusal as refusal:
        if refusal.reason != "malformed_body":
            raise
        return None
    for rejection in batch.rejected:
        assert rejection.reason in REASONS
    for group in batch.groups:
        assert 1 <= len(group.result.code) <= 64
        assert group.items >= 1
        assert group.count >= group.anonymous
    return batch


def test_callback_in_full() -> None:
    """A callback gives code, message, message id and system; tokens are not even read."""
    body = b"""{"extInfo": {"adToken": "t", "osType": "IOS"}, "msgId": "m", "pushSuccess": false,
        "statusCode": "2009", "statusDesc": "BadDeviceToken", "targetId": "x"}"""
    [group] = mps.decode(body).groups
    assert group.result == PushResult("2009", None, "BadDeviceToken", ios=True)
    assert [item.id for item in group.identified] == ["m"]


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
    assert mps.decode(b'{"statusCode": 2, "msgId": 17}').groups[0].identified[0].id == 17
    assert results.decode(b'{"code": 2, "id": 17}').groups[0].identified[0].id == 17


def test_generic_result_in_full() -> None:
    """A generic result gives all its fields."""
    body = b'{"channel": "vivo", "code": 10072, "message": "fast", "id": "m-17", "count": 4}'
    [group] = results.decode(body).groups
    assert group.result == PushResult("10072", "vivo", "fast")
    assert [(item.id, item.count) for item in group.identified] == [("m-17", 4)]


def test_equal_results_are_grouped() -> None:
    """What says the same is one group, whatever its ids; another message is another group."""
    body = b"""[{"code": 2, "channel": "fcm"}, {"code": 2.0, "channel": "fcm", "count": 5},
        {"code": 2, "channel": "fcm", "id": "a"}, {"code": 2, "channel": "fcm", "message": "x"}]"""
    groups = results.decode(body).groups
    assert [(group.anonymous, group.count, group.items) for group in groups] == [
        (2, 6, 3),
        (1, 1, 1),
    ]


@pytest.mark.parametrize("body", [b'{"results": 5}', b'{"results": {}}', b'{"results": null}'])
def test_envelope_without_a_list_is_malformed(body: bytes) -> None:
    """`results` that is no array is an error of the whole body."""
    with pytest.raises(Refusal, match="array"):
        results.decode(body)


def test_details_do_not_repeat_the_body() -> None:
    """What is said of a bad item or body holds none of its values."""
    batch = results.decode(b'[{"code": "a secret token"}, {"code": 1, "count": "s3cret"}]')
    assert "s3cret" not in str(batch)
    assert "secret token" not in str(batch)
    with pytest.raises(Refusal) as caught:
        mps.decode(b'{"targetId": "s3cret", ')
    assert "s3cret" not in caught.value.detail
