"""Authentication: every signature is made by openssl, which shares no code with the exporter."""

import base64
import datetime as dt
import hashlib
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from standardwebhooks import Webhook

from exporter.errors import ConfigurationError, RequestError
from exporter.gateways import mps
from exporter.gateways.auth.authenticator import Authenticator, LoadedScheme
from exporter.gateways.auth.files import CredentialFile, credential_files
from exporter.gateways.auth.scheme import Known, Scheme, credential_of
from exporter.gateways.auth.standard_webhooks import StandardWebhooks
from exporter.gateways.auth.tokens import Bearer
from exporter.gateways.gateway import Credential, ReceivedRequest
from tests.support.exporter import KeyPair

BODY = b'{"statusCode": "2"}'


def openssl(*arguments: str | Path, given: bytes = b"") -> bytes:
    """Run the openssl program; return what it prints."""
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


def any_of(*schemes: LoadedScheme, allow_unsigned: bool = False) -> Authenticator:
    """Make an authenticator of schemes."""
    return Authenticator("results", schemes, settings="FILES", allow_unsigned=allow_unsigned)


def _load(scheme: Scheme, files: list[Path]) -> Authenticator:
    known = scheme.load_all("results", list(map(CredentialFile, files)))
    return any_of(LoadedScheme(scheme, known))


def load_rsa_signature(files: list[Path]) -> Authenticator:
    """Know public keys, as MPS signs."""
    return _load(mps.SIGNATURE, files)


def load_standard_webhooks(files: list[Path]) -> Authenticator:
    """Know Standard Webhooks secrets."""
    return _load(StandardWebhooks(), files)


def load_bearer_token(files: list[Path]) -> Authenticator:
    """Know bearer tokens."""
    return _load(Bearer(), files)


def with_secrets(scheme: Scheme, *secrets: bytes, gateway: str = "results") -> LoadedScheme:
    """Give a scheme secrets without a file."""
    return LoadedScheme(
        scheme, [Known(credential_of(gateway, secret), secret) for secret in secrets]
    )


def bearer(*tokens: bytes, gateway: str = "results") -> LoadedScheme:
    """Give bearer tokens."""
    return with_secrets(Bearer(), *tokens, gateway=gateway)


def request(
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = BODY,
) -> ReceivedRequest:
    """Make a request of its parts."""
    return ReceivedRequest(body, CIMultiDict(headers or {}), query)


def refused(
    scheme: Authenticator,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = BODY,
) -> RequestError | None:
    """Call a scheme; return its refusal, or None if it accepts."""
    try:
        scheme.authenticate(request(query, headers, body))
    except RequestError as error:
        return error
    return None


def refusal(
    scheme: Authenticator,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = BODY,
) -> str | None:
    """Call a scheme; return the reason of its refusal, or None if it accepts."""
    error = refused(scheme, query, headers, body)
    return error.reason if error else None


def configuration_error(load: Callable[[list[Path]], object], path: Path) -> str:
    """Load a bad file; return the message, which names the file and repeats none of it."""
    with pytest.raises(ConfigurationError) as refused:
        load([path])
    message = str(refused.value)
    assert str(path) in message
    if path.is_file():
        for line in path.read_bytes().splitlines():
            text = line.strip().decode("latin-1")
            assert len(text) < 8 or text not in message
    return message


# --- RSA ---


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


def test_signature_by_a_stranger(keys: KeyPair, unknown_key: KeyPair, signed: Signed) -> None:
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


# --- key files ---


def _spki(pair: KeyPair) -> bytes:
    return pair.public.read_bytes()


def _pkcs1(pair: KeyPair) -> bytes:
    return openssl("rsa", "-pubin", "-in", pair.public, "-RSAPublicKey_out")


def _bare(pair: KeyPair) -> bytes:
    return base64.b64encode(openssl("pkey", "-pubin", "-in", pair.public, "-outform", "DER"))


def _lines_of(text: bytes, width: int) -> bytes:
    return b"\n".join(text[start : start + width] for start in range(0, len(text), width)) + b"\n"


