"""The command `config`: write a settings file."""

import argparse
from pathlib import Path

from exporter.configuration.toml import template
from exporter.errors import ConfigurationError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `config`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    purpose = "Write a TOML file with all settings, their descriptions and defaults."
    init = commands.add_parser("init", help=purpose, description=purpose, allow_abbrev=False)
    init.add_argument(
        "file",
        nargs="?",
        default="-",
        metavar="FILE",
        help="file to create (default: -, standard output)",
    )
    init.set_defaults(run=write_template)


def write_template(options: argparse.Namespace) -> int:
    """Write the template; ConfigurationError if the file exists or cannot be written."""
    if options.file == "-":
        print(template(), end="")
        return 0
    try:
        with Path(options.file).open("x", encoding="utf-8") as file:
            file.write(template())
    except OSError as error:
        raise ConfigurationError(f"{options.file}: {error.strerror}") from None
    return 0
