"""The authenticator that a description asks for, with the secrets that it names."""

import base64
import binascii
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from exporter.configuration.files import read_lines
from exporter.errors import ConfigurationError, Reason, RequestError
from exporter.gateways.auth import tokens
from exporter.gateways.auth.public_keys import load_public_keys
from exporter.gateways.auth.scheme import Authenticator, Scheme
from exporter.gateways.auth.signatures import (
    DECODERS,
    Parts,
    Signature,
    Timestamp,
    digest_known,
    hmac_known,
    rsa_known,
)
from exporter.gateways.auth.standard_webhooks import StandardWebhooks, load_secrets
from exporter.gateways.described.description import Auth, Require
from exporter.gateways.described.files import KIND
from exporter.gateways.gateway import ReceivedRequest

Documents = Callable[[ReceivedRequest], Sequence[Any]]
"""Finds the JSON values that `{body:X}` looks into."""


def build_authenticator(
    gateway: str, auth: Auth | None, file: Path, documents: Documents, *, allow_unsigned: bool
) -> Authenticator:
    """Build the scheme of a description; ConfigurationError names it and a bad secret's file."""
    schemes = []
    if auth and (auth.secrets or auth.scheme == "none"):
        try:
            schemes.append(_scheme(gateway, auth, file, documents))
        except ConfigurationError as error:
            raise ConfigurationError(f"{KIND} {file}: auth.secrets: {error}") from error
    return Authenticator(
        gateway, schemes, settings=f"auth.secrets in {file.name}", allow_unsigned=allow_unsigned
    )


def read_secrets(auth: Auth, file: Path) -> list[bytes]:
    """Read the secrets that a description's file names, but for public keys."""
    files = [file.parent / name for name in auth.secrets]
    if auth.scheme == "standard-webhooks":
        return load_secrets(files)
    return [secret for path in files for secret in _secrets(path, auth.secret_encoding)]


def check_required(require: Require, request: ReceivedRequest) -> None:
    """Raise RequestError unless each parameter and header is one of those that are required."""
    for given, rules, what in (
        (request.query, require.query, "in the query"),
        (request.headers, require.header, "header"),
    ):
        for name, allowed in rules.items():
            value = given.get(name)
            if value is None:
                raise RequestError(
                    Reason.MISSING_CREDENTIALS, f"Expected '{name}' {what}; it is not there."
                )
            if value not in allowed:
                raise RequestError(
                    Reason.BAD_SIGNATURE, f"'{name}' {what} is none of those that are expected."
                )


def _scheme(gateway: str, auth: Auth, file: Path, documents: Documents) -> Scheme:
    if auth.scheme == "none":
        return tokens.Anyone(gateway)
    if auth.scheme == "standard-webhooks":
        return StandardWebhooks(gateway, read_secrets(auth, file))
    if auth.scheme == "rsa":
        files = [file.parent / name for name in auth.secrets]
        return _signature(auth, rsa_known(gateway, load_public_keys(files), auth.hash), documents)
    secrets = read_secrets(auth, file)
    if auth.scheme in ("hmac", "digest"):
        make = hmac_known if auth.scheme == "hmac" else digest_known
        return _signature(auth, make(gateway, secrets, auth.hash), documents)
    return _shared_secret(gateway, auth, secrets)


def _shared_secret(gateway: str, auth: Auth, secrets: list[bytes]) -> Scheme:
    if auth.scheme == "bearer":
        return tokens.bearer(gateway, secrets)
    if auth.scheme == "basic":
        return tokens.basic(gateway, secrets, auth.user)
    find = tokens.header if auth.scheme == "header" else tokens.query
    return find(gateway, secrets, auth.name or "", auth.prefix)


def _signature(auth: Auth, known: Any, documents: Documents) -> Signature:
    assert auth.signature  # noqa: S101 - the description is checked
    return Signature(
        known,
        signature=auth.signature,
        signed=auth.signed,
        decode=DECODERS[auth.encoding],
        prefix=auth.prefix,
        user=auth.user,
        parts=Parts(auth.header, auth.parts) if auth.header and auth.parts else None,
        timestamp=Timestamp(auth.timestamp, auth.unit, auth.tolerance) if auth.timestamp else None,
        documents=documents if auth.looks_into_body else None,
    )


def _secrets(path: Path, encoding: str) -> list[bytes]:
    return [_decoded(path, line, encoding) for line in read_lines("secret file", path)]


def _decoded(path: Path, line: tuple[int, str], encoding: str) -> bytes:
    number, text = line
    if encoding == "text":
        return text.encode()
    try:
        if encoding == "hex":
            return binascii.a2b_hex(text.encode("ascii"))
        return base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise ConfigurationError(
            f"secret file {path}: line {number} is not {encoding}, as auth.secret_encoding says"
        ) from None