KEY_FILES: dict[str, Callable[[KeyPair], bytes]] = {
    "pem": _spki,
    "pem-windows": lambda pair: _spki(pair).replace(b"\n", b"\r\n"),
    "pem-with-notes": lambda pair: b"The key of MPS:\n\n" + _spki(pair) + b"\nthat is all\n",
    "pem-pkcs1": _pkcs1,
    "bare-on-one-line": _bare,
    "byte-order-mark": lambda pair: b"\xef\xbb\xbf" + _spki(pair),
    "bare-byte-order-mark": lambda pair: b"\xef\xbb\xbf" + _bare(pair),
    "bare-with-a-newline": lambda pair: _bare(pair) + b"\n",
    "bare-on-lines": lambda pair: _lines_of(_bare(pair), 64),
    "bare-windows": lambda pair: _lines_of(_bare(pair), 76).replace(b"\n", b"\r\n"),
    "bare-indented": lambda pair: b"  " + _lines_of(_bare(pair), 30).replace(b"\n", b"\n  "),
}


@pytest.mark.parametrize("write", KEY_FILES.values(), ids=KEY_FILES)
def test_key_file(
    tmp_path: Path,
    keys: KeyPair,
    unknown_key: KeyPair,
    signed: Signed,
    write: Callable[[KeyPair], bytes],
) -> None:
    """A public key is read as PEM of either kind and as the bare base64 that a console shows."""
    path = tmp_path / "key"
    path.write_bytes(write(keys))
    scheme = load_rsa_signature([path])
    good = base64.b64encode(signed.signature).decode()
    assert refusal(scheme, {"sign": good}, body=signed.body) is None
    sign = base64.b64encode(unknown_key.sign(signed.body)).decode()
    assert refusal(scheme, {"sign": sign}, body=signed.body) == "bad_signature"


@pytest.mark.parametrize("first", [_spki, _pkcs1])
def test_key_file_with_two_keys(
    tmp_path: Path, keys: KeyPair, unknown_key: KeyPair, first: Callable[[KeyPair], bytes]
) -> None:
    """A file may hold several PEM blocks, and each of its keys verifies."""
    path = tmp_path / "keys"
    path.write_bytes(first(unknown_key) + b"\n" + _spki(keys))
    scheme = load_rsa_signature([path])
    for pair in (keys, unknown_key):
        sign = base64.b64encode(pair.sign(BODY)).decode()
        assert refusal(scheme, {"sign": sign}) is None


def _private(pair: KeyPair) -> bytes:
    return pair.private.read_bytes()


def _private_pkcs1(pair: KeyPair) -> bytes:
    return openssl("rsa", "-in", pair.private, "-traditional")


def _private_encrypted(pair: KeyPair) -> bytes:
    return openssl("pkey", "-in", pair.private, "-aes-128-cbc", "-passout", "pass:secret")


def _private_bare(pair: KeyPair) -> bytes:
    return base64.b64encode(openssl("pkey", "-in", pair.private, "-outform", "DER"))


def _ec(_pair: KeyPair) -> bytes:
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    return openssl("pkey", "-pubout", given=openssl("genpkey", *curve))


def _ec_bare(pair: KeyPair) -> bytes:
    return b"".join(_ec(pair).splitlines()[1:-1])


def _certificate(pair: KeyPair) -> bytes:
    return openssl("req", "-x509", "-key", pair.private, "-subj", "/CN=gateway")


BAD_KEY_FILES: dict[str, tuple[Callable[[KeyPair], bytes], str]] = {
    "private": (_private, "private key"),
    "private-pkcs1": (_private_pkcs1, "private key"),
    "private-encrypted": (_private_encrypted, "private key"),
    "private-bare": (_private_bare, "cut off"),
    "public-and-private": (lambda pair: _spki(pair) + _private(pair), "private key"),
    "elliptic": (_ec, "not RSA"),
    "elliptic-bare": (_ec_bare, "not RSA"),
    "rsa-and-elliptic": (lambda pair: _spki(pair) + _ec(pair), "not RSA"),
    "blank": (lambda _: b"\n \n", "it is empty"),
    "text": (lambda _: b"remember the milk, and the key\n", "no public key"),
    "binary": (lambda _: bytes(range(1, 256)) * 4, "no public key"),
    "base64-of-no-key": (lambda _: base64.b64encode(bytes(300)), "no public key"),
    "cut-bare": (lambda pair: _bare(pair)[:200], "cut off"),
    "cut-pem": (lambda pair: _spki(pair)[:200], "cut off"),
    "pem-cut-inside": (lambda p: _lines_without(_spki(p), 3), "cut off"),
    "second-cut-inside": (lambda p: _spki(p) + _lines_without(_spki(p), 3), "cut off"),
    "second-cut": (lambda pair: _spki(pair) + _spki(pair)[:200], "cut off"),
}


