"""Structured logs on standard error, including those of libraries."""

import logging
import select
import sys
from typing import Literal, TextIO

import structlog

_PIECE = 400
"""Number of characters written at once: at most 4 KiB, for which a writable pipe has room."""


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes log lines, and drops them while the pipe is full.

    A write to a full pipe would block the event loop.
    """

    _is_cut = False
    """Whether the last line was dropped in part."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line in pieces, as long as there is room."""
        try:
            line = f"{self.terminator * self._is_cut}{self.format(record)}{self.terminator}"
            for start in range(0, len(line), _PIECE):
                if not _has_room(self.stream):
                    self._is_cut |= start > 0
                    return
                self.stream.write(line[start : start + _PIECE])
                self.flush()
            self._is_cut = False
        except Exception:  # noqa: BLE001 - as in StreamHandler
            self.handleError(record)


def _has_room(stream: TextIO) -> bool:
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # it is closed, or no file
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def configure_logs(level: str, form: Literal["console", "logfmt", "json"]) -> None:
    """Route all log lines of the process through structlog."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_renderers(form),
        ],
    )
    handler = LogHandler(sys.stderr)
    handler.setFormatter(formatter)
    # Libraries log at least at `info`: their debug lines do not help to debug requests.
    ours = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=max(ours, logging.INFO), force=True)
    logging.getLogger("exporter").setLevel(ours)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _renderers(form: Literal["console", "logfmt", "json"]) -> list[structlog.typing.Processor]:
    if form == "console":
        # Plain tracebacks: coloured ones include local variables, and so tokens.
        return [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    order = ("timestamp", "level", "logger", "event")
    return [
        structlog.processors.format_exc_info,
        structlog.processors.LogfmtRenderer(key_order=order, drop_missing=True),
    ]
