"""Bodies become results or rejections, and never another exception than RequestError."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import ItemReason, RequestError
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.items import MAX_REJECTED
from exporter.results import DecodedItems, PushResult
from tests.support.gateways import decoded, unsigned_gateways

GATEWAYS = unsigned_gateways()
LINES = "application/x-ndjson"


def decode(
    gateway: str, body: bytes, channel: str | None = None, content_type: str = ""
) -> DecodedItems:
    """Decode a body as a gateway does."""
    query = {} if channel is None else {"channel": channel}
    request = ReceivedRequest(body, {"Content-Type": content_type}, query)
    return decoded(GATEWAYS[gateway], request)


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
    """Any bytes are decoded, or refused as `malformed_body`, in each format."""
    for gateway, content_type in (("mps", ""), ("results", ""), ("results", LINES)):
        check(gateway, body, content_type)


@given(st.lists(ITEMS | JSON), st.booleans())
def test_any_item_is_a_result_or_a_rejection(items: list[Any], envelope: bool) -> None:
    """No item of an array is lost: each is a result or is rejected under its index."""
    body = json.dumps({"results": items} if envelope else items).encode()
    batch = check("results", body)
    if batch:
        held = sum(group.items for group in batch.groups)
        assert held + len(batch.rejected) == len(items)
        assert all(0 <= item.index < len(items) for item in batch.rejected)


def check(gateway: str, body: bytes, content_type: str = "") -> DecodedItems | None:
    """Decode; check the promises of any body."""
    try:
        batch = decode(gateway, body, content_type=content_type)
    except RequestError as refusal:
        if refusal.reason != "malformed_body":
            raise
        return None
    for rejection in batch.rejected:
        assert rejection.reason in ItemReason
    for group in batch.groups:
        assert 1 <= len(group.result.code) <= 64
        assert group.items >= 1
        assert group.count >= 1
        json.dumps([group.result.message, group.ids]).encode()
    return batch


def test_callback_in_full() -> None:
    """A callback gives code, message, message id and system; tokens are not even read."""
    body = b"""{"extInfo": {"adToken": "t", "osType": "IOS"}, "msgId": "m", "pushSuccess": false,
        "statusCode": "2009", "statusDesc": "BadDeviceToken", "targetId": "x"}"""
    [group] = decode("mps", body).groups
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
    assert decode("mps", body, query).groups[0].result.hint == hint


def test_numbers_where_texts_are_usual() -> None:
    """Ids may be integers in both formats."""
    assert decode("mps", b'{"statusCode": 2, "msgId": 17}').groups[0].ids == [17]
    assert decode("results", b'{"code": 2, "id": 17}').groups[0].ids == [17]


def test_generic_result_in_full() -> None:
    """A generic result gives all its fields."""
    body = b'{"channel": "vivo", "code": 10072, "message": "fast", "id": "m-17", "count": 4}'
    [group] = decode("results", body).groups
    assert group.result == PushResult("10072", "vivo", "fast")
    assert (group.ids, group.count) == (["m-17"], 4)


def test_equal_results_are_grouped() -> None:
    """Identical items are one group, with any ids; another count or message is another group."""
    body = b"""[{"code": 2, "channel": "fcm"}, {"code": 2.0, "channel": "fcm", "count": 5},
        {"code": 2, "channel": "fcm", "id": "a"}, {"code": 2, "channel": "fcm", "message": "x"}]"""
    groups = decode("results", body).groups
    assert [(group.anonymous, group.ids, group.count) for group in groups] == [
        (1, ["a"], 1),
        (1, [], 5),
        (1, [], 1),
    ]


ALIKE = st.fixed_dictionaries(
    {"code": st.sampled_from([2, "2", " ", None, True])},
    optional={"message": st.text(max_size=3), "channel": st.text(max_size=3),
              "count": st.integers(0, 3), "nested": st.just({"a": "},{"})},
)  # fmt: skip


@given(
    st.lists(ALIKE, min_size=1, max_size=3).flatmap(
        lambda pool: st.lists(st.sampled_from(pool), min_size=1, max_size=12)
    ),
    st.sampled_from(["array", "envelope", "lines"]),
)
def test_items_without_ids_are_read_as_those_with_ids(items: list[Any], shape: str) -> None:
    """Items are decoded alike with and without identities, in each shape of a body."""
    with_ids = [{"id": n} | item for n, item in enumerate(items)]
    expected = decode("results", json.dumps(with_ids).encode())
    texts = [json.dumps(item) for item in items]
    array = f"[{', '.join(texts)}]"
    body = {"array": array, "envelope": f'{{"results": {array}}}', "lines": "\n".join(texts)}[shape]
    batch = decode("results", body.encode(), content_type=LINES if shape == "lines" else "")
    assert [(item.index, item.reason) for item in batch.rejected] == [
        (item.index, item.reason) for item in expected.rejected
    ]
    assert {(group.result, group.count): group.items for group in batch.groups} == {
        (group.result, group.count): group.items for group in expected.groups
    }


ODD_TEXTS: dict[str, tuple[bytes, str]] = {
    "half-an-emoji": (rb"\ud83d", "\ufffd"),
    "other-half": (rb"\uDE00!", "\ufffd!"),
    "halves-in-the-wrong-order": (rb"\ude00\ud83d", "\ufffd\ufffd"),
    "half-before-a-whole": (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
    "whole-emoji": (rb"\uD83D\uDE00", "\U0001f600"),
    "written-out-escape": (rb"\\ud83d", r"\ud83d"),
    "nul": (rb"a\u0000b", "a\0b"),
    "cut-in-utf-8": (b"fast \xf0\x9f\x98", "fast \ufffd"),
    "half-in-utf-8": (b"\xed\xa0\xbd.", "\ufffd."),
    "byte-order-mark": (b"\xef\xbb\xbf.", "\ufeff."),
    "right-to-left": ("\u202eabc".encode(), "\u202eabc"),
}


@pytest.mark.parametrize(("raw", "text"), ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_odd_text_costs_no_more_than_itself(raw: bytes, text: str) -> None:
    """Half a character is replaced, in a message, an id and a channel alike; the rest counts."""
    fields = b'"message": "%s", "channel": "%s", "id": "%s"' % (raw, raw, raw)
    body = b'[{"code": 2, %s}, {"code": 2009}]' % fields
    first, second = decode("results", body).groups
    assert (first.result.message, first.result.hint, first.ids) == (text, text, [text])
    assert second.result.code == "2009"
    callback = b'{"statusCode": 2, "statusDesc": "%s", "msgId": "%s"}' % (raw, raw)
    [group] = decode("mps", callback).groups
    assert (group.result.message, group.ids) == (text, [text])


LINE_TYPES = ["x-ndjson", "ndjson", "jsonl", "jsonlines", "x-jsonlines", "json"]


@pytest.mark.parametrize("name", LINE_TYPES)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_lines_under_any_name(name: str, mark: bytes) -> None:
    """Two lines are two results, under any media type, with a byte order mark or without."""
    body = mark + b'{"code": 2}\r\n\n' + mark + b'{"code": 2009}\n'
    batch = decode("results", body, content_type=f"application/{name}; charset=utf-8")
    assert [group.result.code for group in batch.groups] == ["2", "2009"]
    assert not batch.rejected


NO_JSON: dict[str, tuple[bytes, str, str]] = {
    "form": (b"data=%7B%7D", "application/x-www-form-urlencoded", "application/x-www-form-urlenc"),
    "xml": (b"<a/>", "text/xml", "the Content-Type is text/xml"),
    "no-type": (b"<a/>", "s3cret", "not a media type"),
    "gbk": ('{"code": 2, "message": "失败"}'.encode("gbk"), "", "not UTF-8 at byte 26"),
    "gbk-one": ('{"code": 2, "message": "推"}'.encode("gbk"), "", "not UTF-8 at byte 24"),
    "big5": ('{"code": 2, "message": "推播"}'.encode("big5"), "", "not UTF-8 at byte 24"),
    "shift-jis": ('{"code": 2, "message": "端末"}'.encode("shift-jis"), "", "not UTF-8"),
    "latin-1": ('{"code": 2, "message": "téléphone"}'.encode("latin-1"), "", "not UTF-8"),
    "utf-16": ('{"code": 2}'.encode("utf-16"), "", "looks like UTF-16"),
    "utf-16-without-mark": ('{"code": 2}'.encode("utf-16-le"), "", "malformed"),
    "cut-off": (b'{"code":\n2,', "application/json", "malformed_body"),
    "deep": (
        b"[" * 1_000_000,
        "",
        "nested too deeply",
    ),  # Python 3.14 bounds the stack, not the depth
}


@pytest.mark.parametrize(("body", "content_type", "message"), NO_JSON.values(), ids=NO_JSON)
def test_body_that_is_not_json_is_refused_by_its_type(
    body: bytes, content_type: str, message: str
) -> None:
    """The refusal of a body that is not JSON names its content type or encoding."""
    with pytest.raises(RequestError) as caught:
        decode("results", body, content_type=content_type)
    assert message in f"{caught.value.reason}: {caught.value.detail}"
    assert "s3cret" not in caught.value.detail


def test_json_with_the_type_of_a_form_is_accepted() -> None:
    """JSON with the media type of a form is accepted, since `curl --data` always sends that."""
    assert decode("results", b'{"code": 2}', content_type="application/x-www-form-urlencoded")


@pytest.mark.parametrize("code", [12345678901234567890123456789, 2**64, -(2**63) - 1])
def test_large_integers_are_exact(code: int) -> None:
    """A code or an id of more than 64 bits keeps every digit."""
    [group] = decode("results", b'{"code": %d, "id": %d}' % (code, code)).groups
    assert (group.result.code, group.ids) == (str(code), [code])


BAD_FIELDS = [
    ("code", "true", "code_invalid"),
    ("code", "[[1]]", "code_invalid"),
    ("code", "null", "code_missing"),
    ("code", '""', "code_missing"),
    ("channel", "5", "channel_invalid"),
    ("message", "{}", "message_invalid"),
    ("count", "0", "count_invalid"),
    ("count", "1000000001", "count_invalid"),
    ("count", '"2"', "count_invalid"),
    ("count", "true", "count_invalid"),
    ("id", "1.5", "id_invalid"),
    ("id", '"' + "x" * 257 + '"', "id_invalid"),
    ("message", "1e999", "malformed_json"),
]


@pytest.mark.parametrize(("name", "value", "reason"), BAD_FIELDS)
def test_reason_of_a_bad_item_is_found_by_its_value(name: str, value: str, reason: str) -> None:
    """Each invalid field has its reason, and the other items count."""
    others = "" if name == "code" else '"code": 2, '
    bad = f"{{{others}{json.dumps(name)}: {value}}}"
    batch = decode("results", f'[{{"code": 2, "id": 1}}, {bad}, {{"code": 2}}]'.encode())
    assert [(item.index, item.reason) for item in batch.rejected] == [(1, reason)]
    assert sum(group.items for group in batch.groups) == 2


@pytest.mark.parametrize("bad", ["1", '{"code": " "}'])
def test_body_with_too_many_bad_items_is_refused(bad: str) -> None:
    """Ten thousand invalid items can be listed; one more refuses the body."""
    body = ",".join(['{"code": 2}', *[bad] * MAX_REJECTED])
    assert len(decode("results", f"[{body}]".encode()).rejected) == MAX_REJECTED
    with pytest.raises(RequestError, match="10,000 items"):
        decode("results", f"[{body},{bad}]".encode())


@pytest.mark.parametrize("body", [b'{"results": 5}', b'{"results": {}}', b'{"results": null}'])
def test_envelope_without_a_list_is_malformed(body: bytes) -> None:
    """A `results` that is not an array is an error of the whole body."""
    with pytest.raises(RequestError, match="array"):
        decode("results", body)


def test_details_do_not_repeat_the_body() -> None:
    """Details of an invalid item or body hold none of its values."""
    batch = decode("results", b'[{"code": {"a": "s3cret"}}, {"code": 1, "count": "s3cret"}]')
    assert len(batch.rejected) == 2
    assert "s3cret" not in str(batch)
    with pytest.raises(RequestError) as caught:
        decode("mps", b'{"targetId": "s3cret", ')
    assert "s3cret" not in caught.value.detail


@pytest.mark.parametrize("identity", ["[1]", '{"adToken": "s3cret"}', "true", "1.5", "null", '""'])
def test_impossible_id_of_a_callback_is_ignored(identity: str) -> None:
    """An id that is neither text nor an integer is not shown as an exemplar."""
    [group] = decode("mps", f'{{"statusCode": 2009, "msgId": {identity}}}'.encode()).groups
    assert (group.ids, group.anonymous) == ([], 1)


WITHOUT_CODE: list[tuple[str, Any, str]] = [
    (
        "results",
        {"channel": "vivo", "result": 2},
        "expected 'code'; the item has 'channel', 'result'.",
    ),
    ("results", {"code": " "}, "'code' is empty."),
    ("results", {"code": None}, "'code' is null."),
    ("results", {}, "expected 'code'; the item has no such field."),
    ("results", {"f" * 64: 1, "a b": 2, "ok": 3}, "the item has 'ok'."),
    ("results", dict.fromkeys("abcdefghijkl", 1), "'g', 'h' and others."),
    ("results", {"statusCode": "2", "msgId": "m"}, "It looks like an item for /webhooks/mps."),
    ("mps", {"code": 2}, "expected 'statusCode'; the item has 'code'."),
]


@pytest.mark.parametrize(("gateway", "item", "detail"), WITHOUT_CODE)
def test_error_of_an_item_without_code_names_its_fields(
    gateway: str, item: Any, detail: str
) -> None:
    """The detail names the expected field and those received, but no token."""
    for body in (item, [{"code": 2, "statusCode": 2}, item]):
        [rejection] = decode(gateway, json.dumps(body).encode()).rejected
        assert rejection.reason == "code_missing"
        assert rejection.detail.endswith(detail)
        assert "f" * 64 not in rejection.detail
