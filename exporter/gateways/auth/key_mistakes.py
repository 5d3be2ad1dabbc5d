"""Diagnoses a file without a usable public key, and names the command that converts it."""

import json
import re
import shlex
from collections.abc import Callable

from cryptography.hazmat.primitives import serialization

from exporter.gateways.auth.files import CredentialFile

TRUNCATED = "truncated: copy all of it"

_OPENSSH = (b"ssh-rsa ", b"ssh-ed25519 ", b"ecdsa-sha2-", b"---- BEGIN SSH2")
_BARE_BASE64 = re.compile(rb"\s*MI[A-Za-z0-9+/=\s]*")

Test = Callable[[bytes], object]

_MISTAKES: list[tuple[Test, str]] = [
    (lambda data: not data.strip(), "it is empty: save the sender's public key in it"),
    (
        lambda data: b"\0" in data[:4] and _encoding(data),
        "it is {encoding}: iconv -f {encoding} -t UTF-8 {path} > {out}",
    ),
    (
        lambda data: b"PRIVATE KEY" in data,
        "this is a private key; extract the public key: openssl pkey -in {path} -pubout -out {out}",
    ),
    (
        lambda data: b"BEGIN CERTIFICATE" in data,
        "this is a certificate: openssl x509 -in {path} -noout -pubkey > {out}",
    ),
    (
        lambda data: b"\\n" in data and data.isascii(),
        "its line ends are escaped as \\n: printf '%b' \"$(cat {path})\" > {out}",
    ),
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

_EXPECTED = "not a public key, which begins with -----BEGIN PUBLIC KEY----- or MI"


def mistake_in(data: bytes, file: CredentialFile) -> str:
    """Describe why a file is not a public key, without quoting it."""
    message = next((message for test, message in _MISTAKES if test(data)), _EXPECTED)
    out = shlex.quote(f"{file.path}.pem")
    return message.format(path=file.quoted, out=out, encoding=_encoding(data))


def _encoding(data: bytes) -> str | None:
    """Return the encoding of text, or None for UTF-8."""
    name = json.detect_encoding(data).upper()
    return None if name.startswith("UTF-8") else name.replace("-BE", "BE").replace("-LE", "LE")


def _is_der_key(data: bytes) -> bool:
    try:
        serialization.load_der_public_key(data)
    except Exception:  # noqa: BLE001 - the exception depends on the version
        return False
    return True
