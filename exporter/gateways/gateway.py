"""The interface of a gateway: authenticate, decode and identify a request."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from exporter.results import DecodedItems


class ReceivedRequest:
    """A request within the size limits, not yet authenticated."""

    def __init__(
        self,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        *,
        content: bytes | None = None,
        address: Callable[[], str] = str,
        method: str = "POST",
    ) -> None:
        self.method = method
        self.body = body
        """The bytes as sent, over which a signature is made."""
        self.content = body if content is None else content
        """The body with its Content-Encoding removed, for decoding."""
        self.headers: Mapping[str, str] = {} if headers is None else headers
        """By case-insensitive name; of a repeated header, the first value."""
        self.query: Mapping[str, str] = {} if query is None else query
        """The query parameters by name; of a repeated parameter, the first value."""
        self.address = address
        """Returns host, path and query of the URL; its scheme is unknown behind a proxy."""

    @property
    def bodies(self) -> Sequence[bytes]:
        """The body as sent and, if it differs, its content: a signature may cover either."""
        return (self.body,) if self.content is self.body else (self.body, self.content)

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; empty if it is missing."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class Credential(NamedTuple):
    """The credential that authenticated a request."""

    scope: int
    """64 bits derived from the gateway and the credential, stable across restarts and reloads.

    It scopes deduplication keys, so that no sender can make another sender's results duplicates.
    The credential cannot be derived from it.
    """
    proven: bool = True
    """Whether the request had credentials; False if ALLOW_UNSIGNED or scheme `none` accepted it."""
    app: str | None = None
    """The app that the credential belongs to, if any."""
    request_id: str | None = None
    """The id of the request, if it is signed."""


class PublicKey(msgspec.Struct, frozen=True):
    """An RSA public key."""

    bits: int
    fingerprint: str
    """SHA-256 of the DER form, in hex: `openssl pkey -pubin -outform DER | sha256sum`."""


class CredentialSource(msgspec.Struct, frozen=True):
    """A description of a file of credentials, with the number of its secrets."""

    setting: str
    """The setting, or the key of a description, that names the file."""
    file: str
    scheme: str
    app: str | None = None
    """The app of all results sent with these credentials; None if the request names it."""
    keys: list[PublicKey] = []
    secrets: int = 0

    def __str__(self) -> str:
        """Describe the credentials and their file."""
        keys = [f"RSA {key.bits} bits, SHA-256 {key.fingerprint}" for key in self.keys]
        kind = "bearer token" if self.scheme == "bearer" else f"{self.scheme} secret"
        count = f"{self.secrets} {kind}{'s' if self.secrets > 1 else ''}"
        app = f", app {self.app}" if self.app else ""
        return f"{'; '.join(keys) or count} ({self.setting}: {self.file}{app})"


class RequestKey(msgspec.Struct, frozen=True, gc=False):
    """The identity of a whole request, which is one delivery."""

    identity: bytes
    content: bytes | None = None
    """The body, if the identity is an id: the same id with a different body is a conflict. None if
    the body is the identity."""


def webhook_key(identity: str, content: bytes) -> RequestKey:
    """Identify a request by its `webhook-id`."""
    return RequestKey(f"webhook-id\0{identity}".encode("utf-8", "surrogateescape"), content)


class Verification(NamedTuple):
    """The response to a handshake or probe, for which nothing is counted."""

    echo: str | None = None
    """The text of the response; None for the response to an accepted request without results."""


class Gateway(Protocol):
    """A gateway. Methods are stateless, and raise RequestError for invalid input."""

    @property
    def name(self) -> str:
        """The path below `/webhooks/`, the label `source`, and part of the scope of deliveries."""

    @property
    def title(self) -> str:
        """The display name."""

    @property
    def response(self) -> bytes | None:
        """The JSON body of a 2xx response that the gateway expects; None for the exporter's."""

    @property
    def channels(self) -> Collection[str]:
        """The channels named by its description, with or without a code table."""

    @property
    def warnings(self) -> Sequence[str]:
        """Weaknesses of its configuration, for `check-config`."""

    @property
    def settings(self) -> Sequence[str]:
        """The settings, or the keys of its description, that configure its credentials."""

    @property
    def credentials(self) -> Sequence[CredentialSource]:
        """The files of its credentials; without any it refuses all requests."""

    @property
    def accepts_anyone(self) -> bool:
        """Whether it accepts requests without credentials."""

    def recognizes(self, body: bytes) -> bool:
        """Whether a body, without its request, appears to be in this gateway's format."""

    def verification(self, request: ReceivedRequest) -> Verification | None:
        """Return the response to an unauthenticated handshake or probe; else None."""

    def authenticate(self, request: ReceivedRequest, *, fresh: bool = True) -> Credential:
        """Return the credential that authenticates the request.

        Raises RequestError: `missing_credentials`, `bad_signature`, and `stale_timestamp` unless
        `fresh` is False (for a captured request).
        """

    def decode(self, request: ReceivedRequest) -> Iterator[DecodedItems]:
        """Yield the results and the invalid items of the body, in steps of bounded work.

        The event loop may run between steps; a small body is one step. Raises RequestError
        (`malformed_body`, `too_large`) for a body that is not in the gateway's format, possibly
        after some steps; nothing of the body is counted then.
        """

    def request_key(self, request: ReceivedRequest, credential: Credential) -> RequestKey | None:
        """Return the key of the whole request, or None if each result is a delivery."""
