"""Warnings about valid settings: settings without effect, and secrets that others can read."""

import shlex
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from exporter.configuration.settings import Settings

_NEEDED_BY = {
    "LEDGER_PASSWORD_FILE": "LEDGER_URL",
    "INSTANCE": "LEDGER_URL",
    "RECORD_MAX_BYTES": "RECORD",
    "RECORD_UNAUTHENTICATED": "RECORD",
}
"""Settings that have no effect unless another setting is set."""


def readable_by_others(settings: Settings, secret_files: Iterable[Path]) -> Iterator[str]:
    """Yield a warning for each file of secrets that others can read, including `secret_files`."""
    private = (settings.ingest_tls, settings.admin_tls)
    passwords = (settings.admin_password_file, settings.ledger_password_file)
    files = {
        *secret_files,
        *(tls.key for tls in private if tls),
        *filter(None, passwords),
    }
    for file in sorted(files):
        if mode := _mode_for_others(file):
            yield (
                f"{file} can be read by every user of this machine (mode {mode:04o}); "
                f"run: chmod o= {shlex.quote(str(file))}"
            )


def without_effect(settings: Settings) -> Iterator[str]:
    """Yield a warning for each setting without effect."""
    given = settings.model_fields_set
    for name, other in _NEEDED_BY.items():
        if name.lower() in given and getattr(settings, other.lower()) is None:
            yield f"{name} has no effect without {other}: set {other}, or remove {name}"
    if "dedupe_max_keys" in given and not settings.dedupe_window_seconds:
        yield "DEDUPE_MAX_KEYS has no effect while DEDUPE_WINDOW_SECONDS is 0: remove one of them"
    own = [tls and tls.prefix != "TLS" for tls in (settings.ingest_tls, settings.admin_tls)]
    if settings.tls_cert_file and all(own):
        yield (
            "TLS_CERT_FILE and TLS_KEY_FILE have no effect, since both listeners have their own "
            "certificates: remove them"
        )


def _mode_for_others(path: Path) -> int | None:
    """Return the mode of a file if every user can reach and read it, else None."""
    try:
        real = path.resolve()
        mode = stat.S_IMODE(real.stat().st_mode)
        folders = [folder.stat().st_mode for folder in real.parents]
    except OSError:
        return None
    readable = mode & stat.S_IROTH and all(folder & stat.S_IXOTH for folder in folders)
    return mode if readable else None
