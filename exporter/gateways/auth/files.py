"""The files of tokens, secrets and keys, each perhaps of one app."""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from exporter.configuration.files import read_lines
from exporter.errors import ConfigurationError

_CONTENT = re.compile(
    r"whsec_|ssh-|-----BEGIN|MI[GI][A-Za-z0-9+/=]{20}|.*\n"
    r"|(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[A-Za-z0-9+=_-]{24,}$",
    re.ASCII,
)
"""What begins like a key or a secret rather than a path: known prefixes, or random characters."""


class CredentialFile(NamedTuple):
    """A file of credentials."""

    path: Path
    app: str | None = None
    """The app of all results sent with these credentials; None if the request names it."""

    @property
    def quoted(self) -> str:
        """The path as a shell takes it."""
        return shlex.quote(str(self.path))


def credential_files(
    entries: Iterable[Path | str], apps: Collection[str] = (), folder: Path | None = None
) -> list[CredentialFile]:
    """Split entries written as `path` or, for a declared app, as `app=path`.

    Raises ConfigurationError for an entry that is no path but the content of such a file.
    """
    return [_split(str(entry), apps, folder or Path()) for entry in entries]


def _split(entry: str, apps: Collection[str], folder: Path) -> CredentialFile:
    app, equals, path = entry.partition("=")
    if not equals or app not in apps:
        app, path = "", entry
    file = CredentialFile(folder / path, app or None)
    if _CONTENT.match(path) and not file.path.exists():  # and is not repeated here
        raise ConfigurationError(
            "this looks like a key or secret itself: write it to a file, and give the file's name"
        )
    return file


def read_secrets(kind: str, file: CredentialFile) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that holds a secret.

    Raises ConfigurationError for a file without any, and for a key or certificate, the first line
    of which is public.
    """
    for number, line in read_lines(kind, file.path):
        if line.startswith("-----"):
            raise ConfigurationError(
                f"{kind} {file.path}: line {number} belongs to a key or certificate (PEM), which "
                f"is no secret. Make one: openssl rand -base64 32 > {file.quoted}"
            )
        yield number, line
