"""What every gateway provides: who sent a request, what it holds, and what makes it unique."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from exporter.results import Batch


class ReceivedRequest:
    """A request within its bounds, before anything in it is believed."""

    def __init__(
        self,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        *,
        content: bytes | None = None,
        url: Callable[[], str] = str,
    ) -> None:
        self.body = body
        """The bytes as they were sent: what a signature is made over."""
        self.content = body if content is None else content
        """The same without Content-Encoding: what is decoded."""
        self.headers: Mapping[str, str] = {} if headers is None else headers
        """By name whatever its case; of a header that is repeated, the first."""
        self.query: Mapping[str, str] = {} if query is None else query
        """The parameters by name; of one that is repeated, the first."""
        self.url = url
        """Puts the whole address together, as far as the exporter knows it behind a proxy."""

    def unpacked(self) -> "ReceivedRequest":
        """Return the same request, as if its body had come without Content-Encoding."""
        return ReceivedRequest(self.content, self.headers, self.query, url=self.url)

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty if none is given."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class Credential(NamedTuple):
    """What let a request in."""

    scope: int
    """64 bits made of the gateway and the credential: the same after a restart or a reload.

    Deduplication keys are scoped to it, so that no sender can lose another one's results; nothing
    of the credential can be found in it.
    """
    proven: bool = True
    """Whether there was a credential at all: False where ALLOW_UNSIGNED let the request in."""


class RequestKey(msgspec.Struct, frozen=True, gc=False):
    """What makes a whole request one delivery."""

    identity: bytes
    content: bytes | None = None
    """The body where it is not the identity (`webhook-id`): the same identity with a different
    body is a conflict. None where there can be none."""


class Gateway(Protocol):
    """One sender's format; no method keeps state, and what a sender says raises RequestError."""

    @property
    def name(self) -> str:
        """The path below `/webhooks/`, the label `source`, and the scope of duplicates."""

    @property
    def title(self) -> str:
        """The name for people."""

    @property
    def response(self) -> bytes | None:
        """The body of a 2xx as the gateway expects it (JSON), or None for the exporter's own."""

    @property
    def channels(self) -> Collection[str]:
        """The channels that its description names: channels, whether a table has them or not."""

    @property
    def warnings(self) -> Sequence[str]:
        """What the operator should know of its description, for `check-config`."""

    @property
    def lacking(self) -> str | None:
        """The settings that would give it a credential, if it has none: it answers 401."""

    def recognizes(self, body: bytes) -> bool:
        """Whether a body without its request is in this format rather than in another."""

    def handshake(self, request: ReceivedRequest) -> str | None:
        """Return the text with which a request that only tries the address is answered."""

    def authenticate(self, request: ReceivedRequest, *, fresh: bool = True) -> Credential:
        """Return the credential that fits the request over its raw bytes.

        Raises RequestError: `missing_credentials`, `bad_signature`, and `stale_timestamp` unless
        `fresh` is False (for a request that was captured).
        """

    def decode(self, request: ReceivedRequest) -> Batch:
        """Return the results of the body, and the items that are none.

        Raises RequestError (`malformed_body`) for a body that is not in the gateway's format.
        """

    def request_key(self, request: ReceivedRequest, credential: Credential) -> RequestKey | None:
        """Return the key of the whole request, or None where each result has its own."""
