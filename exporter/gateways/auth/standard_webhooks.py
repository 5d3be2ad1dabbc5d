"""Standard Webhooks: HMAC-SHA256 over id, timestamp and body, under either name of its headers.

<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>; Svix,
the origin of the standard, uses `svix-` in place of `webhook-`.
"""

import hmac
import time
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from itertools import product
from typing import ClassVar, Literal, NamedTuple

from exporter.errors import ConfigurationError, Reason, RequestError
from exporter.gateways.auth.draft import Draft
from exporter.gateways.auth.encodings import decode_base64
from exporter.gateways.auth.files import CredentialFile, read_secrets
from exporter.gateways.auth.scheme import (
    BodyValues,
    FileScheme,
    Known,
    credential_of,
)
from exporter.gateways.auth.templates import missing
from exporter.gateways.auth.timestamps import check_timestamp
from exporter.gateways.gateway import Credential, ReceivedRequest

TOLERANCE = 300
"""Maximum difference in seconds between a timestamp and the clock, from the standard."""

SHORTEST_SECRET = 24
"""Minimum length of a secret in bytes, from the standard."""


class SignedHeaders(NamedTuple):
    """The three headers of a request."""

    id: str
    timestamp: str
    signatures: str


class StandardWebhooks(FileScheme):
    """Signatures of Standard Webhooks."""

    scheme: Literal["standard-webhooks"] = "standard-webhooks"
    challenge: ClassVar[str] = "Standard-Webhooks"

    @property
    def expected(self) -> str:
        """The headers."""
        return "'webhook-id', 'webhook-timestamp' and 'webhook-signature'"

    def read(self, file: CredentialFile) -> list[bytes]:
        """Read the secrets of a file; ConfigurationError names file and line of a bad secret."""
        return [_secret(file, *line) for line in read_secrets("secret file", file)]

    def load(self, gateway: str, file: CredentialFile) -> list[Known]:
        """Read the secrets of a file; ConfigurationError names file and line of a bad secret."""
        return [
            Known(credential_of(gateway, secret, file.app), secret) for secret in self.read(file)
        ]

    def authenticate(
        self,
        request: ReceivedRequest,
        known: Sequence[Known],
        body_values: BodyValues | None = None,
        *,
        fresh: bool = True,
    ) -> Credential:
        """Accept a signature by any of the secrets; the credential has the signed request id."""
        del body_values
        headers = signed_headers(request)
        if headers is None:
            raise missing(self.expected)
        given = [text.encode("utf-8", "replace") for text in headers.signatures.split()]
        for candidate, body in product(known, request.bodies):
            made = signature(candidate.secret, headers.id, headers.timestamp, body).encode()
            if any(hmac.compare_digest(each, made) for each in given):
                if fresh:
                    check_timestamp(headers.timestamp, "'webhook-timestamp'", tolerance=TOLERANCE)
                return candidate.credential._replace(request_id=headers.id)
        raise RequestError(
            Reason.BAD_SIGNATURE, "No configured secret verifies 'webhook-signature'."
        )

    def sign(self, draft: Draft, secret: bytes) -> None:
        """Add the headers."""
        now = str(int(time.time()))
        draft.headers["webhook-id"] = draft.identity
        draft.headers["webhook-timestamp"] = now
        draft.headers["webhook-signature"] = signature(secret, draft.identity, now, draft.body)


def signed_headers(request: ReceivedRequest) -> SignedHeaders | None:
    """Return the three headers of the standard, or of Svix; None if any is missing."""
    for family in ("webhook", "svix"):
        values = [
            request.headers.get(f"{family}-{name}") for name in ("id", "timestamp", "signature")
        ]
        if all(values):
            return SignedHeaders(*(value or "" for value in values))
    return None


def signature(secret: bytes, identity: str, timestamp: str, body: bytes) -> str:
    """Return the value of `webhook-signature`."""
    signed = f"{identity}.{timestamp}.".encode("utf-8", "surrogateescape") + body
    return "v1," + b64encode(hmac.digest(secret, signed, sha256)).decode()


def _secret(file: CredentialFile, number: int, line: str) -> bytes:
    text = line.removeprefix("whsec_")
    try:
        secret = decode_base64(text.encode())
    except ValueError:
        secret, problem = b"", "is not whsec_ and base64"
    else:
        problem = _problem(text, secret)
    if problem:
        raise ConfigurationError(
            f"secret file {file.path}: line {number} {problem}. Make a secret: "
            f"echo whsec_$(openssl rand -base64 32) > {file.new}"
        )
    return secret


def _problem(text: str, secret: bytes) -> str:
    """Return the problem of a secret that senders' libraries reject or decode differently."""
    if not secret:
        return "is not whsec_ and base64"
    if set(text) & {"-", "_"}:
        return "is URL-safe base64, which libraries of Standard Webhooks do not decode"
    if len(secret) < SHORTEST_SECRET:
        return (
            f"is a secret of {len(secret)} bytes; Standard Webhooks needs {SHORTEST_SECRET} to 64"
        )
    return ""
