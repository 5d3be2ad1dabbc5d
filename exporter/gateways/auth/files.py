"""Files of tokens, secrets and keys, each optionally of one app."""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from exporter.configuration.fields import is_app_name
from exporter.configuration.files import read_lines
from exporter.errors import ConfigurationError

_CONTENT = re.compile(
    r"whsec_|ssh-|-----BEGIN|MI[GI][A-Za-z0-9+/=]{20}|.*\n"
    r"|(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[A-Za-z0-9+=_-]{24,}$"
    r"|(?:[0-9a-f]{32,}|[0-9A-F]{32,})$",
    re.ASCII,
)
"""Matches keys and secrets, as opposed to paths, by known prefixes or random characters."""


class CredentialFile(NamedTuple):
    """A file of credentials."""

    path: Path
    app: str | None = None
    """The app of all results sent with these credentials; None if the request names it."""

    @property
    def quoted(self) -> str:
        """The path, quoted for a shell."""
        return shlex.quote(str(self.path))

    @property
    def new(self) -> str:
        """The path of a new file beside it, quoted for a shell: advice never overwrites a file."""
        return shlex.quote(f"{self.path}.new")


def credential_files(
    entries: Iterable[Path | str], apps: Collection[str] = (), folder: Path | None = None
) -> list[CredentialFile]:
    """Split entries written as `path` or, for a declared app, as `app=path`.

    Raises ConfigurationError for an entry that is a key or secret instead of a path.
    """
    return [_split(str(entry), apps, folder or Path()) for entry in entries]


def _split(entry: str, apps: Collection[str], folder: Path) -> CredentialFile:
    app, equals, path = entry.partition("=")
    if not equals or app not in apps:
        app, path = "", entry
    file = CredentialFile(folder / path, app or None)
    if file.path.exists():
        return file
    if _CONTENT.match(path):
        raise ConfigurationError(  # without the entry, which may be a secret
            "this looks like a key or secret: write it to a file, and set the file's path here"
        )
    undeclared, equals, path = path.partition("=")
    if equals and is_app_name(undeclared) and (folder / path).exists():
        raise ConfigurationError(f"{undeclared!r} is not in APPS: add it there")
    return file


def read_secrets(kind: str, file: CredentialFile) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line, which is a secret.

    Raises ConfigurationError for an empty file, and for a key or certificate, whose lines are not
    secrets.
    """
    for number, line in read_lines(kind, file.path):
        if line.startswith("-----"):
            raise ConfigurationError(
                f"{kind} {file.path}: line {number} is part of a key or certificate (PEM), not a "
                f"secret. Make a secret: openssl rand -base64 32 > {file.new}"
            )
        yield number, line
