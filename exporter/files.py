"""Files of data: those that are shipped with the code, and those that an operator writes."""

import tomllib
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
