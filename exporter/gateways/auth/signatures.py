"""The schemes with a signature: HMAC, digest, RSA."""

import hashlib
import hmac
from collections.abc import Sequence
from functools import partial
from hashlib import algorithms_guaranteed
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, model_validator

from exporter.gateways.auth import public_keys
from exporter.gateways.auth.files import CredentialFile
from exporter.gateways.auth.scheme import Known, credential_of
from exporter.gateways.auth.signature import SignatureScheme
from exporter.gateways.auth.templates import OneTemplate
from exporter.gateways.auth.tokens import SecretScheme

_DIGESTS = sorted(name for name in algorithms_guaranteed if not name.startswith("shake"))


def _check_digest(name: str) -> str:
    if name not in _DIGESTS:
        raise ValueError(f"unknown hash {name!r}; known are {', '.join(_DIGESTS)}")
    return name


Hash = Literal["sha256", "sha1", "sha512"]


class SecretSignature(SignatureScheme, SecretScheme):
    """A signature with a shared secret, which the exporter recomputes."""

    def verifies(self, known: Known, signatures: Sequence[bytes], message: bytes) -> bool:
        """Compare all signatures in constant time."""
        made = self.make(message, known.secret)
        return any(list(map(partial(hmac.compare_digest, made), signatures)))


class Hmac(SecretSignature):
    """HMAC with a shared secret."""

    scheme: Literal["hmac"]
    hash: Hash = "sha256"

    def make(self, message: bytes, secret: bytes) -> bytes:
        """Return the HMAC of a message."""
        return hmac.digest(secret, message, self.hash)


class Digest(SecretSignature):
    """A hash of a message that contains the secret."""

    scheme: Literal["digest"]
    signed: OneTemplate
    hash: Annotated[str, AfterValidator(_check_digest)] = "sha256"

    @model_validator(mode="after")
    def _check_secret(self) -> Self:
        if not self.signed.has("secret", named=False):
            raise ValueError("signed: without {secret} anyone can make the digest")
        return self

    def make(self, message: bytes, secret: bytes) -> bytes:
        """Return the digest of a message that contains the secret."""
        del secret
        return hashlib.new(self.hash, message, usedforsecurity=False).digest()

    def warnings(self) -> list[str]:
        """Warn that a digest is weaker than an HMAC."""
        weaker = "auth.scheme: a digest of secret and text is weaker than an HMAC"
        return [weaker, *super().warnings()]


class Rsa(SignatureScheme):
    """RSA, PKCS#1 v1.5; the files hold public keys."""

    scheme: Literal["rsa"]
    credential: ClassVar[str] = "key"
    hash: Hash = "sha256"

    def load(self, gateway: str, file: CredentialFile) -> list[Known]:
        """Read the public keys of a file; ConfigurationError names an unusable file."""
        return [
            Known(
                credential_of(gateway, public_keys.identity_of(key), file.app),
                verifies=public_keys.verifier(key, self.hash),
                key=public_keys.describe(key),
                warning=public_keys.too_small(file, key),
            )
            for key in public_keys.load_public_keys(file)
        ]

    def verifies(self, known: Known, signatures: Sequence[bytes], message: bytes) -> bool:
        """Verify with the public key."""
        return known.verifies(signatures, message)

    def make(self, message: bytes, secret: bytes) -> bytes:
        """Sign a message with a private key in PEM."""
        return public_keys.sign(public_keys.private_key(secret), message, self.hash)
