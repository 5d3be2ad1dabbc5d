"""Output of commands: tables for people, JSON for scripts."""

import codecs
import json
import sys
from collections.abc import Collection, Iterable, Sequence


def print_json(value: object) -> None:
    """Print a value as JSON, in ASCII unless the output is UTF-8."""
    is_utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
    json.dump(value, sys.stdout, ensure_ascii=not is_utf8, indent=1)
    print()


def print_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = ()
) -> None:
    """Print rows in columns; the columns named in `right` are right-aligned."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(line, widths, header, strict=True)
        )
        print("  ".join(cells).rstrip())
