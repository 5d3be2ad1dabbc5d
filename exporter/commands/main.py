"""The entry point: runs a command and returns the exit status."""

import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from exporter.commands.errors import CommandError
from exporter.commands.parser import EXIT_USAGE, parse
from exporter.errors import ConfigurationError, RequestError

EXIT_FAILURE = 1
EXIT_INTERRUPTED = 130

_UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 for a failure, 2 for invalid usage, 130 if interrupted."""
    _prepare_streams()
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        status = int(options.run(options))
        sys.stdout.flush()  # here, where a closed pipe is handled
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
    return status


def _prepare_streams() -> None:
    """Replace closed streams (`>&-`), and escape characters outside their encoding.

    Otherwise a socket could get the file descriptor of a closed stream.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - stays
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
