"""Reads description files: TOML, merged over the description they `use`, then validated."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from exporter.configuration.files import data_folder, read_toml
from exporter.configuration.problems import file_error
from exporter.errors import UNROUTED, ConfigurationError, did_you_mean
from exporter.gateways.described.description import Description

KIND = "gateway description"

_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,31}")


def shipped() -> list[str]:
    """Return the names of the shipped descriptions."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load_description(path: Path) -> Description:
    """Read a description, merged over the shipped description that it uses, if any.

    Raises ConfigurationError with the file and the key.
    """
    data = _read(path)
    if "use" in data:
        base = read_toml(KIND, _folder() / f"{_used(path, data['use'])}.toml")
        data = _merged(base, data)
    else:
        data.setdefault("title", path.stem)
    try:
        return Description.model_validate(data)
    except ValidationError as error:
        raise file_error(KIND, path, error, Description) from None


def shipped_file(name: str) -> Path | None:
    """Return the file of a shipped description, or None for an unknown name."""
    return _folder() / f"{name}.toml" if name in shipped() else None


def name_of(path: Path) -> str:
    """Return the gateway name in a file name; ConfigurationError if it is invalid."""
    if path.suffix != ".toml" or not _NAME.fullmatch(path.stem):
        raise ConfigurationError(
            f"{KIND} {path}: rename the file: its name, which is the gateway's, has 1 to 32 "
            "lower-case letters, digits, - and _, and ends with .toml"
        )
    if path.stem == UNROUTED:
        raise ConfigurationError(
            f"{KIND} {path}: rename the file: {UNROUTED!r} is reserved for requests without a "
            "gateway"
        )
    return path.stem


def _folder() -> Path:
    return data_folder("gateways") / "descriptions"


def _read(path: Path) -> dict[str, Any]:
    """Read a file; the error for the name of a shipped description says how to use that."""
    try:
        return read_toml(KIND, path)
    except ConfigurationError:
        if path.exists() or path.parent != Path() or shipped_file(path.stem) is None:
            raise
    raise ConfigurationError(
        f"{KIND} {path}: no such file; {path.stem!r} is a shipped description: write a file with "
        f'use = "{path.stem}" and its secrets, and name that file here'
    )


def _used(path: Path, name: object) -> str:
    if isinstance(name, str) and name in shipped():
        return name
    known = shipped()
    hint = did_you_mean(str(name), known) or f"; known are {', '.join(known)}"
    raise ConfigurationError(f"{KIND} {path}: use: unknown description {str(name)!r}{hint}")


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge key by key; a different authentication scheme replaces the whole table."""
    merged = dict(base)
    for key, value in over.items():
        merged[key] = _merged(merged[key], value) if _are_tables(merged.get(key), value) else value
    return merged


def _are_tables(base: object, over: object) -> bool:
    """Whether two values are tables to merge; a join or size is replaced as a whole."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return False
    if "scheme" in base and over.get("scheme", base["scheme"]) != base["scheme"]:
        return False
    return not {"join", "size"} & (base.keys() | over.keys())
