"""Signatures as descriptions define them, made by openssl."""

import base64
import gzip
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from exporter.configuration.settings import load_settings
from exporter.errors import RequestError
from exporter.gateways.described.signed_values import MAX_BYTES
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.registry import load_gateways
from tests.support.exporter import KeyPair
from tests.support.senders import hmac, openssl

BODY = b'{"code": 2}'
SECRET = b"a-secret-of-more-than-sixteen"
ADDRESS = "push.example.com/webhooks/acme?x=1"
OTHER = "00" * 32

Headers = Mapping[str, str]
Signed = Callable[[KeyPair], Headers]

SCHEMES: dict[str, tuple[str, Signed]] = {
    "a public key": (
        (
            'scheme = "rsa"\nsecrets = ["key"]\nencoding = "base64"\n'
            'signature = "{header:X-Sign}"\nsigned = "{header:X-Time}.{body}"'
        ),
        lambda keys: {
            "X-Time": "17",
            "X-Sign": base64.b64encode(keys.sign(b"17." + BODY)).decode(),
        },
    ),
    "a signature in two pieces": (
        (
            'scheme = "hmac"\nsecrets = ["secret"]\nencoding = "hex"\nprefix = "v1="\n'
            'signature = "{header:X-First}{header:X-Second}"'
        ),
        lambda _keys: {
            "X-First": f"v1={hmac(SECRET, BODY).hex()[:20]}",
            "X-Second": hmac(SECRET, BODY).hex()[20:],
        },
    ),
    "a repeated part, beside text that is no part": (
        (
            'scheme = "hmac"\nsecrets = ["secret"]\nencoding = "hex"\nheader = "X-Signature"\n'
            'parts = ","\nsignature = "{part:v1}"\nsigned = "{part:t}.{body}"'
        ),
        lambda _keys: {
            "X-Signature": f"t=17, odd, v1={OTHER}, v1={hmac(SECRET, b'17.' + BODY).hex()}"
        },
    ),
    "several signatures, one by the public key": (
        (
            'scheme = "rsa"\nsecrets = ["key"]\nencoding = "base64"\nheader = "X-Signature"\n'
            'parts = ","\nsignature = "{part:v1}"\nsigned = "{body}"'
        ),
        lambda keys: {
            "X-Signature": ",".join(
                f"v1={base64.b64encode(signature).decode()}"
                for signature in (bytes(256), keys.sign(BODY))
            )
        },
    ),
    "the URL with https": (
        (
            'scheme = "hmac"\nsecrets = ["secret"]\nsignature = "{header:X-Sign}"\n'
            'signed = "{url}{body}"'
        ),
        lambda _keys: {"X-Sign": hmac(SECRET, f"https://{ADDRESS}".encode() + BODY).hex()},
    ),
    "the URL with http": (
        (
            'scheme = "hmac"\nsecrets = ["secret"]\nsignature = "{header:X-Sign}"\n'
            'signed = "{url}{body}"'
        ),
        lambda _keys: {"X-Sign": hmac(SECRET, f"http://{ADDRESS}".encode() + BODY).hex()},
    ),
    "a digest of secret and body": (
        (
            'scheme = "digest"\nsecrets = ["secret"]\nencoding = "hex"\n'
            'signature = "{header:X-Sign}"\nsigned = "{secret}{body}"'
        ),
        lambda _keys: {"X-Sign": openssl("dgst", "-sha256", "-binary", given=SECRET + BODY).hex()},
    ),
}


@pytest.mark.parametrize(("auth", "signed"), SCHEMES.values(), ids=SCHEMES)
def test_signature_of_a_description(
    auth: str, signed: Signed, keys: KeyPair, tmp_path: Path
) -> None:
    """A signed request is accepted; another body, or one without a header, is refused."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "key").write_bytes(keys.public.read_bytes())
    file = tmp_path / "acme.toml"
    file.write_text(f'[auth]\n{auth}\n[fields]\ncode = "code"\n')
    gateway = load_gateways(load_settings(gateway_files=[file]))["acme"]
    headers = signed(keys)
    request = partial(ReceivedRequest, address=lambda: ADDRESS)
    assert gateway.authenticate(request(BODY, headers)).proven

    def reason(body: bytes, headers: Headers) -> str:
        with pytest.raises(RequestError) as refused:
            gateway.authenticate(request(body, headers))
        return refused.value.reason

    assert reason(BODY + b" ", headers) == "bad_signature"
    for name in headers:
        without = {other: value for other, value in headers.items() if other != name}
        assert reason(BODY, without) == "missing_credentials"


def test_empty_value_can_be_signed(tmp_path: Path) -> None:
    """A signed value of the body may be empty; if it is absent, credentials are missing."""
    (tmp_path / "secret").write_bytes(SECRET)
    file = tmp_path / "acme.toml"
    file.write_text(
        '[auth]\nscheme = "digest"\nhash = "md5"\nsecrets = ["secret"]\n'
        'signature = "{body:sign}"\nsigned = "{body:cid}.{secret}"\n[fields]\ncode = "code"\n'
    )
    gateway = load_gateways(load_settings(gateway_files=[file]))["acme"]
    sign = openssl("dgst", "-md5", "-r", given=b"." + SECRET).split()[0].decode()
    assert gateway.authenticate(ReceivedRequest(f'{{"cid": "", "sign": "{sign}"}}'.encode())).proven
    for body in (
        f'{{"sign": "{sign}"}}',
        f'{{"cid": null, "sign": "{sign}"}}',
        '{"cid": "", "sign": ""}',
    ):
        with pytest.raises(RequestError) as refused:
            gateway.authenticate(ReceivedRequest(body.encode()))
        assert refused.value.reason == "missing_credentials"


def test_body_with_its_signature_is_bounded(tmp_path: Path) -> None:
    """A body with a signature inside is bounded, compressed or not."""
    (tmp_path / "secret").write_bytes(SECRET)
    file = tmp_path / "acme.toml"
    file.write_text('use = "getui"\n[content]\nencoding = "gzip"\n[auth]\nsecrets = ["secret"]\n')
    gateway = load_gateways(load_settings(gateway_files=[file]))["acme"]
    large = b'{"sign": "00", "x": "' + b"x" * MAX_BYTES + b'"}'
    for body in (large, gzip.compress(large)):
        with pytest.raises(RequestError) as refused:
            gateway.authenticate(ReceivedRequest(body))
        assert refused.value.reason == "too_large"
