"""Push libraries and HTTP clients of npm and PyPI, installed once, in locked versions."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.support.programs import unavailable

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "libraries"
"""The programs that use the libraries, and the locks."""

_CACHE = ROOT / ".venv-libraries"
_LOCKS = ("package-lock.json", "requirements.txt")


class Libraries(NamedTuple):
    """A virtual environment with Node.js in it, and a folder of npm packages."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables in which both interpreters are found first."""
        path = f"{self.folder / 'python' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore"}

    def command(self, folder: Path, program: str, beside: Iterable[Path] = ()) -> list[str]:
        """Copy a program and what it imports to a folder; return the command that runs it there."""
        for file in (PROGRAMS / program, *beside):
            shutil.copy(file, folder)
        modules = folder / "node_modules"
        if not modules.exists():
            modules.symlink_to(self.folder / "node_modules")
        interpreter = {".mjs": "node", ".py": "python", ".sh": "sh"}[Path(program).suffix]
        return [interpreter, str(folder / program)]


def installed_libraries() -> Libraries:
    """Install the locked libraries unless they are installed; skip the test without a registry."""
    locks = b"".join((PROGRAMS / name).read_bytes() for name in _LOCKS)
    version = hashlib.sha256(sys.version.encode() + locks).hexdigest()
    _CACHE.mkdir(exist_ok=True)
    stamp = _CACHE / "installed"
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers may want them at once
        if not stamp.exists() or stamp.read_text() != version:
            stamp.unlink(missing_ok=True)
            _install()
            stamp.write_text(version)
    return Libraries(_CACHE)


def _install() -> None:
    python = _CACHE / "python"
    packages = ("--no-deps", "--require-hashes", "-r", PROGRAMS / "requirements.txt")
    _run(_uv(), "venv", "--quiet", "--clear", "--python", sys.executable, python)
    _run(_uv(), "pip", "install", "--quiet", "--python", python / "bin" / "python", *packages)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PROGRAMS / name, _CACHE)
    quiet = ("--silent", "--no-audit", "--no-fund")
    _run(python / "bin" / "npm", "ci", *quiet, "--omit=optional", "--ignore-scripts")


def _uv() -> Path:
    for folder in (Path(sys.executable).parent, ROOT / ".venv" / "bin"):
        if (folder / "uv").exists():
            return folder / "uv"
    return unavailable("uv, which installs the libraries, is not installed: make .venv/developer")


def _run(*command: object) -> None:
    words = [str(word) for word in command]
    environment = Libraries(_CACHE).environment
    done = subprocess.run(
        words, cwd=_CACHE, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        unavailable(f"the libraries cannot be installed: {words}: {done.stderr[-2000:]}")
