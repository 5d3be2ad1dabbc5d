"""Signatures that a template says where to find and what they are made over: HMAC, digest, RSA."""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.errors import Reason, RequestError
from exporter.gateways.auth import public_keys
from exporter.gateways.auth.encodings import decode_base64, decode_hex
from exporter.gateways.auth.scheme import credential_of, missing
from exporter.gateways.auth.templates import Context, Template, cut_parts
from exporter.gateways.auth.timestamps import Unit, check_timestamp
from exporter.gateways.gateway import Credential, ReceivedRequest

DECODERS: Mapping[str, Callable[[bytes], bytes]] = {"hex": decode_hex, "base64": decode_base64}
"""How a signature becomes bytes; each raises ValueError."""


class Known(NamedTuple):
    """A credential, and how a signature is checked with it."""

    credential: Credential
    verifies: Callable[[bytes, bytes], bool]
    """Whether the first is a signature over the second."""
    secret: bytes = b""
    """What `{secret}` stands for."""


class Timestamp(NamedTuple):
    """When a request was signed: where that stands, and how far off it may be."""

    template: Template
    unit: Unit = "s"
    tolerance: float = 300


class Parts(NamedTuple):
    """A header that is cut into `name=value` pieces."""

    header: str
    separator: str


class Signature:
    """A signature somewhere in the request, over what a template makes of the request."""

    challenge = "Signature"

    def __init__(
        self,
        known: Sequence[Known],
        *,
        signature: Template,
        signed: Template,
        decode: Callable[[bytes], bytes],
        prefix: str = "",
        user: str = "",
        parts: Parts | None = None,
        timestamp: Timestamp | None = None,
        documents: Callable[[ReceivedRequest], Sequence[Any]] | None = None,
    ) -> None:
        """`documents` gives the JSON values that `{body:X}` looks into; each has to be signed."""
        self._known = known
        self._signature = signature
        self._signed = signed
        self._decode = decode
        self._prefix = prefix.encode()
        self._user = user
        self._parts = parts
        self._timestamp = timestamp
        self._documents = documents
        self.expects = f"a signature: {signature.describe()}"

    def authenticate(self, request: ReceivedRequest, *, fresh: bool = True) -> Credential:
        """Accept a signature that any of the credentials verifies, on every document.

        Of a compressed body some sign what is sent, and some what is in it.
        """
        found = self._search(request, fresh=fresh)
        if found is None and request.content != request.body:
            found = self._search(request.unpacked(), fresh=fresh)
        if found is None:
            raise RequestError(
                Reason.BAD_SIGNATURE, f"No configured key or secret fits {self.expects}."
            )
        return found

    def _search(self, request: ReceivedRequest, *, fresh: bool) -> Credential | None:
        """Return the credential by which every document has a signature, or None.

        The first document without one ends it: there may be thousands. Raises RequestError for
        what is missing, malformed or too old.
        """
        parts: dict[str, list[str]] = {}
        if self._parts:
            header = request.headers.get(self._parts.header)
            if not header:
                raise missing(f"header '{self._parts.header}'")
            parts = cut_parts(header, self._parts.separator)
        documents = self._documents(request) if self._documents else (None,)
        if not documents:
            raise missing(self.expects)
        for known in self._known:
            for document in documents:
                context = Context(request, parts, document, self._user, known.secret)
                if not self._fits(known, context, fresh=fresh):
                    break
            else:
                return known.credential
        return None

    def _fits(self, known: Known, context: Context, *, fresh: bool) -> bool:
        """Whether there is a signature by this credential; raises RequestError as `_given` does."""
        signatures = self._given(context, fresh=fresh)
        signed = self._signed.render(context)
        return any(map(known.verifies, signatures, repeat(signed)))

    def _given(self, context: Context, *, fresh: bool) -> list[bytes]:
        """Return the signatures that are well-formed; RequestError if none is, or if too old."""
        texts = self._signature.alternatives(context)
        if self._timestamp and fresh:
            template, unit, tolerance = self._timestamp
            text = template.render(context).decode("utf-8", "replace")
            check_timestamp(text, template.describe(), unit=unit, tolerance=tolerance)
        signatures = []
        for one in texts:
            try:
                if signature := self._decode(one.removeprefix(self._prefix)):
                    signatures.append(signature)
            except ValueError:
                pass
        if not signatures:
            raise RequestError(
                Reason.BAD_SIGNATURE, f"This is not a well-formed signature: {self.expects}."
            )
        return signatures


def hmac_known(gateway: str, secrets: Iterable[bytes], algorithm: str) -> list[Known]:
    """Know secrets that sign by HMAC."""

    def known(secret: bytes) -> Known:
        def verifies(signature: bytes, signed: bytes) -> bool:
            return hmac.compare_digest(hmac.digest(secret, signed, algorithm), signature)

        return Known(credential_of(gateway, secret), verifies, secret)

    return [known(secret) for secret in secrets]


def digest_known(gateway: str, secrets: Iterable[bytes], algorithm: str) -> list[Known]:
    """Know secrets that are hashed together with what is signed."""

    def verifies(signature: bytes, signed: bytes) -> bool:
        made = hashlib.new(algorithm, signed, usedforsecurity=False).digest()
        return hmac.compare_digest(made, signature)

    return [Known(credential_of(gateway, secret), verifies, secret) for secret in secrets]


def rsa_known(gateway: str, keys: Iterable[rsa.RSAPublicKey], algorithm: str) -> list[Known]:
    """Know public keys."""
    return [
        Known(
            credential_of(gateway, public_keys.identity_of(key)),
            public_keys.verifier(key, algorithm),
        )
        for key in keys
    ]
