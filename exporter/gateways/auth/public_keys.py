"""RSA, PKCS#1 v1.5: public keys that verify, and a private one that signs."""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512, HashAlgorithm

from exporter.configuration.files import read_bytes
from exporter.errors import ConfigurationError

_PKCS1 = padding.PKCS1v15()
_HASHES: Mapping[str, HashAlgorithm] = {
    "sha256": SHA256(),
    "sha1": SHA1(),  # noqa: S303 - where a vendor signs so
    "sha512": SHA512(),
}
_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)


def verifier(key: rsa.RSAPublicKey, algorithm: str = "sha256") -> Callable[[bytes, bytes], bool]:
    """Return what says whether a signature is the key owner's over a message."""
    verify, made_by = key.verify, _HASHES[algorithm]

    def verifies(signature: bytes, message: bytes) -> bool:
        try:
            verify(signature, message, _PKCS1, made_by)
        except InvalidSignature:
            return False
        return True

    return verifies


def sign(key: rsa.RSAPrivateKey, message: bytes) -> bytes:
    """Sign a message."""
    return key.sign(message, _PKCS1, _HASHES["sha256"])


def identity_of(key: rsa.RSAPublicKey) -> bytes:
    """Return what is the same for a key however its file is written."""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def load_public_keys(files: Iterable[Path]) -> list[rsa.RSAPublicKey]:
    """Read RSA public keys, PEM or bare base64 of DER; ConfigurationError names a bad file."""
    return [key for path in files for key in _public_keys(path)]


def load_private_key(path: Path) -> rsa.RSAPrivateKey:
    """Read an unencrypted RSA private key (PEM); ConfigurationError names a bad file."""
    try:
        key = serialization.load_pem_private_key(read_bytes("private key", path), password=None)
    except (ValueError, TypeError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"private key {path}: this is no unencrypted PEM key") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError(f"private key {path}: this key is not RSA")
    return key


def _public_keys(path: Path) -> list[rsa.RSAPublicKey]:
    data = read_bytes("key file", path)
    blocks = [match.group() for match in _PEM_BLOCK.finditer(data)]
    try:
        if blocks:
            keys = [serialization.load_pem_public_key(block) for block in blocks]
        else:  # a console may show the key as bare base64 of its DER form
            der = base64.b64decode(b"".join(data.split()), validate=True)
            keys = [serialization.load_der_public_key(der)]
    except Exception:  # noqa: BLE001 - never repeat what the file holds
        what = "a private key, give the public one" if b"PRIVATE KEY" in data else "no public key"
        raise ConfigurationError(f"key file {path}: this is {what}") from None
    if data.count(b"-----BEGIN") > len(blocks):
        raise ConfigurationError(f"key file {path}: one of several is no public key, but cut off")
    rsa_keys = [key for key in keys if isinstance(key, rsa.RSAPublicKey)]
    if len(rsa_keys) < len(keys):
        raise ConfigurationError(f"key file {path}: this key is not RSA")
    return rsa_keys
