"""Adds a flag for each setting that a command uses."""

import argparse
import re
from typing import Any

from pydantic_settings import CliSettingsSource

from exporter.configuration.settings import Sourced

_MAX_IN_USAGE = 10
"""Maximum number of flags in the usage line of `--help`."""

_METAVARS = {
    "Path": "FILE",
    "tuple[Path,...]": "FILE[,FILE]",
    "tuple[str,...]": "NAME[,NAME]",
    "str": "TEXT",
    "bool": "true|false",
}


def add_flags(parser: argparse.ArgumentParser, kind: type[Sourced]) -> None:
    """Add a flag for each setting of a kind, for `load_settings`."""
    flags = CliSettingsSource[Any](
        kind,
        root_parser=parser,
        cli_kebab_case=True,
        cli_hide_none_type=True,
        add_argument_method=_add_flag,
    )
    parser.set_defaults(flags=flags)
    if parser.usage is None and len(kind.model_fields) > _MAX_IN_USAGE:
        parser.usage = "%(prog)s [FLAG ...]"


def _add_flag(group: argparse.ArgumentParser, *names: str, **options: Any) -> argparse.Action:
    """Add a flag with a readable metavar, and an optional value for a boolean."""
    kind = options["metavar"]
    if kind == "bool":
        options |= {"nargs": "?", "const": "true"}
    options["metavar"] = _METAVARS.get(kind, kind.upper() if kind.isalpha() else kind)
    if "--record" in names:
        options["metavar"] = "DIR"
    text = re.sub(r" \(default: (\(\)|None|null)\)| \(default factory: .*\)", "", options["help"])
    options["help"] = text.replace("(default: False)", "(default: false)")
    action = group.add_argument(*names, **options)
    if kind.startswith("{"):
        choices = kind.strip("{}").split(",")
        action.completer = lambda **_context: choices  # type: ignore[attr-defined] # argcomplete's
    return action
