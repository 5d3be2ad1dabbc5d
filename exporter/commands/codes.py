"""The command `codes`: the code tables as text, JSON or CSV."""

import argparse
import csv
import sys

from exporter.classification.classifier import Classifier
from exporter.classification.tables import Tables, code_rows, load_tables
from exporter.commands.completers import CodesSettings, complete_channel
from exporter.commands.flags import add_flags
from exporter.commands.output import print_json, print_table
from exporter.configuration.settings import load_settings
from exporter.errors import ConfigurationError
from exporter.explain.codes import unknown_channel

_COLUMNS = ("channel", "code", "severity", "category", "retry", "name", "aliases")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments and flags."""
    channels = parser.add_argument(
        "channels", nargs="*", metavar="CHANNEL", help="print only this channel"
    )
    channels.completer = complete_channel  # type: ignore[attr-defined] # argcomplete's way
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="same as --format json"
    )
    add_flags(parser, CodesSettings)
    parser.set_defaults(run=codes)


def codes(options: argparse.Namespace) -> int:
    """Print the rows of the code tables, or of some channels."""
    tables = load_tables(load_settings(CodesSettings, options).code_table_files)
    rows = code_rows(_tables_of(options.channels, tables) if options.channels else tables)
    if options.format == "json":
        print_json(rows)
        return 0
    rows = [row | {"aliases": " ".join(row["aliases"])} for row in rows]
    if options.format == "csv":
        writer = csv.DictWriter(sys.stdout, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        print_table(_COLUMNS, [tuple(row[name] for name in _COLUMNS) for row in rows])
    return 0


def _tables_of(words: list[str], tables: Tables) -> Tables:
    """Return the tables of channels, by name or alias."""
    classifier = Classifier(tables)
    names = {word: classifier.channel(word) for word in words}
    for word, name in names.items():
        if name is None:
            raise ConfigurationError(unknown_channel(classifier, word))
    return {name: table for name, table in tables.items() if name in names.values()}
