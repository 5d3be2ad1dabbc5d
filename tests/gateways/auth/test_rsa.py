"""RSA signatures in the URL, as MPS signs."""

import base64
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.authentication import (
    BODY,
    load_rsa_signature,
    openssl,
    refusal,
)
from tests.support.exporter import KeyPair


class Signed(NamedTuple):
    """A body and its signature."""

    body: bytes
    signature: bytes


@pytest.fixture(scope="session")
def signed(keys: KeyPair) -> Signed:
    """Sign a body such that the signature needs every special letter of base64."""
    for number in range(1000):
        body = b'{"statusCode": "2", "msgId": "%d"}' % number
        signature = keys.sign(body)
        if {"+", "/", "="} <= set(base64.b64encode(signature).decode()):
            return Signed(body, signature)
    pytest.fail("no signature of a thousand has both `+` and `/`")


ENCODINGS: dict[str, Callable[[str], str]] = {
    "standard": lambda text: text,
    "of-mps": lambda text: text.replace("+", "-").replace("/", "_"),
    "mixed": lambda text: text.replace("/", "_"),
    "standard-unpadded": lambda text: text.rstrip("="),
    "of-mps-unpadded": lambda text: text.replace("+", "-").replace("/", "_").rstrip("="),
    "half-padded": lambda text: text.removesuffix("="),
    "plus-as-space": lambda text: text.replace("+", " "),
    "plus-as-space-unpadded": lambda text: text.replace("+", " ").rstrip("="),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_signature_in_any_spelling(
    keys: KeyPair, signed: Signed, encode: Callable[[str], str]
) -> None:
    """`sign` may come in either alphabet, padded or not, and with its `+` turned into a space."""
    scheme = load_rsa_signature([keys.public])
    sign = encode(base64.b64encode(signed.signature).decode())
    assert refusal(scheme, {"sign": sign}, body=signed.body) is None
    assert refusal(scheme, {"sign": sign}, body=signed.body + b" ") == "bad_signature"


@pytest.mark.parametrize("body", [b"", b"\0\xff\xfe", b"x" * 100_000], ids=["none", "raw", "long"])
def test_signature_is_over_the_raw_body(keys: KeyPair, body: bytes) -> None:
    """Any bytes can be signed; whether they are JSON is not asked here."""
    scheme = load_rsa_signature([keys.public])
    sign = base64.urlsafe_b64encode(keys.sign(body)).decode()
    assert refusal(scheme, {"sign": sign}, body=body) is None


@pytest.mark.parametrize("order", [1, -1])
def test_any_of_several_keys_verifies(
    keys: KeyPair, unknown_key: KeyPair, signed: Signed, order: int
) -> None:
    """During a rotation the old and the new key both count, in whatever order they are given."""
    scheme = load_rsa_signature([keys.public, unknown_key.public][::order])
    for pair in (keys, unknown_key):
        sign = base64.b64encode(pair.sign(signed.body)).decode()
        assert refusal(scheme, {"sign": sign}, body=signed.body) is None


def test_signature_by_an_unknown_key(keys: KeyPair, unknown_key: KeyPair, signed: Signed) -> None:
    """A signature by a key that is not configured is refused."""
    sign = base64.b64encode(unknown_key.sign(signed.body)).decode()
    scheme = load_rsa_signature([keys.public])
    assert refusal(scheme, {"sign": sign}, body=signed.body) == "bad_signature"


@pytest.mark.parametrize("digest", ["-sha1", "-sha512"])
def test_signature_with_another_digest(keys: KeyPair, digest: str) -> None:
    """SHA-256 alone is accepted, however good the key."""
    signature = openssl("dgst", digest, "-sign", keys.private, given=BODY)
    sign = base64.b64encode(signature).decode()
    assert refusal(load_rsa_signature([keys.public]), {"sign": sign}) == "bad_signature"


def test_signature_with_another_padding(keys: KeyPair) -> None:
    """PKCS#1 v1.5 alone is accepted, not PSS."""
    pss = ["-sigopt", "rsa_padding_mode:pss"]
    signature = openssl("dgst", "-sha256", *pss, "-sign", keys.private, given=BODY)
    sign = base64.b64encode(signature).decode()
    assert refusal(load_rsa_signature([keys.public]), {"sign": sign}) == "bad_signature"


DAMAGES: dict[str, tuple[Callable[[str], str], str]] = {
    "empty": (lambda _: "", "missing_credentials"),
    "padding-only": (lambda _: "====", "bad_signature"),
    "space": (lambda _: " ", "bad_signature"),
    "cut-by-a-byte": (lambda text: text[:-4], "bad_signature"),
    "cut-to-half": (lambda text: text[: len(text) // 2], "bad_signature"),
    "cut-inside-a-byte": (lambda text: text.rstrip("=")[:-1], "bad_signature"),
    "cut-to-an-impossible-length": (lambda text: text[: len(text) // 4 * 4 - 3], "bad_signature"),
    "twice": (lambda text: text.rstrip("=") + text, "bad_signature"),
    "reversed": (lambda text: text.rstrip("=")[::-1], "bad_signature"),
    "garbage": (lambda _: "not base64 at all!", "bad_signature"),
    "newline-inside": (lambda text: text[:10] + "\n" + text[10:], "bad_signature"),
    "non-ascii": (lambda text: "签名" + text, "bad_signature"),
    "other-digits": (lambda text: "\uff11" + text[1:], "bad_signature"),
    "nul": (lambda text: text + "\0", "bad_signature"),
    "surrogate": (lambda text: text + "\udcff", "bad_signature"),
    "huge": (lambda _: "A" * 1_000_000, "bad_signature"),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_signature(
    keys: KeyPair, signed: Signed, damage: Callable[[str], str], reason: str
) -> None:
    """Whatever else stands in `sign` is refused with a reason."""
    sign = damage(base64.b64encode(signed.signature).decode())
    scheme = load_rsa_signature([keys.public])
    assert refusal(scheme, {"sign": sign}, body=signed.body) == reason


def test_signature_is_read_from_the_query_alone(keys: KeyPair, signed: Signed) -> None:
    """A call without `sign` has no credentials, whatever its headers say."""
    scheme = load_rsa_signature([keys.public])
    headers = {"sign": base64.b64encode(signed.signature).decode()}
    assert refusal(scheme, {}, headers, signed.body) == "missing_credentials"


@settings(max_examples=200, deadline=None)
@given(sign=st.text() | st.binary(max_size=300).map(lambda raw: base64.b64encode(raw).decode()))
def test_any_other_sign_is_refused(keys: KeyPair, sign: str) -> None:
    """No text at all makes the check fail in another way than by a refusal."""
    reason = refusal(load_rsa_signature([keys.public]), {"sign": sign})
    assert reason == ("bad_signature" if sign else "missing_credentials")
