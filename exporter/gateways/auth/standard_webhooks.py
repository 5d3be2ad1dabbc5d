"""Standard Webhooks: HMAC-SHA256 over id, timestamp and body, under either name of its headers.

<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>; Svix,
where the standard comes from, says `svix-` for `webhook-`.
"""

import hmac
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from exporter.configuration.files import read_lines
from exporter.errors import ConfigurationError, Reason, RequestError
from exporter.gateways.auth.encodings import decode_base64
from exporter.gateways.auth.scheme import credential_of, missing
from exporter.gateways.auth.timestamps import check_timestamp
from exporter.gateways.gateway import Credential, ReceivedRequest, RequestKey

TOLERANCE = 300
"""Seconds by which a timestamp may differ from the clock, either way: what the standard says."""


class Signed(NamedTuple):
    """The three headers of a request."""

    id: str
    timestamp: str
    signatures: str


class StandardWebhooks:
    """Knows secrets, any of which may have made any of the signatures."""

    expects = "'webhook-id', 'webhook-timestamp' and 'webhook-signature'"
    challenge = "Standard-Webhooks"

    def __init__(self, gateway: str, secrets: Iterable[bytes]) -> None:
        self._known = [(secret, credential_of(gateway, secret)) for secret in secrets]

    def authenticate(self, request: ReceivedRequest, *, fresh: bool = True) -> Credential:
        """Accept a signature that any of the secrets verifies."""
        signed = signed_headers(request)
        if signed is None:
            raise missing(self.expects)
        if fresh:
            check_timestamp(signed.timestamp, "'webhook-timestamp'", tolerance=TOLERANCE)
        given = [one.encode("utf-8", "replace") for one in signed.signatures.split()]
        for secret, credential in self._known:
            made = sign(secret, signed.id, signed.timestamp, request.body).encode()
            if any(hmac.compare_digest(one, made) for one in given):
                return credential
        raise RequestError(
            Reason.BAD_SIGNATURE, "No configured secret verifies 'webhook-signature'."
        )


def signed_headers(request: ReceivedRequest) -> Signed | None:
    """Return the headers of the standard, or those of Svix; None unless all three are there."""
    for family in ("webhook", "svix"):
        values = [
            request.headers.get(f"{family}-{name}") for name in ("id", "timestamp", "signature")
        ]
        if all(values):
            return Signed(*(value or "" for value in values))
    return None


def sign(secret: bytes, identity: str, timestamp: str, body: bytes) -> str:
    """Make the value of `webhook-signature`."""
    signed = f"{identity}.{timestamp}.".encode("utf-8", "surrogateescape") + body
    return "v1," + b64encode(hmac.digest(secret, signed, sha256)).decode()


def load_secrets(files: Iterable[Path]) -> list[bytes]:
    """Read secrets, one per line; ConfigurationError names file and line of what is none."""
    return [_secret(path, *line) for path in files for line in read_lines("secret file", path)]


def _secret(path: Path, number: int, line: str) -> bytes:
    try:
        secret = decode_base64(line.removeprefix("whsec_").encode())
    except ValueError:
        secret = b""
    if not secret:
        raise ConfigurationError(
            f"secret file {path}: line {number} is not a Standard Webhooks secret "
            "(whsec_ and base64)"
        )
    return secret


def webhook_key(identity: str, body: bytes) -> RequestKey:
    """Identify a request by the id that its sender gave it."""
    return RequestKey(f"webhook-id\0{identity}".encode("utf-8", "surrogateescape"), body)
