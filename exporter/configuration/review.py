"""Warnings about valid settings: without effect, or with secrets that others can read."""

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
"""Settings without effect unless the other one is set."""


def readable_by_others(settings: Settings, secret_files: Iterable[Path]) -> Iterator[str]:
    """Yield a warning for each secret that others can read, `secret_files` among them."""
    private = (settings.ingest_tls, settings.admin_tls)
    files = {
        *secret_files,
        *(tls.key for tls in private if tls),
        *(one for one in (settings.admin_password_file, settings.ledger_password_file) if one),
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
        yield "DEDUPE_MAX_KEYS has no effect while DEDUPE_WINDOW_SECONDS is 0"
    own = [tls and tls.prefix != "TLS" for tls in (settings.ingest_tls, settings.admin_tls)]
    if settings.tls_cert_file and all(own):
        yield (
            "TLS_CERT_FILE and TLS_KEY_FILE have no effect: both listeners have certificates of "
            "their own"
        )


def _mode_for_others(path: Path) -> int | None:
    """Return the mode of a file that every user can read, whose folders let them in."""
    try:
        real = path.resolve()
        mode = stat.S_IMODE(real.stat().st_mode)
        folders = [one.stat().st_mode for one in real.parents]
    except OSError:
        return None
    readable = mode & stat.S_IROTH and all(one & stat.S_IXOTH for one in folders)
    return mode if readable else None
