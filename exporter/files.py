"""Files that an operator writes: read in one way, so that each is forgiven the same things."""

import tomllib
from pathlib import Path
from typing import Any

from exporter.errors import ConfigurationError


def read_toml(kind: str, path: Path) -> dict[str, Any]:
    """Read a TOML file, with or without a byte order mark.

    Raises ConfigurationError that names the kind of file, its path, and the line if it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        problem = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{kind} {path}: {problem}") from error
