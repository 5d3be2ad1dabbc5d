"""Reads files: shipped data, and the operator's files."""

import hashlib
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import resources
from pathlib import Path
from typing import Any

from exporter.errors import ConfigurationError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Digests = dict[Path, bytes | None]
"""A digest of the content of each file, or None for a file that cannot be read."""

_RECORDING: ContextVar[tuple[Digests, ...]] = ContextVar("files that are being read", default=())


def data_folder(name: str) -> Path:
    """Return a folder of shipped data: inside the package, as in a wheel, or beside it."""
    package = Path(str(resources.files("exporter")))
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def is_shipped(path: Path) -> bool:
    """Whether a file is part of this version of the exporter."""
    return any(path.is_relative_to(data_folder(name)) for name in ("codes", "gateways"))


@contextmanager
def recording() -> Iterator[Digests]:
    """Record the operator's files that are read within the context, readable or not."""
    digests: Digests = {}
    token = _RECORDING.set((*_RECORDING.get(), digests))
    try:
        yield digests
    finally:
        _RECORDING.reset(token)


def digest_of(path: Path) -> bytes | None:
    """Return the digest of a file's current content, or None if it cannot be read."""
    try:
        return _digest(path.read_bytes())
    except OSError:
        return None


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def read_bytes(kind: str, path: Path) -> bytes:
    """Read a whole file, without its byte order mark; ConfigurationError names kind and path."""
    try:
        content = path.read_bytes()
    except OSError as error:
        _record(path, None)
        raise ConfigurationError(f"{kind} {path}: {error.strerror}") from error
    _record(path, _digest(content))
    return content.removeprefix(_BYTE_ORDER_MARK)


def _record(path: Path, digest: bytes | None) -> None:
    recorders = _RECORDING.get()
    if recorders and not is_shipped(path):
        for digests in recorders:
            digests[path] = digest


def read_toml(kind: str, path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises ConfigurationError with the kind of file, its path, and the line of a syntax error.
    """
    try:
        return tomllib.loads(read_bytes(kind, path).decode())
    except (ValueError, RecursionError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"{kind} {path}: {error}") from error


def read_lines(kind: str, path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that is neither blank nor a `#` comment.

    Raises ConfigurationError with the kind and path of a file without such a line.
    """
    try:
        lines = read_bytes(kind, path).decode().splitlines()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{kind} {path}: not UTF-8 text") from None
    found = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            found = True
            yield number, text
    if not found:
        raise ConfigurationError(f"{kind} {path}: empty, or only comments")
