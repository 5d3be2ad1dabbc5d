"""The base of the authentication schemes.

A scheme is one class, with its keys in a description, its authentication of a request, its signing
of a draft (for `simulate`, `replay` and `demo`), and its warnings.
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
"""Yields the values of `{body:X}` for each separately signed part of a body."""


class Known(NamedTuple):
    """A configured credential."""

    credential: Credential
    secret: bytes = b""
    """The shared secret; empty for a public key."""
    verifies: Callable[[Sequence[bytes], bytes], bool] = lambda _signatures, _message: False
    """For a public key: returns whether the key verifies any of the signatures of a message."""
    key: PublicKey | None = None
    warning: str | None = None
    """A weakness of the credential."""
    file: CredentialFile | None = None
    """The file from which it was read; None for a credential without a file."""


class Scheme(BaseModel):
    """An authentication scheme of one webhook."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True
    )

    scheme: str

    challenge: ClassVar[str] = "Secret"
    """The value of `WWW-Authenticate`."""

    @property
    @abstractmethod
    def expected(self) -> str:
        """The required credentials, in the sender's terms."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files of credentials, `path` or `app=path`, relative to the description."""
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
        """Return the matching credential; with `fresh=False`, without a check of the timestamp.

        Raises RequestError (`missing_credentials`, `bad_signature`, `stale_timestamp`).
        """

    @abstractmethod
    def sign(self, draft: Draft, secret: bytes) -> None:
        """Add credentials to a request."""

    def warnings(self) -> list[str]:
        """Return the weaknesses of the scheme as configured."""
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
        """Read the credentials of a file; ConfigurationError names an unusable file."""

    def load_all(self, gateway: str, files: Sequence[CredentialFile]) -> list[Known]:
        """Read the credentials of all files; ConfigurationError names an unusable file.

        A credential belongs to at most one app, since it determines the app of its results.
        """
        credentials: list[Known] = []
        origins: dict[int, CredentialFile] = {}
        for file in files:
            for known in self.load(gateway, file):
                first = origins.setdefault(known.credential.scope, file)
                if first.app != file.app:
                    owner = f"the app {first.app!r}" if first.app else "no app"
                    raise ConfigurationError(
                        f"{file.path}: {first.path} has the same credential for {owner}"
                    )
                credentials.append(known._replace(file=file))
        return credentials


def credential_of(gateway: str, secret: bytes, app: str | None = None) -> Credential:
    """Make a credential whose scope depends on the gateway and the secret only."""
    digest = hashlib.sha256(b"\0".join((b"push-result-exporter", gateway.encode(), secret)))
    return Credential(int.from_bytes(digest.digest()[:8], "big"), app=app)
