"""Who may report results: one class a scheme, each over the raw body, before it is parsed."""

import base64
import binascii
import datetime as dt
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError

from exporter.errors import ConfigurationError, RequestError
from exporter.reasons import Reason

_PKCS1 = padding.PKCS1v15()
_SHA256 = SHA256()
_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
_STANDARD_ALPHABET = bytes.maketrans(b"-_ ", b"+/+")  # a `+` in a query may arrive as a space


class Authenticator(Protocol):
    """A scheme that knows some credentials."""

    def __call__(self, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> None:
        """Raise RequestError unless the call proves that it comes from a known sender."""


class RsaSignature:
    """MPS: `sign` in the query is RSA, SHA-256, PKCS#1 v1.5 over the raw body, in base64."""

    def __init__(self, keys: Sequence[rsa.RSAPublicKey]) -> None:
        self._keys = keys

    def __call__(self, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> None:
        """Accept a signature that any of the keys verifies."""
        del headers
        sign = query.get("sign")
        if not sign:
            raise RequestError(Reason.MISSING_CREDENTIALS, "The query has no 'sign'.")
        try:
            signature = _decode_base64(sign)
        except ValueError:
            raise RequestError(Reason.BAD_SIGNATURE, "'sign' is not base64.") from None
        for key in self._keys:
            try:
                key.verify(signature, body, _PKCS1, _SHA256)
            except InvalidSignature:
                continue
            return
        raise RequestError(
            Reason.BAD_SIGNATURE, "No configured key verifies 'sign' over this body."
        )


class StandardWebhooks:
    """Standard Webhooks: HMAC over id, timestamp and body, five minutes' tolerance."""

    def __init__(self, secrets: Iterable[Webhook]) -> None:
        self._secrets = list(secrets)

    def __call__(self, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> None:
        """Accept a signature that any of the secrets verifies."""
        del query
        given = {name: headers.get(name, "") for name in _WEBHOOK_HEADERS}
        if not all(given.values()):
            raise RequestError(Reason.MISSING_CREDENTIALS, "A Standard Webhooks header is missing.")
        for secret in self._secrets:
            try:
                secret.verify(body, given, json_parse=False)
            except (WebhookVerificationError, ValueError) as error:
                # The library lets ValueError out on malformed headers and on bodies that are
                # not text; it tells a stale timestamp by its message alone.
                if "timestamp too" in str(error):
                    raise RequestError(
                        Reason.STALE_TIMESTAMP,
                        "'webhook-timestamp' is over five minutes off our clock.",
                    ) from None
                continue
            return
        raise RequestError(
            Reason.BAD_SIGNATURE, "No configured secret verifies 'webhook-signature'."
        )

    def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether a secret made the signature, however long ago; of no worth against a replay."""
        identity, timestamp, signatures = (headers.get(name, "") for name in _WEBHOOK_HEADERS)
        try:
            at = dt.datetime.fromtimestamp(float(timestamp), dt.UTC)
            made = [secret.sign(identity, at, body.decode()) for secret in self._secrets]
        except (ValueError, OverflowError, OSError):
            return False
        return any(one in made for one in signatures.split())


class BearerToken:
    """`Authorization: Bearer …`, compared in constant time."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._tokens = [token.encode() for token in tokens]

    def __call__(self, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> None:
        """Accept any of the tokens."""
        del query, body
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise RequestError(
                Reason.MISSING_CREDENTIALS, "There is no 'Authorization: Bearer' header."
            )
        given = token.strip().encode("utf-8", "surrogateescape")
        # No early end: how many tokens there are, or which one matched, must not show in time.
        if not sum(hmac.compare_digest(given, known) for known in self._tokens):
            raise RequestError(Reason.BAD_SIGNATURE, "The bearer token is not a known one.")


class AnyOf:
    """Several schemes on one webhook; the most telling refusal is the one that is reported."""

    _TELLING = ("missing_credentials", "bad_signature", "stale_timestamp")

    def __init__(self, schemes: Sequence[Authenticator]) -> None:
        self._schemes = schemes

    def __call__(self, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> None:
        """Accept what one scheme accepts."""
        refusal = RequestError(
            Reason.MISSING_CREDENTIALS, "This webhook has no credentials configured."
        )
        for scheme in self._schemes:
            try:
                scheme(query, headers, body)
            except RequestError as error:
                refusal = max(refusal, error, key=lambda one: self._TELLING.index(one.reason))
            else:
                return
        raise refusal


def unsigned(query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> None:
    """Accept anyone: for ALLOW_UNSIGNED."""
    del query, headers, body


_WEBHOOK_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def _decode_base64(text: str) -> bytes:
    """Read base64 in either alphabet, padded or not; ValueError if it is neither."""
    data = text.encode("ascii").translate(_STANDARD_ALPHABET).rstrip(b"=")
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4), strict_mode=True)


def load_rsa_signature(files: Iterable[Path]) -> RsaSignature:
    """Read RSA public keys; ConfigurationError names a file that has none."""
    return RsaSignature([key for path in files for key in _public_keys(path)])


def load_standard_webhooks(files: Iterable[Path]) -> StandardWebhooks:
    """Read Standard Webhooks secrets; ConfigurationError names a file with a bad one."""
    return StandardWebhooks(load_secrets(files))


def load_secrets(files: Iterable[Path]) -> list[Webhook]:
    """Read the secrets themselves, which sign as well as verify."""
    secrets = []
    for path in files:
        for line in _lines(path):
            try:
                # The library skips what is not base64, and so takes any text for a secret.
                secrets.append(Webhook(_decode_base64(line.removeprefix("whsec_"))))
            except (ValueError, EmptyWebhookSecretError):
                raise ConfigurationError(
                    f"secret file {path}: a line is not a Standard Webhooks secret "
                    "(whsec_ and base64)"
                ) from None
    return secrets


def load_bearer_token(files: Iterable[Path]) -> BearerToken:
    """Read bearer tokens; ConfigurationError names a file without one."""
    return BearerToken(load_tokens(files))


def load_tokens(files: Iterable[Path]) -> list[str]:
    """Read the tokens themselves."""
    return [line for path in files for line in _lines(path)]


def _public_keys(path: Path) -> list[rsa.RSAPublicKey]:
    data = _read(path)
    blocks = [match.group() for match in _PEM_BLOCK.finditer(data)]
    try:
        if blocks:
            keys = [serialization.load_pem_public_key(block) for block in blocks]
        else:  # the console shows the key as bare base64 of its DER form
            der = base64.b64decode(b"".join(data.split()), validate=True)
            keys = [serialization.load_der_public_key(der)]
    except Exception:  # noqa: BLE001 - never repeat what the file holds
        what = "a private key, give the public one" if b"PRIVATE KEY" in data else "no public key"
        raise ConfigurationError(f"key file {path}: this is {what}") from None
    if data.count(b"-----BEGIN") > len(blocks):
        raise ConfigurationError(f"key file {path}: one of several is no public key, but cut off")
    rsa_keys = [key for key in keys if isinstance(key, rsa.RSAPublicKey)]
    if len(rsa_keys) < len(keys):
        raise ConfigurationError(f"key file {path}: MPS signs with RSA, and this key is not RSA")
    return rsa_keys


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in _read(path).decode().splitlines()]
    except UnicodeDecodeError:
        raise ConfigurationError(f"secret file {path}: this is not text") from None
    if not any(lines):
        raise ConfigurationError(f"secret file {path}: it is empty")
    return [line for line in lines if line]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"file {path}: {error.strerror}") from error
