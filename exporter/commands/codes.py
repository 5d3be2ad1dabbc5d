"""The command `codes`: the code tables as text, JSON or CSV."""

import argparse
import csv
import sys

from exporter.classification.tables import code_rows, load_tables
from exporter.commands.flags import add_flags
from exporter.commands.output import print_json, print_table
from exporter.configuration.groups import TableSettings
from exporter.configuration.settings import Sourced, load_settings

_COLUMNS = ("channel", "code", "severity", "category", "retry", "name", "aliases")


class CodesSettings(TableSettings, Sourced):
    """The settings of `codes`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="same as --format json"
    )
    add_flags(parser, CodesSettings)
    parser.set_defaults(run=codes)


def codes(options: argparse.Namespace) -> int:
    """Print every row of the code tables."""
    settings = load_settings(CodesSettings, options)
    rows = code_rows(load_tables(settings.code_table_files))
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
