"""The interface of a gateway: authenticating, decoding and identifying a request."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from exporter.results import DecodedItems


class ReceivedRequest:
    """A request within its limits, not yet authenticated."""

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
        """The bytes as sent, which a signature covers."""
        self.content = body if content is None else content
        """The body without its Content-Encoding, which is decoded."""
        self.headers: Mapping[str, str] = {} if headers is None else headers
        """By name in any case; of a repeated header, the first."""
        self.query: Mapping[str, str] = {} if query is None else query
        """The query parameters by name; of a repeated one, the first."""
        self.address = address
        """Returns host, path and query of the URL; its scheme is not known behind a proxy."""

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty if none is given."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class Credential(NamedTuple):
    """The credential that authenticated a request."""

    scope: int
    """64 bits derived from the gateway and the credential, stable across restarts and reloads.

    Deduplication keys are scoped to it, so that no sender can lose another one's results; nothing
    of the credential can be found in it.
    """
    proven: bool = True
    """Whether there was a credential at all: False where ALLOW_UNSIGNED let the request in."""
    app: str | None = None
    """The app that the credential belongs to, if it is named by app."""
    request_id: str | None = None
    """The id of the request, where the signature covers it."""


class PublicKey(msgspec.Struct, frozen=True):
    """An RSA public key."""

    bits: int
    fingerprint: str
    """SHA-256 of its DER form, in hex: `openssl pkey -pubin -outform DER | sha256sum`."""


class CredentialSource(msgspec.Struct, frozen=True):
    """A file of credentials, without its secrets, which are only counted."""

    setting: str
    """The setting, or the key of a description, that names the file."""
    file: str
    scheme: str
    app: str | None = None
    """The app of all results sent with these credentials; None if the request names it."""
    keys: list[PublicKey] = []
    secrets: int = 0

    def __str__(self) -> str:
        """Describe the content and where it is."""
        keys = [f"RSA {key.bits} bits, SHA-256 {key.fingerprint}" for key in self.keys]
        kind = "bearer token" if self.scheme == "bearer" else f"{self.scheme} secret"
        count = f"{self.secrets} {kind}{'s' if self.secrets > 1 else ''}"
        app = f", app {self.app}" if self.app else ""
        return f"{'; '.join(keys) or count} ({self.setting}: {self.file}{app})"


class RequestKey(msgspec.Struct, frozen=True, gc=False):
    """What makes a whole request one delivery."""

    identity: bytes
    content: bytes | None = None
    """The body where it is not the identity (`webhook-id`): the same identity with a different
    body is a conflict. None where there can be none."""


def webhook_key(identity: str, content: bytes) -> RequestKey:
    """Identify a request by the id that its sender gave it."""
    return RequestKey(f"webhook-id\0{identity}".encode("utf-8", "surrogateescape"), content)


class Verification(NamedTuple):
    """The response to a request that only tests the address, and of which nothing is counted."""

    echo: str | None = None
    """The text to respond with; None for the response to an accepted request without results."""


class Gateway(Protocol):
    """One sender's format; no method keeps state, and invalid input raises RequestError."""

    @property
    def name(self) -> str:
        """The path below `/webhooks/`, the label `source`, and the scope of duplicates."""

    @property
    def title(self) -> str:
        """The display name."""

    @property
    def response(self) -> bytes | None:
        """The body of a 2xx as the gateway expects it (JSON), or None for the exporter's own."""

    @property
    def channels(self) -> Collection[str]:
        """The channels that its description names: channels, whether a table has them or not."""

    @property
    def warnings(self) -> Sequence[str]:
        """Weaknesses of its configuration, for `check-config`."""

    @property
    def settings(self) -> Sequence[str]:
        """The settings, or the keys of its description, that give it credentials."""

    @property
    def credentials(self) -> Sequence[CredentialSource]:
        """The files of its credentials; it refuses every request if there are none."""

    @property
    def accepts_anyone(self) -> bool:
        """Whether it needs no credentials after all."""

    def recognizes(self, body: bytes) -> bool:
        """Whether a body without its request is in this format rather than in another."""

    def verification(self, request: ReceivedRequest) -> Verification | None:
        """Return the response to a handshake or probe, which needs no credentials; else None."""

    def authenticate(self, request: ReceivedRequest, *, fresh: bool = True) -> Credential:
        """Return the credential that matches the request, over its raw bytes.

        Raises RequestError: `missing_credentials`, `bad_signature`, and `stale_timestamp` unless
        `fresh` is False (for a captured request).
        """

    def decode(self, request: ReceivedRequest) -> Iterator[DecodedItems]:
        """Yield the results and the invalid items of the body, in steps of bounded work.

        The event loop may run between two steps; a small body is one step. Raises RequestError
        (`malformed_body`, `too_large`) for a body that is not in the gateway's format, perhaps
        after some steps: then nothing of it counts.
        """

    def request_key(self, request: ReceivedRequest, credential: Credential) -> RequestKey | None:
        """Return the key of the whole request, or None where each result has its own."""
