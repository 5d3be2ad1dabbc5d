"""Schemes that send the secret itself: bearer, basic, a header, a query parameter; and none."""

import base64
import binascii
import hmac
import re
from abc import abstractmethod
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import field_validator

from exporter.errors import ConfigurationError, Reason, RequestError
from exporter.gateways.auth.draft import Draft
from exporter.gateways.auth.files import CredentialFile, read_secrets
from exporter.gateways.auth.scheme import (
    BodyValues,
    FileScheme,
    Known,
    Scheme,
    Text,
    credential_of,
)
from exporter.gateways.auth.templates import check_header, missing
from exporter.gateways.gateway import Credential, ReceivedRequest

SHORTEST_SECRET = 16
"""Minimum length of a secret in bytes; a shorter secret can be guessed."""


_DECODERS: Mapping[str, Callable[[str], bytes]] = {
    "text": str.encode,
    "base64": lambda line: base64.b64decode(line.encode("ascii"), validate=True),
    "hex": lambda line: binascii.a2b_hex(line.encode("ascii")),
}
"""Decoders of a line, by encoding; each raises ValueError."""


_NO_TOKEN = {
    "begins with 'Bearer'": re.compile(r"(?i:bearer)\s"),
    "is in quotes": re.compile(r"""(["']).*\1$"""),
    "is JSON": re.compile(r"[{\[]"),
    "is an assignment": re.compile(r"\w+\s*=\s*[^=\s]"),
}
"""Texts that no sender can send as a token (RFC 6750, 2.1)."""


class SecretScheme(FileScheme):
    """A scheme with shared secrets, one per line of a file."""

    secret_encoding: Literal["text", "base64", "hex"] = "text"  # noqa: S105 - the name of a key

    def read(self, file: CredentialFile) -> list[bytes]:
        """Read the secrets of a file; ConfigurationError names file and line of a bad secret."""
        return [self._decoded(file, *line) for line in read_secrets("secret file", file)]

    def load(self, gateway: str, file: CredentialFile) -> list[Known]:
        """Read the secrets of a file; ConfigurationError names file and line of a bad secret."""
        return [
            Known(
                credential_of(gateway, secret, file.app),
                secret,
                warning=too_short(file, secret),
            )
            for secret in self.read(file)
        ]

    def _decoded(self, file: CredentialFile, number: int, line: str) -> bytes:
        try:
            return _DECODERS[self.secret_encoding](line)
        except ValueError:
            raise ConfigurationError(
                f"secret file {file.path}: line {number} is not {self.secret_encoding}, the "
                "encoding in auth.secret_encoding"
            ) from None


class TokenScheme(SecretScheme):
    """A secret in the request, compared in constant time."""

    @abstractmethod
    def find(self, request: ReceivedRequest) -> str | None:
        """Return the secret in a request, if any."""

    def authenticate(
        self,
        request: ReceivedRequest,
        known: Sequence[Known],
        body_values: BodyValues | None = None,
        *,
        fresh: bool = True,
    ) -> Credential:
        """Accept any of the secrets, at any time."""
        del body_values, fresh
        found = self.find(request)
        if not found:
            raise missing(self.expected)
        given = found.encode("utf-8", "surrogateescape")
        # Compare all: the time must not depend on which secret matches.
        matches = [candidate for candidate in known if hmac.compare_digest(given, candidate.secret)]
        if not matches:
            raise RequestError(Reason.BAD_SIGNATURE, self.mismatch)
        return matches[0].credential

    @property
    def mismatch(self) -> str:
        """The error for an unknown secret."""
        return (
            f"{self.expected[0].upper()}{self.expected[1:]} does not match any that is configured."
        )


class Bearer(TokenScheme):
    """`Authorization: Bearer …`."""

    scheme: Literal["bearer"] = "bearer"
    challenge: ClassVar[str] = "Bearer"

    def _decoded(self, file: CredentialFile, number: int, line: str) -> bytes:
        for mistake, pattern in _NO_TOKEN.items():
            if pattern.match(line):
                raise ConfigurationError(
                    f"secret file {file.path}: line {number} {mistake}: write the token alone"
                )
        return super()._decoded(file, number, line)

    @property
    def expected(self) -> str:
        """The header."""
        return "'Authorization: Bearer' and a token"

    @property
    def mismatch(self) -> str:
        """The error for an unknown token."""
        return "The bearer token does not match any configured token."

    def find(self, request: ReceivedRequest) -> str | None:
        """Return the token."""
        return _authorization(request, "bearer")

    def sign(self, draft: Draft, secret: bytes) -> None:
        """Add the token."""
        draft.headers["Authorization"] = f"Bearer {_text(secret)}"


