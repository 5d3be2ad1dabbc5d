"""The version of the exporter, and the git commit of this installation."""

from functools import cache
from pathlib import Path

VERSION = "0.1.0"


@cache
def revision() -> str:
    """Return the git commit of this installation, or `unknown`.

    A build has it in the file `REVISION`; in a checkout, git reports it.
    """
    package = Path(__file__).parents[1]
    try:
        return (package / "REVISION").read_text("ascii").strip() or "unknown"
    except OSError:
        return _checked_out(package.parent) or "unknown"


def _checked_out(folder: Path) -> str | None:
    if not (folder / ".git").exists():
        return None
    import subprocess  # noqa: PLC0415 - needed in a checkout only

    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
