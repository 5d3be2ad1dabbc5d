"""The base of the authentication schemes.

A scheme is one class: its keys in a description, how it checks a request, how it signs one (for
`simulate`, `replay` and `demo`), and its warnings.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from exporter.errors import ConfigurationError
from exporter.gateways.auth.draft import Draft
from exporter.gateways.auth.files import CredentialFile
from exporter.gateways.gateway import Credential, PublicKey, ReceivedRequest

Text = Annotated[str, Field(min_length=1, max_length=2000)]

BodyValues = Callable[[ReceivedRequest], Iterator[Mapping[str, str]]]
"""Yields, for each part of a body that has a signature of its own, the values of `{body:X}`."""


class Known(NamedTuple):
    """A configured credential."""

    credential: Credential
    secret: bytes = b""
    """The shared secret; empty for a public key."""
    verifies: Callable[[Sequence[bytes], bytes], bool] = lambda _signatures, _message: False
    """For a public key: whether one of some signatures is its owner's over a message."""
    key: PublicKey | None = None
    warning: str | None = None
    """What is weak about it."""
    file: CredentialFile | None = None
    """Where it was read; None for what is in no file."""


class Scheme(BaseModel):
    """An authentication scheme of one webhook."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    scheme: str

    challenge: ClassVar[str] = "Secret"
    """The value of `WWW-Authenticate`."""

    @property
    @abstractmethod
    def expected(self) -> str:
        """What a request must have, in its sender's terms."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files of credentials, relative to the description's, each perhaps after an app."""
        return ()

    @abstractmethod
    def load_all(self, gateway: str, files: Sequence[CredentialFile]) -> list[Known]:
        """Read the credentials of all files; ConfigurationError names an unusable file."""

    @abstractmethod
    def authenticate(
        self,
        request: ReceivedRequest,
        known: Sequence[Known],
        body_values: BodyValues | None = None,
        *,
        fresh: bool = True,
    ) -> Credential:
        """Return the credential that matches; with `fresh=False`, of a request of any age.

        Raises RequestError (`missing_credentials`, `bad_signature`, `stale_timestamp`).
        """

    @abstractmethod
    def sign(self, draft: Draft, secret: bytes) -> None:
        """Add to a request what authenticates it."""

    def warnings(self) -> list[str]:
        """Return the weaknesses of the scheme as it is described."""
        return []


class FileScheme(Scheme):
    """A scheme with credentials in files."""

    secrets: tuple[Text, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files of credentials."""
        return self.secrets

    @abstractmethod
    def load(self, gateway: str, file: CredentialFile) -> list[Known]:
        """Read the credentials of a file; ConfigurationError names an unusable one."""

    def load_all(self, gateway: str, files: Sequence[CredentialFile]) -> list[Known]:
        """Read the credentials of all files; ConfigurationError names an unusable file.

        A credential belongs to one app at most: otherwise the app of its results is undefined.
        """
        known: list[Known] = []
        origins: dict[int, CredentialFile] = {}
        for file in files:
            for one in self.load(gateway, file):
                first = origins.setdefault(one.credential.scope, file)
                if first.app != file.app:
                    owner = f"the app {first.app!r}" if first.app else "no app"
                    raise ConfigurationError(
                        f"{file.path}: {first.path} has the same credential for {owner}"
                    )
                known.append(one._replace(file=file))
        return known


def credential_of(gateway: str, secret: bytes, app: str | None = None) -> Credential:
    """Make a credential whose scope depends on nothing but the gateway and the secret."""
    digest = hashlib.sha256(b"\0".join((b"push-result-exporter", gateway.encode(), secret)))
    return Credential(int.from_bytes(digest.digest()[:8], "big"), app=app)
