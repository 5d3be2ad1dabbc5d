"""Authenticators without a gateway around them, and how to call them."""

import base64
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from multidict import CIMultiDict

from exporter.errors import ConfigurationError, RequestError
from exporter.gateways import mps
from exporter.gateways.auth.authenticator import Authenticator, LoadedScheme
from exporter.gateways.auth.files import CredentialFile
from exporter.gateways.auth.scheme import Known, Scheme, credential_of
from exporter.gateways.auth.standard_webhooks import StandardWebhooks
from exporter.gateways.auth.tokens import Bearer
from exporter.gateways.gateway import ReceivedRequest
from tests.support.exporter import KeyPair

BODY = b'{"statusCode": "2"}'


def openssl(*arguments: str | Path, given: bytes = b"") -> bytes:
    """Run the openssl program; return its output."""
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


def any_of(*schemes: LoadedScheme, allow_unsigned: bool = False) -> Authenticator:
    """Make an authenticator of schemes."""
    return Authenticator("results", schemes, settings=("FILES",), allow_unsigned=allow_unsigned)


def _load(scheme: Scheme, files: list[Path]) -> Authenticator:
    known = scheme.load_all("results", list(map(CredentialFile, files)))
    return any_of(LoadedScheme("FILES", scheme, known))


def load_rsa_signature(files: list[Path]) -> Authenticator:
    """Know public keys, as MPS signs."""
    return _load(mps.SIGNATURE, files)


def load_standard_webhooks(files: list[Path]) -> Authenticator:
    """Know Standard Webhooks secrets."""
    return _load(StandardWebhooks(), files)


def load_bearer_token(files: list[Path]) -> Authenticator:
    """Know bearer tokens."""
    return _load(Bearer(), files)


def with_secrets(scheme: Scheme, *secrets: bytes, gateway: str = "results") -> LoadedScheme:
    """Give a scheme secrets without a file."""
    return LoadedScheme(
        "FILES", scheme, [Known(credential_of(gateway, secret), secret) for secret in secrets]
    )


def bearer(*tokens: bytes, gateway: str = "results") -> LoadedScheme:
    """Give bearer tokens."""
    return with_secrets(Bearer(), *tokens, gateway=gateway)


def request(
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = BODY,
) -> ReceivedRequest:
    """Make a request of its parts."""
    return ReceivedRequest(body, CIMultiDict(headers or {}), query)


def refused(
    scheme: Authenticator,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = BODY,
) -> RequestError | None:
    """Call a scheme; return its refusal, or None if it accepts."""
    try:
        scheme.authenticate(request(query, headers, body))
    except RequestError as error:
        return error
    return None


def refusal(
    scheme: Authenticator,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = BODY,
) -> str | None:
    """Call a scheme; return the reason of its refusal, or None if it accepts."""
    error = refused(scheme, query, headers, body)
    return error.reason if error else None


def configuration_error(load: Callable[[list[Path]], object], path: Path) -> str:
    """Load a bad file; return the message, which names the file and repeats none of it."""
    with pytest.raises(ConfigurationError) as refused:
        load([path])
    message = str(refused.value)
    assert str(path) in message
    if path.is_file():
        for line in path.read_bytes().splitlines():
            text = line.strip().decode("latin-1")
            assert len(text) < 8 or text not in message
    return message


KEY = b"a secret of thirty-two bytes ...."
OTHER_KEY = bytes(range(200, 232))


def secret_line(key: bytes) -> str:
    """Write a secret as the standard does."""
    return "whsec_" + base64.b64encode(key).decode()


def hmac_signature(key: bytes, identity: str, timestamp: str, body: bytes) -> str:
    """Sign with the openssl program."""
    signed = f"{identity}.{timestamp}.".encode() + body
    options = ["-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary"]
    return "v1," + base64.b64encode(openssl("dgst", *options, given=signed)).decode()


def webhook_headers(key: bytes = KEY, body: bytes = BODY, age: float = 0) -> dict[str, str]:
    """Make the headers of a call that was signed so many seconds ago."""
    timestamp = str(int(time.time() - age))
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": hmac_signature(key, "msg_1", timestamp, body),
    }


def spki(pair: KeyPair) -> bytes:
    """Write a public key as openssl does."""
    return pair.public.read_bytes()


def pkcs1(pair: KeyPair) -> bytes:
    """Write a public key as PKCS#1."""
    return openssl("rsa", "-pubin", "-in", pair.public, "-RSAPublicKey_out")


def bare(pair: KeyPair) -> bytes:
    """Write a public key as the bare base64 of a console."""
    return base64.b64encode(openssl("pkey", "-pubin", "-in", pair.public, "-outform", "DER"))


def private(pair: KeyPair) -> bytes:
    """Write a private key."""
    return pair.private.read_bytes()


def certificate(pair: KeyPair) -> bytes:
    """Write a certificate."""
    return openssl("req", "-x509", "-key", pair.private, "-subj", "/CN=gateway")
