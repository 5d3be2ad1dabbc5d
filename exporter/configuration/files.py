"""Files of data: those that are shipped with the code, and those that an operator writes."""

import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from exporter.errors import ConfigurationError


def data_folder(name: str) -> Path:
    """Return a folder of shipped data: inside the package, as in a wheel, or else beside it."""
    package = Path(str(resources.files("exporter")))
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def read_toml(kind: str, path: Path) -> dict[str, Any]:
    """Read a TOML file, with or without a byte order mark.

    Raises ConfigurationError that names the kind of file, its path, and the line if it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        problem = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{kind} {path}: {problem}") from error


def read_bytes(kind: str, path: Path) -> bytes:
    """Read a whole file, without its byte order mark; ConfigurationError names kind and path."""
    try:
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise ConfigurationError(f"{kind} {path}: {error.strerror}") from error


def read_lines(kind: str, path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that is neither blank nor a `#` comment.

    Raises ConfigurationError that names kind and path of a file without such a line.
    """
    try:
        lines = read_bytes(kind, path).decode().splitlines()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{kind} {path}: this is not text in UTF-8") from None
    found = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            found = True
            yield number, text
    if not found:
        raise ConfigurationError(f"{kind} {path}: it is empty, or all comments")
