"""Tokens, target ids and credentials leave no trace in what is kept, whatever is sent."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.redaction import LONG_WORD, redact, redact_path, redact_text

SECRET_NAMES = [
    *("targetId", "target_id", "adToken", "token", "deviceToken", "device_tokens", "regId"),
    *(
        "registrationId",
        "registration_ids",
        "pushToken",
        "TOKEN",
        "userId",
        "secret",
        "sign",
        "x.token",
        "apiKey",
    ),
]
HARMLESS_NAMES = ["statusCode", "code", "channel", "id", "msgId", "statusDesc", "design", "status"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text("abcdef0123456789-", min_size=28, max_size=40)
)
names = st.sampled_from(SECRET_NAMES + HARMLESS_NAMES) | st.text(max_size=40)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=20
)


def everything(value: Any) -> Iterator[Any]:
    """Yield every scalar and every name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from everything(inner)
    elif isinstance(value, list):
        for item in value:
            yield from everything(item)
    else:
        yield value


def beneath_secrets(value: Any) -> Iterator[Any]:
    """Yield every scalar and every name under a secret name, at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from everything(inner) if name in SECRET_NAMES else beneath_secrets(inner)
    elif isinstance(value, list):
        for item in value:
            yield from beneath_secrets(item)


@given(values)
def test_no_secret_survives_in_json(value: Any) -> None:
    """In any JSON, values under secret names and long words are redacted."""
    redacted = redact(json.dumps(value))
    left = {text for text in beneath_secrets(json.loads(redacted)) if not isinstance(text, bool)}
    marks = {text for text in left if isinstance(text, str) and text.startswith("…")}
    assert left - marks <= {None, "", 0}
    assert all(mark[1:].isdigit() or mark == "…" for mark in marks)  # names that were alike
    assert LONG_WORD.search(redacted) is None


@given(values)
def test_json_keeps_its_shape(value: Any) -> None:
    """Redacted JSON has the same types, so that it is rejected for the same reason."""

    def shape(part: Any) -> Any:
        if isinstance(part, dict):
            return [shape(inner) for inner in part.values()]
        if isinstance(part, list):
            return [shape(item) for item in part]
        return "number" if type(part) in (int, float) else type(part).__name__

    assert shape(json.loads(redact(json.dumps(value)))) == shape(value)


@given(st.text() | st.text("{}[]\"':=,\\ \ntokenabc0189-", max_size=200))
def test_no_text_is_too_odd(text: str) -> None:
    """Any text is redacted without an error, and once is enough for its long words."""
    for redacted in (redact(text), redact_text(text)):
        assert LONG_WORD.search(redacted) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"statusCode": "2", "msgId": "m1"}', '{"statusCode":"2","msgId":"m1"}'),
        ('{"targetId": "abc", "code": 2.0}', '{"targetId":"…","code":2.0}'),
        ('{"a": [{"deviceTokens": ["x", 7, {"k": true}]}]}',
         '{"a":[{"deviceTokens":["…",0,{"…":true}]}]}'),
        ('{"extInfo": "{\\"adToken\\": \\"x\\"}"}', '{"extInfo":"{\\"adToken\\":\\"…\\"}"}'),
        ('{"x": "{\\"targetIds\\": [\\"x\\", \\"y\\"], \\"code\\": 2}"}',
         '{"x":"{\\"targetIds\\":[\\"…\\",\\"…\\"],\\"code\\":2}"}'),
        ('{"x": "{\\"token\\": {\\"a\\": \\"x\\", \\"b\\": \\"y\\"}, "}',
         '{"x":"{\\"token\\": …, "}'),
        ('{"targetIds":["x","y"],"code":1,}', '{"targetIds":…,"code":1,}'),
        ('{"token":{"a":["x"],"b":"y"},"code":NaN}', '{"token":…,"code":NaN}'),
        ('{"tokens": ["abcdefgh1", "y', '{"tokens": …'),
        ("tokens=[abcdefgh1, y] of abcdefgh1", "tokens=… of …"),
        ("x-target=a, foo-sign: b, design=d", "x-target=…, foo-sign: …, design=d"),
        ('{"x-target": "a", "design": "d"}', '{"x-target":"…","design":"d"}'),
        ("<code>2</code><token>x</token>", "<code>2</code><token>…</token>"),
        ('name="token"\r\n\r\nx\r\n--', 'name="token"\r\n\r\n…\r\n--'),
        ('{"targetId": "abcdefgh1", "statusDesc": "no abcdefgh1"}',
         '{"targetId":"…","statusDesc":"no …"}'),
        ('{"statusDesc": "no abcdefgh1", "targetId": "abcdefgh1"}',
         '{"statusDesc":"no …","targetId":"…"}'),
        ('{"targetId": 12345678, "x": 12345678}', '{"targetId":0,"x":0}'),
        ('{"code": 1e400, "big": 12345678901234567890}', '{"code":1e400,"big":0}'),
        ('{"targetId": ""}', '{"targetId":""}'),
        ('{"a": "\\ud800"}', '{"a":"?"}'),
        ('{"code": NaN, "token": "x"}', '{"code": NaN, "token": "…"}'),
        ('{"targetId": "abc", "statusCode": ', '{"targetId": "…", "statusCode": '),
        ('{"targetId": "abc', '{"targetId": "…'),
        ('{"targetId":\n  "abc",', '{"targetId":\n  "…",'),
        ("{'targetId': 'abc', 'code': 2}", "{'targetId': '…', 'code': 2}"),
        ("targetId=abc&statusCode=2&token=xyz", "targetId=…&statusCode=2&token=…"),
        ("token: abcdefgh1, then abcdefgh1", "token: …, then …"),
        ('{"code": 2, "x": 1}\n{"token": "abc"}\nno token=abc\n',
         '{"code":2,"x":1}\n{"token":"…"}\nno token=…\n'),
        ("Message push is too fast", "Message push is too fast"),
        ("no application/x-www-form-urlencoded", "no application/x-www-form-urlencoded"),
        ("application/x-www-form-urlencoded+abcdefghij", "…"),
        ("abcdefghij/application/x-www-form-urlencoded", "…"),
        ("design=2", "design=2"),
        ("data=%7B%22targets%22%3A+%22a%2Fb%22%2C%22code%22%3A5%7D",
         "data=%7B%22targets%22%3A%22…%22%2C%22code%22%3A5%7D"),
        ("id=" + "abcdefgh%2F" * 4 + "&token=a%2B&note=50%25", "id=…&token=…&note=50%25"),
        ("50%25 of all", "50%25 of all"),
        ("Authorization: Bearer abcdefgh1", "Authorization: Bearer …"),
        ('{"phoneNumber": "1", "emailAddress": "a@b.cn", "deviceTokenList": ["x"], "no": 5}',
         '{"phoneNumber":"…","emailAddress":"…","deviceTokenList":["…"],"no":5}'),
    ],
)  # fmt: skip
def test_redacted(text: str, expected: str) -> None:
    """Secrets are known by their names, by their length, and where they are repeated."""
    assert redact(text) == expected


def test_names_with_equal_redactions_stay_apart() -> None:
    """An object with tokens as keys keeps all its values."""
    text = json.dumps({"a" * 40: 1, "b" * 40: 2, "c" * 40: {"code": 3}})
    assert list(json.loads(redact(text)).values()) == [1, 2, {"code": 3}]


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"token":['])
def test_json_that_nests_too_deep_is_redacted_as_text(opening: str) -> None:
    """Tokens are redacted in JSON of any depth."""
    redacted = redact(opening * 100_000 + '{"token":"abc"}' + "x" * 40)
    assert "abc" not in redacted
    assert LONG_WORD.search(redacted) is None


@pytest.mark.parametrize(
    "text",
    [
        "a-" * 500_000,
        "userid-" * 4 * 30_000,
        "token " * 150_000,
        "token:" + "\\" * 900_000,
        "token" + " " * 10**6 + "x",
        'token:"' * 130_000,
        "{}\n" * 300_000,
        "a=" + "%41" * 300_000 + " x",
        "a=" + "%25" * 300_000,
        '{"a":1,"b":\n' * 80_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_hostile_megabyte_is_redacted(text: str) -> None:
    """No pattern backtracks without bound: on a mebibyte that would take hours."""
    redact(text)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/webhook/mps", "/webhook/mps"),
        ("/", "/"),
        ("", ""),
        ("/api/v1/push.callback", "/api/v1/push.callback"),
        ("/webhooks/mps/notification-callbacks", "/webhooks/mps/notification-callbacks"),
        ("/webhooks/3f29ab71c0", "/webhooks/…"),
        ("/webhooks/xoxb-2345-6789", "/webhooks/…"),
        ("/hooks/AbCdEfGhIjKlMnOpQrStUvWxYz", "/hooks/…"),
        ("/hook/Zm9vYmFyYmF6cXV4cXV1eA==", "/hook/…"),
        ("/hooks/密/x", "/hooks/…/x"),
        ("/hooks/a\nb\x1b[31m", "/hooks/…"),
        ("/hooks/a b", "/hooks/…"),
        ("/a/b/c/d/e/f", "/a/b/c/d/e/f"),
        ("/a/b/c/d/e/f/g/h", "/a/b/c/d/e/…"),
        ("/token=abc", "/…"),
    ],
)
def test_path_is_shown_without_tokens(path: str, shown: str) -> None:
    """Words of a path are shown; tokens, control characters and long paths are not."""
    assert redact_path(path) == shown
