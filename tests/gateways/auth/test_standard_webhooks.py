"""Standard Webhooks: signatures, headers, secrets."""

import base64
import datetime as dt
import gzip
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from standardwebhooks import Webhook

from exporter.errors import RequestError
from exporter.gateways.auth.authenticator import Authenticator
from exporter.gateways.auth.standard_webhooks import StandardWebhooks
from exporter.gateways.gateway import ReceivedRequest
from tests.support.authentication import (
    BODY,
    KEY,
    OTHER_KEY,
    any_of,
    bearer,
    configuration_error,
    hmac_signature,
    load_standard_webhooks,
    refusal,
    refused,
    request,
    secret_line,
    webhook_headers,
    with_secrets,
)


@pytest.fixture
def webhooks(tmp_path: Path) -> Authenticator:
    """Know one secret."""
    path = tmp_path / "secrets"
    path.write_text(secret_line(KEY) + "\n")
    return load_standard_webhooks([path])


@pytest.mark.parametrize("body", [BODY, b"", "消息".encode()])
@pytest.mark.parametrize("age", [0, 200, -200])
def test_webhook_is_accepted(webhooks: Authenticator, body: bytes, age: float) -> None:
    """A good signature over id, timestamp and body counts for five minutes, either way."""
    assert refusal(webhooks, headers=webhook_headers(KEY, body, age), body=body) is None


@pytest.mark.parametrize("signed", ["as sent", "content"])
def test_compressed_body_may_be_signed_before_or_after(
    webhooks: Authenticator, signed: str
) -> None:
    """The signature covers the body as sent or its content, and no other."""
    packed = gzip.compress(BODY)
    headers = CIMultiDict(webhook_headers(KEY, packed if signed == "as sent" else BODY))
    assert webhooks.authenticate(ReceivedRequest(packed, headers, content=BODY)).proven
    with pytest.raises(RequestError):
        webhooks.authenticate(ReceivedRequest(packed + b"x", headers, content=BODY + b"x"))


def test_webhook_signature_covers_everything(webhooks: Authenticator) -> None:
    """A changed body, id or timestamp, or another secret, makes the signature bad."""
    good = webhook_headers()
    later = str(int(good["Webhook-Timestamp"]) + 1)
    assert refusal(webhooks, headers=good, body=BODY + b" ") == "bad_signature"
    for changed in (
        good | {"Webhook-Id": "msg_2"},
        good | {"Webhook-Timestamp": later},
        webhook_headers(OTHER_KEY),
    ):
        assert refusal(webhooks, headers=changed) == "bad_signature"


@pytest.mark.parametrize(
    "layout", ["{0}\n{1}\n", "{1}\n{0}", "\n\n {1} \r\n\n\t{0}\n\n", "\ufeff{0}\n# old\n{1}"]
)
def test_any_of_several_secrets(tmp_path: Path, layout: str) -> None:
    """A file has one secret per line, with or without blank lines, and each of them verifies."""
    path = tmp_path / "secrets"
    path.write_text(layout.format(secret_line(KEY), secret_line(OTHER_KEY)), "utf-8")
    scheme = load_standard_webhooks([path])
    assert refusal(scheme, headers=webhook_headers(KEY)) is None
    assert refusal(scheme, headers=webhook_headers(OTHER_KEY)) is None
    assert (
        refusal(scheme, headers=webhook_headers(b"the secret of an unknown key")) == "bad_signature"
    )


