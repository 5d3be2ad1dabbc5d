"""The command line: parse the arguments, run one command, return the exit status."""

import argparse
import errno
import os
import platform
import sys
from collections.abc import Collection, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from exporter import VERSION, revision
from exporter.commands.errors import CommandError
from exporter.errors import ConfigurationError, RequestError

COMMANDS = {
    "serve": "Run the exporter.",
    "check-config": "Check settings, keys and code tables.",
    "codes": "Print the code tables.",
    "explain": "Explain a code or a payload.",
    "simulate": "Send signed results as a push gateway does.",
    "replay": "Send captured bodies to an exporter.",
    "demo": "Run the exporter with simulated, signed traffic.",
    "ledger": "Administer the PostgreSQL ledger.",
}
"""The purpose of each command; its module has the same name."""

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 1 for a failure, 2 for bad usage, 130 if interrupted."""
    _replace_closed_streams()
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except ConfigurationError as error:
        return _fail(str(error), EXIT_USAGE)
    except RequestError as error:
        return _fail(f"{error.reason}: {error.detail}")
    except CommandError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail_to_write(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(words: Sequence[str]) -> int:
    options = build_parser(_chosen(words)).parse_args(words)
    status = int(options.run(options))
    sys.stdout.flush()  # here, where a closed pipe is expected
    return status


def build_parser(chosen: Collection[str]) -> argparse.ArgumentParser:
    """Build the parser; only the chosen commands are imported, and get their arguments."""
    parser = argparse.ArgumentParser(
        prog="push-result-exporter",
        description="Counts the results of mobile push notifications for Prometheus.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose, allow_abbrev=False)
        if name in chosen:
            module = import_module(f"exporter.commands.{name.replace('-', '_')}")
            module.add_arguments(command)
    return parser


def _chosen(words: Iterable[str]) -> Collection[str]:
    """Return the command among the arguments: the first that is no flag of the program."""
    return [word for word in words if not word.startswith("-")][:1]


class _PrintVersion(argparse.Action):
    """Print what a report of a bug should name."""

    def __call__(self, parser: argparse.ArgumentParser, *_arguments: object) -> NoReturn:
        """Print version, revision, Python and platform, and exit."""
        print(f"push-result-exporter, version {VERSION} (revision: {revision()})")
        print(f"  python:    {platform.python_version()}")
        print(f"  platform:  {sys.platform}/{platform.machine()}")
        parser.exit()


def _fail(message: str, status: int = EXIT_FAILURE) -> int:
    print(f"push-result-exporter: {message}", file=sys.stderr)
    return status


def _fail_to_write(error: OSError) -> int:
    """Report that the output cannot be written; raise any other error again."""
    if error.errno not in _UNWRITABLE or error.filename is not None:
        raise error
    # Discard what is still buffered, which the interpreter would write at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:  # the reader, such as `head`, has enough
        return EXIT_FAILURE
    return _fail(f"cannot write the output: {os.strerror(error.errno)}")


def _replace_closed_streams() -> None:
    """Replace streams that the caller closed (`>&-`), whose numbers a socket would get."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - stays