class Basic(TokenScheme):
    """`Authorization: Basic …` of one user; the secrets are passwords."""

    scheme: Literal["basic"]
    user: str
    challenge: ClassVar[str] = 'Basic realm="push-result-exporter"'

    @property
    def expected(self) -> str:
        """The header."""
        return "'Authorization: Basic' with user and password"

    @property
    def mismatch(self) -> str:
        """The error for an unknown user or password."""
        return "The user and password do not match any that are configured."

    def load(self, gateway: str, file: CredentialFile) -> list[Known]:
        """Read the passwords of a file."""
        passwords = self.read(file)
        pairs = [self._encoded(password) for password in passwords]
        return [
            Known(credential_of(gateway, pair, file.app), pair, warning=too_short(file, password))
            for pair, password in zip(pairs, passwords, strict=True)
        ]

    def find(self, request: ReceivedRequest) -> str | None:
        """Return user and password in base64, as sent."""
        return _authorization(request, "basic")

    def sign(self, draft: Draft, secret: bytes) -> None:
        """Add user and password."""
        draft.headers["Authorization"] = f"Basic {self._encoded(secret).decode()}"

    def _encoded(self, password: bytes) -> bytes:
        return b64encode(self.user.encode() + b":" + password)


class Header(TokenScheme):
    """A configurable header, with an optional prefix."""

    scheme: Literal["header"]
    name: Text
    prefix: str = ""

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        check_header(name)
        return name

    @property
    def expected(self) -> str:
        """The header."""
        return f"the secret in header '{self.name}'"

    def find(self, request: ReceivedRequest) -> str | None:
        """Return the header's value without the prefix."""
        return _without(self.prefix, request.headers.get(self.name))

    def sign(self, draft: Draft, secret: bytes) -> None:
        """Add the header."""
        draft.headers[self.name] = self.prefix + _text(secret)


class Query(TokenScheme):
    """A configurable query parameter, with an optional prefix."""

    scheme: Literal["query"]
    name: Text
    prefix: str = ""

    @property
    def expected(self) -> str:
        """The parameter."""
        return f"the secret in query parameter '{self.name}'"

    def find(self, request: ReceivedRequest) -> str | None:
        """Return the parameter's value without the prefix; an unescaped `+` arrives as a space."""
        value = request.query.get(self.name)
        return value.removeprefix(self.prefix).replace(" ", "+") if value else None

    def sign(self, draft: Draft, secret: bytes) -> None:
        """Add the parameter."""
        draft.query[self.name] = self.prefix + _text(secret)

    def _decoded(self, file: CredentialFile, number: int, line: str) -> bytes:
        return super()._decoded(file, number, line).replace(b" ", b"+")


class NoAuth(Scheme):
    """No authentication."""

    scheme: Literal["none"] = "none"

    expected: ClassVar[str] = "nothing"

    def load_all(self, gateway: str, files: Sequence[CredentialFile]) -> list[Known]:
        """Return the common credential of all senders."""
        del files
        return [Known(credential_of(gateway, b"")._replace(proven=False))]

    def authenticate(
        self,
        request: ReceivedRequest,
        known: Sequence[Known],
        body_values: BodyValues | None = None,
        *,
        fresh: bool = True,
    ) -> Credential:
        """Accept every request."""
        del request, body_values, fresh
        return known[0].credential

    def sign(self, draft: Draft, secret: bytes) -> None:
        """Add nothing."""

    def warnings(self) -> list[str]:
        """Warn that anyone can send."""
        return ["auth.scheme: 'none' lets anyone send results"]


def too_short(file: CredentialFile, secret: bytes) -> str | None:
    """Return a warning if a secret can be guessed."""
    if len(secret) >= SHORTEST_SECRET:
        return None
    return (
        f"{file.path}: a secret of fewer than {SHORTEST_SECRET} characters can be guessed: "
        "openssl rand -base64 32"
    )


def _authorization(request: ReceivedRequest, scheme: str) -> str | None:
    name, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if name.lower() == scheme else None


def _without(prefix: str, value: str | None) -> str | None:
    return value.strip().removeprefix(prefix) if value else None


def _text(secret: bytes) -> str:
    return secret.decode("utf-8", "replace")
