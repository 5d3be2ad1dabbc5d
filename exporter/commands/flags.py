"""A flag for each setting."""

import argparse
import re
from typing import Any

from pydantic_settings import CliSettingsSource

from exporter.configuration.settings import Settings


def add_flags(parser: argparse.ArgumentParser) -> CliSettingsSource[Settings]:
    """Give a command a flag for each setting; pass what it parsed to `load_settings`."""
    return CliSettingsSource(
        Settings,
        root_parser=parser,
        cli_kebab_case=True,
        cli_hide_none_type=True,
        add_argument_method=_add_flag,
    )


def _add_flag(group: argparse.ArgumentParser, *names: str, **options: Any) -> argparse.Action:
    """Show what a flag takes in the reader's words, and let a switch stand alone."""
    kind = options["metavar"]
    if kind == "bool":
        options |= {"nargs": "?", "const": "true"}
    words = {"Path": "FILE", "tuple[Path,...]": "FILE[,FILE]", "str": "TEXT", "bool": "true|false"}
    options["metavar"] = words.get(kind, kind.upper() if kind.isalpha() else kind)
    if "--record" in names:
        options["metavar"] = "DIR"
    options["help"] = re.sub(
        r" \(default: (\(\)|None)\)| \(default factory: .*\)", "", options["help"]
    )
    return group.add_argument(*names, **options)