def _lines_without(text: bytes, number: int) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join(lines[:number] + lines[number + 1 :])


@pytest.mark.parametrize(("write", "problem"), BAD_KEY_FILES.values(), ids=BAD_KEY_FILES)
def test_bad_key_file(
    tmp_path: Path, keys: KeyPair, write: Callable[[KeyPair], bytes], problem: str
) -> None:
    """What is no RSA public key is refused by name and kind, and never shown."""
    path = tmp_path / "key"
    path.write_bytes(write(keys))
    assert problem in configuration_error(load_rsa_signature, path)


def _der(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def _openssh(pair: KeyPair) -> bytes:
    command = ["ssh-keygen", "-i", "-m", "PKCS8", "-f", str(pair.public)]
    return subprocess.run(command, capture_output=True, check=True).stdout


MENDABLE_KEY_FILES: dict[str, tuple[Callable[[KeyPair], bytes], str]] = {
    "certificate": (_certificate, "this is a certificate"),
    "der": (lambda pair: _der(_spki(pair)), "a binary key"),
    "der-pkcs1": (lambda pair: _der(_pkcs1(pair)), "a binary key"),
    "utf-16": (lambda pair: _spki(pair).decode().encode("utf-16"), "it is UTF-16"),
    "utf-16-big": (lambda pair: _spki(pair).decode().encode("utf-16-be"), "it is UTF-16BE"),
    "openssh": (_openssh, "an OpenSSH key"),
    "written-out": (lambda pair: _spki(pair).replace(b"\n", b"\\n"), "written out as \\n"),
    "private": (_private, "a private key"),
}


@pytest.mark.parametrize(("write", "mistake"), MENDABLE_KEY_FILES.values(), ids=MENDABLE_KEY_FILES)
def test_command_of_a_mistake_makes_a_key_of_the_file(
    tmp_path: Path, keys: KeyPair, write: Callable[[KeyPair], bytes], mistake: str
) -> None:
    """The command in the error, run by a shell, writes the public key that the file holds."""
    path = tmp_path / "the key"
    path.write_bytes(write(keys))
    error = configuration_error(load_rsa_signature, path)
    assert mistake in error
    command = re.search(r"(iconv|openssl|ssh-keygen|printf) .*", error)
    assert command
    subprocess.run(["sh", "-c", command[0]], check=True, capture_output=True)
    [made] = [file for file in tmp_path.iterdir() if file != path]
    sign = base64.b64encode(keys.sign(BODY)).decode()
    assert refusal(load_rsa_signature([made]), {"sign": sign}) is None


@pytest.mark.parametrize(("bits", "found"), [(512, "refused"), (1024, "warning"), (2048, "")])
def test_small_keys(tmp_path: Path, bits: int, found: str) -> None:
    """A key that can be broken is refused, a weak one is warned of."""
    private = openssl("genrsa", str(bits))
    path = tmp_path / "key"
    path.write_bytes(openssl("rsa", "-pubout", given=private))
    if found == "refused":
        assert f"{bits} bits" in configuration_error(load_rsa_signature, path)
    else:
        warnings = load_rsa_signature([path]).warnings
        assert [f"{bits} bits" in one for one in warnings] == [True] * (found == "warning")


PASTED = {
    "pem": "-----BEGIN PUBLIC KEY-----\nMIIB",
    "bare": "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0Z3VS5JJcds3xfn",
    "openssh": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ",
    "secret": "whsec_c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXM=",
    "token": "kT3vQ8hZr1XbN0sWm5LdYp7C",
}


@pytest.mark.parametrize("content", PASTED.values(), ids=PASTED)
def test_key_in_place_of_a_file_name(content: str) -> None:
    """A key or secret where a file's name belongs is an error that does not repeat it."""
    with pytest.raises(ConfigurationError) as caught:
        credential_files([content])
    assert "write it to a file" in str(caught.value)
    assert content[:10] not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["mps.pem", "/run/secrets/results-token", "keys/2024/MPS_production_key_new", "token"]
)
def test_file_that_is_missing_is_named(name: str) -> None:
    """The name of a file that is not there is no key."""
    assert credential_files([name]) == [CredentialFile(Path(name))]


