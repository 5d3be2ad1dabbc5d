"""The command `codes`: the code tables as text, JSON or CSV."""

import argparse
import csv
import sys
from typing import Any

from exporter.classification.tables import code_rows
from exporter.commands.explain import add_tables, tables
from exporter.commands.output import print_json


def add_codes(parser: argparse.ArgumentParser) -> None:
    """Give the command its flags."""
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="as --format json"
    )
    add_tables(parser)


def print_codes(options: argparse.Namespace) -> int:
    """Print every row, in the format that is asked for."""
    rows = code_rows(tables(options))
    if options.format == "json":
        print_json(rows)
        return 0
    rows = [row | {"aliases": " ".join(row["aliases"])} for row in rows]
    if options.format == "csv":
        writer = csv.DictWriter(sys.stdout, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        _print_table(
            [("channel", "code", "severity", "category", "retry", "name", "aliases")], rows
        )
    return 0


def _print_table(header: list[tuple[str, ...]], rows: list[dict[str, Any]]) -> None:
    lines = header + [tuple(row[name] for name in header[0]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
