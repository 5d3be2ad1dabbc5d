"""Files of RSA public keys: formats and mistakes."""

import base64
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.authentication import (
    BODY,
    bare,
    certificate,
    configuration_error,
    load_rsa_signature,
    openssl,
    pkcs1,
    private,
    refusal,
    spki,
)
from tests.support.exporter import KeyPair


def _lines_of(text: bytes, width: int) -> bytes:
    return b"\n".join(text[start : start + width] for start in range(0, len(text), width)) + b"\n"


KEY_FILES: dict[str, Callable[[KeyPair], bytes]] = {
    "pem": spki,
    "pem-windows": lambda pair: spki(pair).replace(b"\n", b"\r\n"),
    "pem-with-notes": lambda pair: b"The key of MPS:\n\n" + spki(pair) + b"\nthat is all\n",
    "pem-pkcs1": pkcs1,
    "bare-on-one-line": bare,
    "byte-order-mark": lambda pair: b"\xef\xbb\xbf" + spki(pair),
    "bare-byte-order-mark": lambda pair: b"\xef\xbb\xbf" + bare(pair),
    "bare-with-a-newline": lambda pair: bare(pair) + b"\n",
    "bare-on-lines": lambda pair: _lines_of(bare(pair), 64),
    "bare-windows": lambda pair: _lines_of(bare(pair), 76).replace(b"\n", b"\r\n"),
    "bare-indented": lambda pair: b"  " + _lines_of(bare(pair), 30).replace(b"\n", b"\n  "),
}


@pytest.mark.parametrize("write", KEY_FILES.values(), ids=KEY_FILES)
def test_key_file(
    tmp_path: Path,
    keys: KeyPair,
    unknown_key: KeyPair,
    write: Callable[[KeyPair], bytes],
) -> None:
    """A public key is read as PEM of either kind and as the bare base64 that a console shows."""
    path = tmp_path / "key"
    path.write_bytes(write(keys))
    scheme = load_rsa_signature([path])
    good = base64.b64encode(keys.sign(BODY)).decode()
    assert refusal(scheme, {"sign": good}) is None
    sign = base64.b64encode(unknown_key.sign(BODY)).decode()
    assert refusal(scheme, {"sign": sign}) == "bad_signature"


@pytest.mark.parametrize("first", [spki, pkcs1])
def test_key_file_with_two_keys(
    tmp_path: Path, keys: KeyPair, unknown_key: KeyPair, first: Callable[[KeyPair], bytes]
) -> None:
    """A file may hold several PEM blocks, and each of its keys verifies."""
    path = tmp_path / "keys"
    path.write_bytes(first(unknown_key) + b"\n" + spki(keys))
    scheme = load_rsa_signature([path])
    for pair in (keys, unknown_key):
        sign = base64.b64encode(pair.sign(BODY)).decode()
        assert refusal(scheme, {"sign": sign}) is None


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


BAD_KEY_FILES: dict[str, tuple[Callable[[KeyPair], bytes], str]] = {
    "private": (private, "private key"),
    "private-pkcs1": (_private_pkcs1, "private key"),
    "private-encrypted": (_private_encrypted, "private key"),
    "private-bare": (_private_bare, "truncated"),
    "public-and-private": (lambda pair: spki(pair) + private(pair), "private key"),
    "elliptic": (_ec, "not an RSA key"),
    "elliptic-bare": (_ec_bare, "not an RSA key"),
    "rsa-and-elliptic": (lambda pair: spki(pair) + _ec(pair), "not an RSA key"),
    "blank": (lambda _: b"\n \n", "it is empty"),
    "text": (lambda _: b"remember the milk, and the key\n", "not a public key"),
    "binary": (lambda _: bytes(range(1, 256)) * 4, "not a public key"),
    "binary-with-an-escape": (lambda _: b"0\\n\xff" * 99, "not a public key"),
    "base64-of-no-key": (lambda _: base64.b64encode(bytes(300)), "not a public key"),
    "cut-der": (lambda pair: _der(spki(pair))[:200], "not a public key"),
    "cut-bare": (lambda pair: bare(pair)[:200], "truncated"),
    "cut-pem": (lambda pair: spki(pair)[:200], "truncated"),
    "pem-cut-inside": (lambda p: _lines_without(spki(p), 3), "truncated"),
    "second-cut-inside": (lambda p: spki(p) + _lines_without(spki(p), 3), "truncated"),
    "second-cut": (lambda pair: spki(pair) + spki(pair)[:200], "truncated"),
}


def _lines_without(text: bytes, number: int) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join(lines[:number] + lines[number + 1 :])


@pytest.mark.parametrize(("write", "problem"), BAD_KEY_FILES.values(), ids=BAD_KEY_FILES)
def test_bad_key_file(
    tmp_path: Path, keys: KeyPair, write: Callable[[KeyPair], bytes], problem: str
) -> None:
    """A file that is not an RSA public key is refused by name and kind, without its content."""
    path = tmp_path / "key"
    path.write_bytes(write(keys))
    assert problem in configuration_error(load_rsa_signature, path)


def _der(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def _openssh(pair: KeyPair) -> bytes:
    command = ["ssh-keygen", "-i", "-m", "PKCS8", "-f", str(pair.public)]
    return subprocess.run(command, capture_output=True, check=True).stdout


MENDABLE_KEY_FILES: dict[str, tuple[Callable[[KeyPair], bytes], str]] = {
    "certificate": (certificate, "this is a certificate"),
    "der": (lambda pair: _der(spki(pair)), "a binary key"),
    "der-pkcs1": (lambda pair: _der(pkcs1(pair)), "a binary key"),
    "utf-16": (lambda pair: spki(pair).decode().encode("utf-16"), "it is UTF-16"),
    "utf-16-big": (lambda pair: spki(pair).decode().encode("utf-16-be"), "it is UTF-16BE"),
    "openssh": (_openssh, "an OpenSSH key"),
    "written-out": (lambda pair: spki(pair).replace(b"\n", b"\\n"), "escaped as \\n"),
    "private": (private, "a private key"),
}


@pytest.mark.parametrize(("write", "mistake"), MENDABLE_KEY_FILES.values(), ids=MENDABLE_KEY_FILES)
def test_suggested_command_converts_the_file(
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
        assert [f"{bits} bits" in warning for warning in warnings] == [True] * (found == "warning")