@pytest.mark.parametrize("load", ["secrets", "tokens"])
@pytest.mark.parametrize("write", [_spki, _private, _certificate])
def test_key_file_is_no_secret(
    tmp_path: Path, keys: KeyPair, load: str, write: Callable[[KeyPair], bytes]
) -> None:
    """A PEM file as tokens or secrets is refused: everybody knows its first line."""
    path = tmp_path / "key.pem"
    path.write_bytes(write(keys))
    assert "openssl rand" in configuration_error(LOADERS[load], path)


def test_short_token_is_warned_of(tmp_path: Path) -> None:
    """A token that can be guessed is accepted with a warning."""
    path = tmp_path / "tokens"
    path.write_text("abc\na-token-of-more-than-sixteen-characters\n")
    [warning] = load_bearer_token([path]).warnings
    assert "can be guessed" in warning
    assert str(path) in warning


LOADERS: dict[str, Callable[[list[Path]], Authenticator]] = {
    "rsa": load_rsa_signature,
    "secrets": load_standard_webhooks,
    "tokens": load_bearer_token,
}


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_file_that_cannot_be_read(
    tmp_path: Path, load: Callable[[list[Path]], Authenticator]
) -> None:
    """A file that is missing, or a folder, is named with what the system says."""
    assert "No such file" in configuration_error(load, tmp_path / "missing")
    assert "Is a directory" in configuration_error(load, tmp_path)


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_second_file_that_is_bad_is_named(
    tmp_path: Path, keys: KeyPair, load: Callable[[list[Path]], Authenticator]
) -> None:
    """Of several files the bad one is named, even after good ones."""
    good = tmp_path / "good"
    good.write_bytes(_bare(keys))  # a key, and in form a secret and a token too
    bad = tmp_path / "bad"
    bad.write_bytes(b"")
    load([good])
    assert str(good) not in configuration_error(lambda paths: load([good, *paths]), bad)


# --- Standard Webhooks ---

KEY = b"a secret of thirty-two bytes ...."
OTHER_KEY = bytes(range(200, 232))


def secret_line(key: bytes) -> str:
    """Write a secret as the standard does."""
    return "whsec_" + base64.b64encode(key).decode()


def hmac_signature(key: bytes, identity: str, timestamp: str, body: bytes) -> str:
    """Sign with the openssl program."""
    signed = f"{identity}.{timestamp}.".encode() + body
    options = ["-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary"]
    return "v1," + base64.b64encode(openssl("dgst", *options, given=signed)).decode()


def webhook_headers(key: bytes = KEY, body: bytes = BODY, age: float = 0) -> dict[str, str]:
    """Make the headers of a call that was signed so many seconds ago."""
    timestamp = str(int(time.time() - age))
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": hmac_signature(key, "msg_1", timestamp, body),
    }


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
    """Secrets stand one a line, blank lines between them or not, and each of them counts."""
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
    """A header that is not what the standard says is a bad signature, not a fault of ours."""
    assert refusal(webhooks, headers=webhook_headers() | {name: value}) == "bad_signature"


@pytest.mark.parametrize("body", [b"\xff", b"\xed\xa0\x80", BODY + b"\x80"])
def test_webhook_signature_over_any_bytes(webhooks: Authenticator, body: bytes) -> None:
    """Whether a signed body is text is for whoever decodes it."""
    assert refusal(webhooks, headers=webhook_headers(body=body), body=body) is None
    assert refusal(webhooks, headers=webhook_headers(), body=body) == "bad_signature"


@pytest.mark.parametrize("age", [0, 200, 999])
def test_headers_of_svix_are_those_of_the_standard(webhooks: Authenticator, age: float) -> None:
    """`svix-id`, `svix-timestamp` and `svix-signature` are taken, but not half of each family."""
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


def test_timestamp_in_milliseconds_is_said_to_be_one(webhooks: Authenticator) -> None:
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
def test_no_header_or_body_breaks_a_scheme(
    identity: str, timestamp: str, signature: str, authorization: str, body: bytes
) -> None:
    """Whatever the headers and the body hold, as aiohttp decodes them, the outcome is a refusal."""
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
def test_line_that_is_no_secret(tmp_path: Path, line: str) -> None:
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
    assert refusal(load_standard_webhooks([path])) == "missing_credentials"