def test_secrets_of_several_files(tmp_path: Path) -> None:
    """Secrets of all files count, with the prefix and without."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(secret_line(KEY))
    second.write_text(base64.b64encode(OTHER_KEY).decode())
    scheme = load_standard_webhooks([first, second])
    assert refusal(scheme, headers=webhook_headers(KEY)) is None
    assert refusal(scheme, headers=webhook_headers(OTHER_KEY)) is None


@pytest.mark.parametrize("layout", ["{good} {bad}", "{bad} {good}", "v1a,AAAA {bad} {good} v2,x"])
def test_any_of_several_signatures(webhooks: Authenticator, layout: str) -> None:
    """A sender that rotates its secret sends several signatures, and one that is good suffices."""
    good = webhook_headers()
    bad = webhook_headers(OTHER_KEY)["Webhook-Signature"]
    header = layout.format(good=good["Webhook-Signature"], bad=bad)
    assert refusal(webhooks, headers=good | {"Webhook-Signature": header}) is None
    alone = layout.format(good="", bad=bad).strip()
    assert refusal(webhooks, headers=good | {"Webhook-Signature": alone}) == "bad_signature"


@pytest.mark.parametrize("age", [400, -400, 10**9, -(10**9)])
def test_stale_webhook(tmp_path: Path, age: float) -> None:
    """A timestamp more than five minutes off, either way, is stale, however many secrets."""
    path = tmp_path / "secrets"
    path.write_text(f"{secret_line(OTHER_KEY)}\n{secret_line(KEY)}\n")
    scheme = load_standard_webhooks([path])
    assert refusal(scheme, headers=webhook_headers(age=age)) == "stale_timestamp"


def test_signed_timestamp_has_to_be_a_time(tmp_path: Path) -> None:
    """A genuine request whose timestamp is no Unix time is refused by that name."""
    path = tmp_path / "secrets"
    path.write_text(secret_line(KEY))
    headers = webhook_headers() | {
        "Webhook-Timestamp": "soon",
        "Webhook-Signature": hmac_signature(KEY, "msg_1", "soon", BODY),
    }
    error = refused(load_standard_webhooks([path]), headers=headers)
    assert error
    assert (error.reason, error.detail) == (
        "bad_signature",
        "'webhook-timestamp' is not a Unix time.",
    )


@pytest.mark.parametrize(
    ("changed", "body", "expected"),
    [
        ({}, BODY, True),
        ({"Webhook-Id": "msg_2"}, BODY, False),
        ({"Webhook-Timestamp": "1"}, BODY, False),
        ({"Webhook-Timestamp": "soon"}, BODY, False),
        ({"Webhook-Timestamp": "1e300"}, BODY, False),
        ({"Webhook-Signature": "v1,QUJD"}, BODY, False),
        ({"Webhook-Signature": ""}, BODY, False),
        ({}, BODY + b" ", False),
    ],
)
def test_stale_signature_may_still_be_a_good_one(
    tmp_path: Path, changed: dict[str, str], body: bytes, *, expected: bool
) -> None:
    """Whether a secret made a signature can be asked of one from long ago."""
    path = tmp_path / "secrets"
    path.write_text(f"{secret_line(OTHER_KEY)}\n{secret_line(KEY)}\n")
    captured = request(None, webhook_headers(age=10**7) | changed, body)
    scheme = load_standard_webhooks([path])
    if not expected:
        with pytest.raises(RequestError):
            scheme.authenticate(captured, fresh=False)
    else:
        assert scheme.authenticate(captured, fresh=False).proven


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
@pytest.mark.parametrize("empty", [False, True])
def test_missing_webhook_header(webhooks: Authenticator, name: str, empty: bool) -> None:
    """All three headers are needed; an empty one is missing."""
    headers = webhook_headers()
    del headers[name]
    if empty:
        headers[name] = ""
    assert refusal(webhooks, headers=headers) == "missing_credentials"


MALFORMED = [
    *(
        ("Webhook-Signature", value)
        for value in (
            *("v1", ",", "v1,", "v1,!", "v1,A", "v1,签名", "v1,\udcff", "v1,a,b", " ", "v1 v1"),
            *("v2,AAAA", "v1,AAAA", "x" * 100_000),
        )
    ),
    *(
        ("Webhook-Timestamp", value)
        for value in (
            *("nan", "-nan", "inf", "-inf", "1e400", "1e18", "-1e18", "9" * 5000),
            *("now", " ", "0x10", "12:00", "2026-01-01T00:00:00Z", "签名", "\udcff", "\0"),
        )
    ),
    *(("Webhook-Id", value) for value in ("签名", "\udcff", "\0", "x" * 100_000)),
]


@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_malformed_webhook_header(webhooks: Authenticator, name: str, value: str) -> None:
    """A malformed header is a bad signature, not an internal error."""
    assert refusal(webhooks, headers=webhook_headers() | {name: value}) == "bad_signature"


@pytest.mark.parametrize("body", [b"\xff", b"\xed\xa0\x80", BODY + b"\x80"])
def test_webhook_signature_over_any_bytes(webhooks: Authenticator, body: bytes) -> None:
    """A signature over a binary body is valid."""
    assert refusal(webhooks, headers=webhook_headers(body=body), body=body) is None
    assert refusal(webhooks, headers=webhook_headers(), body=body) == "bad_signature"


@pytest.mark.parametrize("age", [0, 200, 999])
def test_headers_of_svix_are_those_of_the_standard(webhooks: Authenticator, age: float) -> None:
    """The headers of Svix are accepted, but no mixture of both families."""
    headers = webhook_headers(age=age)
    svix = {name.replace("Webhook", "Svix"): value for name, value in headers.items()}
    expected = refusal(webhooks, headers=headers)
    assert refusal(webhooks, headers=svix) == expected
    assert refusal(webhooks, headers=svix | {"Webhook-Id": "another"}) == expected
    del svix["Svix-Id"]
    mixed = svix | {"Webhook-Id": headers["Webhook-Id"]}
    assert refusal(webhooks, headers=mixed) == "missing_credentials"


def test_the_standards_own_library_signs(webhooks: Authenticator) -> None:
    """What the library of Standard Webhooks signs is accepted."""
    now = dt.datetime.now(dt.UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(KEY).sign("msg_1", now, BODY.decode()),
    }
    assert refusal(webhooks, headers=headers) is None


def test_timestamp_in_milliseconds_has_its_own_error(webhooks: Authenticator) -> None:
    """A timestamp that looks like milliseconds is stale, and the sender reads why."""
    timestamp = str(int(time.time() * 1000))
    headers = webhook_headers() | {
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": hmac_signature(KEY, "msg_1", timestamp, BODY),
    }
    error = refused(webhooks, headers=headers)
    assert error
    assert error.reason == "stale_timestamp"
    assert "looks like milliseconds" in error.detail


_HEADER = st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape")) | st.text()
_NOW = st.integers(-1000, 1000).map(lambda age: str(int(time.time()) + age))
_NUMBER = st.floats().map(str) | st.integers().map(str)
_SIGNATURE = st.lists(
    st.tuples(st.sampled_from(["v1,", "v1", "v1a,", ","]), _HEADER).map("".join), max_size=3
).map(" ".join)


_HTTP_SCHEMES = any_of(with_secrets(StandardWebhooks(), KEY), bearer(b"one"))


@settings(max_examples=300, deadline=None)
@given(
    identity=_HEADER,
    timestamp=_HEADER | _NOW | _NUMBER,
    signature=_HEADER | _SIGNATURE,
    authorization=_HEADER | _HEADER.map("Bearer ".__add__),
    body=st.binary(max_size=100),
)
def test_any_header_and_body_is_refused(
    identity: str, timestamp: str, signature: str, authorization: str, body: bytes
) -> None:
    """Any headers and body, as aiohttp decodes them, are refused without an internal error."""
    headers = {
        "webhook-id": identity,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature,
        "authorization": authorization,
    }
    reason = refusal(_HTTP_SCHEMES, headers=headers, body=body)
    assert reason in {"missing_credentials", "bad_signature", "stale_timestamp"}


@pytest.mark.parametrize(
    "line",
    ["whsec_", "whsec_A", "A", "=", "whsec_!!!!", "whsec_not base64 at all!", "whsec_签名签名"],
)
def test_line_that_is_not_a_secret_is_named(tmp_path: Path, line: str) -> None:
    """A line that is not base64 names its file, even between good ones, and is not repeated."""
    path = tmp_path / "secrets"
    path.write_text(f"{secret_line(KEY)}\n{line}\n{secret_line(OTHER_KEY)}\n")
    assert "whsec_ and base64" in configuration_error(load_standard_webhooks, path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("whsec_" + base64.urlsafe_b64encode(b"\xfb\xef" * 16).decode(), "URL-safe"),
        (secret_line(b"23 bytes are too short."), "23 bytes"),
        (secret_line(b"ab"), "2 bytes"),
    ],
)
def test_secret_with_which_no_library_signs(tmp_path: Path, line: str, problem: str) -> None:
    """A secret that libraries decode differently, or that is too short, has its command."""
    path = tmp_path / "the secrets"
    path.write_text(line)
    error = configuration_error(load_standard_webhooks, path)
    assert problem in error
    subprocess.run(["sh", "-c", error.rpartition("secret: ")[2]], check=True)
    assert path.read_text() == line  # it may be in use
    made = path.with_name("the secrets.new")
    assert refusal(load_standard_webhooks([made])) == "missing_credentials"
