"""The entry point: runs a command and returns the exit status."""

import errno
import io
import os
import sys
from collections.abc import Sequence

from exporter.commands.errors import CommandError
from exporter.commands.parser import EXIT_USAGE, parse
from exporter.errors import ConfigurationError, ListenError, RequestError

EXIT_FAILURE = 1
EXIT_INTERRUPTED = 130

_UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 for a failure, 2 for invalid usage, 130 if interrupted."""
    _prepare_streams()
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except ConfigurationError as error:
        return _fail(str(error), EXIT_USAGE)
    except RequestError as error:
        return _fail(f"{error.reason}: {error.detail}")
    except (CommandError, ListenError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail_to_write(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(arguments: Sequence[str]) -> int:
    """Run a command; flush its output here, where the caller handles a failure."""
    try:
        options = parse(arguments)
        return int(options.run(options))
    finally:
        sys.stdout.flush()


def _prepare_streams() -> None:
    """Replace closed streams (`>&-`), and escape characters outside their encoding.

    Otherwise a socket could get the file descriptor of a closed stream, for which libuv aborts.
    Writing to a closed stdout fails, as in other programs: its replacement is read-only.
    """
    for name, access, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_RDONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, access), mode, encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fail(message: str, status: int = EXIT_FAILURE) -> int:
    print(f"push-result-exporter: {message}", file=sys.stderr)
    return status


def _fail_to_write(error: OSError) -> int:
    """Report that the output cannot be written; re-raise any other error."""
    if error.errno not in _UNWRITABLE or error.filename is not None:
        raise error
    # Discard the buffer, which the interpreter would flush at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:  # the reader, such as `head`, has finished
        return EXIT_FAILURE
    return _fail(f"cannot write the output: {os.strerror(error.errno)}")