LINE_LOADERS = {name: load for name, load in LOADERS.items() if name != "rsa"}


@pytest.mark.parametrize("load", LINE_LOADERS.values(), ids=LINE_LOADERS)
@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "empty"), (b"\n", "empty"), (b" \t\r\n\n", "empty"), (b"\xff\xfe\0\x80", "not text")],
)
def test_file_without_a_line(
    tmp_path: Path,
    load: Callable[[list[Path]], Authenticator],
    content: bytes,
    problem: str,
) -> None:
    """A file that is blank or not text would let nobody in, and is refused."""
    path = tmp_path / "file"
    path.write_bytes(content)
    assert problem in configuration_error(load, path)


# --- bearer tokens ---


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ("Bearer one", None),
        ("bearer one", None),
        ("BEARER two", None),
        ("Bearer  three ", None),
        ("Bearer 密码", None),
        ("Bearer on", "bad_signature"),
        ("Bearer onee", "bad_signature"),
        ("Bearer One", "bad_signature"),
        ("Bearer one two", "bad_signature"),
        ("Bearer 密", "bad_signature"),
        ("Bearer \udcff\udc80", "bad_signature"),
        ("Bearer ", "missing_credentials"),
        ("Bearer", "missing_credentials"),
        ("", "missing_credentials"),
        ("one", "missing_credentials"),
        ("Basic one", "missing_credentials"),
        ("Bearer:one", "missing_credentials"),
        ("Bearer\tone", "missing_credentials"),
        ("Bearer # a comment", "bad_signature"),
        ("密码", "missing_credentials"),
    ],
)
def test_bearer_token(tmp_path: Path, authorization: str, reason: str | None) -> None:
    """Any whole token of any file counts, whatever the case of `Bearer`, and nothing else does."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("\ufeffone\n# a comment\n  two  \r\n", "utf-8")
    second.write_text("three\n密码", "utf-8")
    scheme = load_bearer_token([first, second])
    assert refusal(scheme, headers={"Authorization": authorization}) == reason


def test_no_authorization_header() -> None:
    """A call without the header has no credentials."""
    assert refusal(any_of(bearer(b"one"))) == "missing_credentials"


def test_token_is_not_read_from_the_query() -> None:
    """A token in the URL would be in every log, and is not looked for."""
    scheme = any_of(bearer(b"one"))
    query = {"authorization": "Bearer one", "access_token": "one"}
    assert refusal(scheme, query) == "missing_credentials"


# --- several schemes ---


class Call(NamedTuple):
    """Headers, and the reason for which both schemes together refuse them."""

    headers: Callable[[], dict[str, str]]
    reason: str | None


GOOD_TOKEN = {"Authorization": "Bearer one"}
BAD_TOKEN = {"Authorization": "Bearer two"}
CALLS = {
    "nothing": Call(dict, "missing_credentials"),
    "good-token": Call(lambda: GOOD_TOKEN, None),
    "bad-token": Call(lambda: BAD_TOKEN, "bad_signature"),
    "good-webhook": Call(webhook_headers, None),
    "bad-webhook": Call(lambda: webhook_headers(OTHER_KEY), "bad_signature"),
    "stale-webhook": Call(lambda: webhook_headers(age=999), "stale_timestamp"),
    "good-token-and-bad-webhook": Call(lambda: webhook_headers(OTHER_KEY) | GOOD_TOKEN, None),
    "bad-token-and-good-webhook": Call(lambda: webhook_headers() | BAD_TOKEN, None),
    "both-bad": Call(lambda: webhook_headers(OTHER_KEY) | BAD_TOKEN, "bad_signature"),
}


def _http_schemes() -> list[LoadedScheme]:
    return [with_secrets(StandardWebhooks(), KEY), bearer(b"one")]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("headers", "reason"), CALLS.values(), ids=CALLS)
def test_any_of_several_schemes(
    order: int, headers: Callable[[], dict[str, str]], reason: str | None
) -> None:
    """One scheme that accepts is enough; else the reason is that of the scheme that was tried."""
    scheme = any_of(*_http_schemes()[::order])
    assert refusal(scheme, headers=headers()) == reason


def test_reason_does_not_depend_on_the_order() -> None:
    """A call that is wrong in two ways gets the same answer however the schemes are ordered."""
    schemes = _http_schemes()
    headers = webhook_headers(age=999) | BAD_TOKEN
    reasons = [refusal(any_of(*schemes[::order]), headers=headers) for order in (1, -1)]
    assert reasons[0] == reasons[1]


def test_no_scheme_lets_nobody_in() -> None:
    """Without any credentials configured, every call lacks them."""
    assert refusal(any_of(), headers=GOOD_TOKEN) == "missing_credentials"


UNEXPECTED: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "basic": ({"Authorization": "Basic aHVudGVyMg=="}, {}, "'Authorization: Basic'"),
    "token-in-query": ({}, {"access_token": "hunter2"}, "query parameter 'access_token'"),
    "tab": ({"Authorization": "Bearer\thunter2"}, {}, "a tab in place of a space"),
    "bare-token": ({"Authorization": "hunter2"}, {}, "without the name of a scheme"),
    "no-space": ({"Authorization": "Bearer=hunter2"}, {}, "not followed by a space"),
    "no-token": ({"Authorization": "Bearer "}, {}, "nothing after it"),
    "half-of-svix": ({"svix-id": "a", "svix-signature": "b"}, {}, "'svix-id', 'svix-signature'"),
    "nothing": ({}, {"x": "hunter2"}, "the request has none"),
    "empty-parameter": ({}, {"sign": ""}, "the request has none"),
}


@pytest.mark.parametrize(("headers", "query", "found"), UNEXPECTED.values(), ids=UNEXPECTED)
def test_refusal_describes_what_was_expected_and_what_came(
    headers: dict[str, str], query: dict[str, str], found: str
) -> None:
    """Credentials of another kind are named, with those that would do, and never repeated."""
    error = refused(any_of(*_http_schemes()), query, headers)
    assert error
    assert error.reason == "missing_credentials"
    assert "'webhook-signature', or 'Authorization: Bearer'" in error.detail
    assert found in error.detail
    assert "unter2" not in error.detail
    assert "Bearer" in error.headers["WWW-Authenticate"]


def credential(scheme: LoadedScheme, headers: dict[str, str]) -> Credential:
    """Authenticate; return the credential."""
    return any_of(scheme).authenticate(request(None, headers))


def test_credentials_have_scopes_that_last() -> None:
    """A scope is the same whenever the files are read, and another for each credential."""
    one, two = {"Authorization": "Bearer one"}, {"Authorization": "Bearer two"}
    before, after = bearer(b"one", b"two"), bearer(b"two", b"one")
    assert credential(before, one) == credential(after, one) != credential(before, two)
    assert credential(before, two) == credential(after, two)
    assert credential(bearer(b"one", gateway="another"), one) != credential(before, one)
    assert all(0 <= credential(before, headers).scope < 2**64 for headers in (one, two))
    # Known from the outside, so that an update does not make every retry a new result.
    digest = hashlib.sha256(b"push-result-exporter\0results\0one").digest()
    assert credential(before, one) == Credential(int.from_bytes(digest[:8], "big"))


def test_unsigned_requests_are_not_proven() -> None:
    """ALLOW_UNSIGNED lets in without any proof, and only where nothing is configured."""
    assert not any_of(allow_unsigned=True).authenticate(request()).proven
    assert refusal(any_of(bearer(b"one"), allow_unsigned=True)) == "missing_credentials"


def test_refusals_repeat_no_credentials(keys: KeyPair) -> None:
    """The detail that a sender reads back holds neither its own secrets nor ours."""
    authenticators = [*map(any_of, _http_schemes()), load_rsa_signature([keys.public])]
    secrets = ["hunter2hunter2", "c2lnbmF0dXJl", secret_line(KEY), "msg_secret"]
    headers = {
        "Authorization": "Bearer hunter2hunter2",
        "Webhook-Id": "msg_secret",
        "Webhook-Timestamp": str(int(time.time())),
        "Webhook-Signature": "v1,c2lnbmF0dXJl",
    }
    for one in authenticators:
        with pytest.raises(RequestError) as refused:
            one.authenticate(request({"sign": "c2lnbmF0dXJl"}, headers, b"hunter2hunter2"))
        assert not any(secret in refused.value.detail for secret in secrets)
