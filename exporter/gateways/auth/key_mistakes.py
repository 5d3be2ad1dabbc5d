"""Diagnoses a file without a usable key, and names the command that converts it."""

import json
import re
import shlex
from collections.abc import Callable, Sequence
from functools import partial

from cryptography.hazmat.primitives import serialization

from exporter.gateways.auth.files import CredentialFile

TRUNCATED = "truncated: copy all of it"

_OPENSSH = (b"ssh-rsa ", b"ssh-ed25519 ", b"ecdsa-sha2-", b"---- BEGIN SSH2")
_BARE_BASE64 = re.compile(rb"\s*MI[A-Za-z0-9+/=\s]*")

Test = Callable[[bytes], object]

Mistake = tuple[Test, str]

_ENCODING: Mistake = (
    lambda data: b"\0" in data[:4] and _encoding(data) and _is_text(data),
    "it is {encoding}: iconv -f {encoding} -t UTF-8 {path} > {out}",
)
_ESCAPED: Mistake = (
    lambda data: b"\\n" in data and data.isascii(),
    "its line ends are escaped as \\n: printf '%b' \"$(cat {path})\" > {out}",
)

_PUBLIC: list[Mistake] = [
    (lambda data: not data.strip(), "it is empty: save the sender's public key in it"),
    _ENCODING,
    (
        lambda data: b"PRIVATE KEY" in data,
        "this is a private key; extract the public key: openssl pkey -in {path} -pubout -out {out}",
    ),
    (
        lambda data: b"BEGIN CERTIFICATE" in data,
        "this is a certificate: openssl x509 -in {path} -noout -pubkey > {out}",
    ),
    _ESCAPED,
    (
        lambda data: data.startswith(_OPENSSH),
        "this is an OpenSSH key: ssh-keygen -e -m PKCS8 -f {path} > {out}",
    ),
    (
        lambda data: data.startswith(b"\x30") and _is_der_key(data),
        "this is a binary key (DER): openssl pkey -pubin -inform DER -in {path} -out {out}",
    ),
    (
        lambda data: b"-----BEGIN" in data or _BARE_BASE64.fullmatch(data),
        f"the key is {TRUNCATED}",
    ),
]
"""A test for each mistake, in order of precedence, and its message."""


def _for_owner(message: str) -> str:
    """Make the command after the colon write a file that only its owner can read."""
    return message.replace(": ", ": (umask 077; ", 1) + ")"


_PRIVATE: list[Mistake] = [
    (lambda data: not data.strip(), "it is empty: save the private key in it"),
    *((test, _for_owner(message)) for test, message in (_ENCODING, _ESCAPED)),
    (
        lambda data: b"BEGIN OPENSSH PRIVATE KEY" in data,
        "this is an OpenSSH key: cp {path} {out} && ssh-keygen -p -N '' -m PKCS8 -f {out}",
    ),
    (
        lambda data: b"ENCRYPTED" in data,
        "the key is encrypted; remove its passphrase: openssl pkey -in {path} -out {out}",
    ),
    (
        lambda data: b"PRIVATE KEY" in data and _is_pem_private_key(data),
        "not an RSA key",
    ),
    (
        lambda data: b"PRIVATE KEY" not in data and b"PUBLIC KEY" in data,
        "this is a public key; name the file of its private key, which signs",
    ),
    (
        lambda data: b"PRIVATE KEY" not in data and b"BEGIN CERTIFICATE" in data,
        "this is a certificate; name the file of its private key, which signs",
    ),
    (
        lambda data: data.startswith(b"\x30") and _is_der_private_key(data),
        "this is a binary key (DER): openssl pkey -inform DER -in {path} -out {out}",
    ),
    (lambda data: b"-----BEGIN" in data, f"the key is {TRUNCATED}"),
]
"""The same for a private key."""

_EXPECTED_PUBLIC = "not a public key, which begins with -----BEGIN PUBLIC KEY----- or MI"
_EXPECTED_PRIVATE = "not a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----"


def mistake_in(data: bytes, file: CredentialFile) -> str:
    """Describe why a file is not a public key, without quoting it."""
    return _described(_PUBLIC, _EXPECTED_PUBLIC, data, file)


def private_mistake_in(data: bytes, file: CredentialFile) -> str:
    """Describe why a file is not an unencrypted RSA private key, without quoting it."""
    return _described(_PRIVATE, _EXPECTED_PRIVATE, data, file)


def _described(
    mistakes: Sequence[Mistake], expected: str, data: bytes, file: CredentialFile
) -> str:
    message = next((message for test, message in mistakes if test(data)), expected)
    out = shlex.quote(f"{file.path}.pem")
    return message.format(path=file.quoted, out=out, encoding=_encoding(data))


def _encoding(data: bytes) -> str | None:
    """Return the encoding of text, or None for UTF-8."""
    name = json.detect_encoding(data).upper()
    return None if name.startswith("UTF-8") else name.replace("-BE", "BE").replace("-LE", "LE")


def _is_text(data: bytes) -> bool:
    return _loads(lambda text: text.decode(json.detect_encoding(text)), data)


def _is_der_key(data: bytes) -> bool:
    return _loads(serialization.load_der_public_key, data)


def _is_der_private_key(data: bytes) -> bool:
    return _loads(partial(serialization.load_der_private_key, password=None), data)


def _is_pem_private_key(data: bytes) -> bool:
    return _loads(partial(serialization.load_pem_private_key, password=None), data)


def _loads(load: Callable[[bytes], object], data: bytes) -> bool:
    try:
        load(data)
    except Exception:  # noqa: BLE001 - the exception depends on the version
        return False
    return True
