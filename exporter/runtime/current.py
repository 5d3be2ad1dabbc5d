"""The current snapshot: loaded at start, replaced as a whole by a reload."""

from collections.abc import Callable

import structlog

from exporter.configuration.settings import Settings
from exporter.errors import ConfigurationError
from exporter.runtime.snapshot import Snapshot, load_snapshot

log = structlog.get_logger()


class Current:
    """The current snapshot, and its subscribers."""

    def __init__(self, settings: Settings) -> None:
        """Load the configured files; ConfigurationError names an unusable file."""
        self.settings = settings
        self.snapshot = load_snapshot(settings)
        self.problem: str | None = None
        """Why the last reload failed, or None."""
        self._subscribers: list[Callable[[Snapshot], None]] = []
        _log_warnings(self.snapshot)

    def subscribe(self, update: Callable[[Snapshot], None]) -> None:
        """Call `update` with the snapshot, now and after each reload."""
        self._subscribers.append(update)
        update(self.snapshot)

    def reload(self) -> None:
        """Load the files again; on ConfigurationError the old snapshot is kept."""
        try:
            snapshot = load_snapshot(self.settings)
        except ConfigurationError as error:
            self.problem = str(error)
            log.error(  # noqa: TRY400 - the message is complete
                "reload failed, the old configuration is kept", problem=self.problem
            )
            raise
        self.snapshot, self.problem = snapshot, None
        for update in self._subscribers:
            update(snapshot)
        _log_warnings(snapshot)
        log.info("configuration reloaded")


def _log_warnings(snapshot: Snapshot) -> None:
    for warning in snapshot.warnings:
        log.warning("gateway description", warning=warning)
