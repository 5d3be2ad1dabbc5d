"""RSA, PKCS#1 v1.5: verification with public keys, signing with a private key."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from exporter.configuration.files import read_bytes
from exporter.errors import ConfigurationError
from exporter.gateways.auth.files import CredentialFile
from exporter.gateways.auth.key_mistakes import TRUNCATED, mistake_in, private_mistake_in
from exporter.gateways.gateway import PublicKey

SMALLEST_KEY, SMALLEST_GOOD_KEY = 1024, 2048
"""Key sizes in bits: smaller keys are refused, or cause a warning."""

_PKCS1 = padding.PKCS1v15()
_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha1": hashes.SHA1(),  # noqa: S303 - for vendors that still use it
    "sha512": hashes.SHA512(),
}
_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)


def verifier(
    key: rsa.RSAPublicKey, algorithm: str = "sha256"
) -> Callable[[Sequence[bytes], bytes], bool]:
    """Return a function: whether the key verifies any of the signatures of a message."""
    verify, hash_algorithm = key.verify, _HASHES[algorithm]
    hashed = utils.Prehashed(hash_algorithm)

    def verifies(signatures: Sequence[bytes], message: bytes) -> bool:
        if len(signatures) == 1:
            return _verifies(verify, signatures[0], message, hash_algorithm)
        digest = hashes.Hash(hash_algorithm)  # once, however many signatures there are
        digest.update(message)
        finished = digest.finalize()
        return any(_verifies(verify, signature, finished, hashed) for signature in signatures)

    return verifies


def _verifies(
    verify: Callable[..., None],
    signature: bytes,
    message: bytes,
    algorithm: hashes.HashAlgorithm | utils.Prehashed,
) -> bool:
    try:
        verify(signature, message, _PKCS1, algorithm)
    except InvalidSignature:
        return False
    return True


def sign(key: rsa.RSAPrivateKey, message: bytes, digest: str = "sha256") -> bytes:
    """Return the signature of a message."""
    return key.sign(message, _PKCS1, _HASHES[digest])


def identity_of(key: rsa.RSAPublicKey) -> bytes:
    """Return the DER form of a key, which does not depend on the format of its file."""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def describe(key: rsa.RSAPublicKey) -> PublicKey:
    """Return the size and fingerprint of a key."""
    return PublicKey(key.key_size, hashlib.sha256(identity_of(key)).hexdigest())


def too_small(file: CredentialFile, key: rsa.RSAPublicKey) -> str | None:
    """Return a warning if a key is too small to be considered secure."""
    if key.key_size >= SMALLEST_GOOD_KEY:
        return None
    return f"{file.path}: the RSA key has {key.key_size} bits; use {SMALLEST_GOOD_KEY} or more"


def load_private_key(path: Path) -> rsa.RSAPrivateKey:
    """Read an unencrypted RSA private key (PEM); ConfigurationError names an unusable file."""
    pem = read_bytes("private key", path)
    try:
        return private_key(pem)
    except ValueError:
        problem = private_mistake_in(pem, CredentialFile(path))
        raise ConfigurationError(f"private key {path}: {problem}") from None


def private_key(pem: bytes) -> rsa.RSAPrivateKey:
    """Parse an unencrypted RSA private key; raises ValueError for anything else."""
    key = None
    with suppress(ValueError, TypeError, UnsupportedAlgorithm):
        key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an unencrypted RSA private key")  # noqa: TRY004 - the file is wrong
    return key


def load_public_keys(file: CredentialFile) -> list[rsa.RSAPublicKey]:
    """Read RSA public keys, PEM or bare base64 of DER; ConfigurationError names a bad file."""
    data = read_bytes("key file", file.path)
    blocks = [match.group() for match in _PEM_BLOCK.finditer(data)]
    try:
        if blocks:
            keys = [serialization.load_pem_public_key(block) for block in blocks]
        else:  # a console may show the key as bare base64 of its DER form
            der = base64.b64decode(b"".join(data.split()), validate=True)
            keys = [serialization.load_der_public_key(der)]
    except Exception:  # noqa: BLE001 - the error may quote the file
        raise ConfigurationError(f"key file {file.path}: {mistake_in(data, file)}") from None
    if data.count(b"-----BEGIN") > len(blocks):
        raise ConfigurationError(f"key file {file.path}: one of several keys is {TRUNCATED}")
    return [_checked(key, file) for key in keys]


def _checked(key: object, file: CredentialFile) -> rsa.RSAPublicKey:
    if not isinstance(key, rsa.RSAPublicKey):
        raise ConfigurationError(f"key file {file.path}: not an RSA key")
    if key.key_size < SMALLEST_KEY:
        raise ConfigurationError(
            f"key file {file.path}: the RSA key has {key.key_size} bits, which can be broken; "
            f"use {SMALLEST_GOOD_KEY} or more"
        )
    return key
