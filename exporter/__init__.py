"""Counts the results of mobile push notifications, durably and exactly once, for Prometheus."""

from functools import cache
from pathlib import Path

VERSION = "0.1.0"


@cache
def revision() -> str:
    """Return the git commit of this copy, or `unknown`.

    It is in the file `REVISION` of a build; in a checkout, git is asked.
    """
    package = Path(__file__).parent
    try:
        return (package / "REVISION").read_text("ascii").strip() or "unknown"
    except OSError:
        return _checked_out(package.parent) or "unknown"


def _checked_out(folder: Path) -> str | None:
    if not (folder / ".git").exists():
        return None
    import subprocess  # noqa: PLC0415 - a checkout alone needs it

    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
