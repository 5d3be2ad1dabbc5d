"""A fresh Debian with Python, and the wheels of the lock, for images and services in tests."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.programs import program, unavailable

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "deploy" / "image"
PACKAGES = ("binutils", "procps", "python3", "python3-venv", "systemd-sysv")


def run(*command: object) -> str:
    """Run a program; return its output, and show its errors if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def bootstrap(folder: Path) -> None:
    """Install a minimal Debian into a folder, from the mirror that this machine installs from."""
    debootstrap = program("debootstrap", "debootstrap")
    if os.geteuid():
        unavailable("installing a Debian takes root")
    targets = run("apt-get", "indextargets", "--format", "$(COMPONENT) $(CODENAME) $(REPO_URI)")
    lines = [line.split() for line in targets.splitlines() if line.startswith("main ")]
    codename, mirror = next((line[1], line[2]) for line in lines if "-" not in line[1])
    include = f"--include={','.join(PACKAGES)}"
    folder.chmod(0o755)  # the root of a system: services of every user begin there
    run(debootstrap, "--variant=minbase", include, codename, folder, mirror)


def download_wheels(debian: Path, folder: Path) -> None:
    """Download what the locks name, as wheels for the Python of a Debian."""
    python = run("chroot", debian, "python3", "-V").split()[1]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    wheels = ["--only-binary=:all:", "--python-version", python, "--dest", folder]
    run(*pip, *wheels, *(word for lock in LOCKS.glob("*.txt") for word in ("-r", lock)))


def children(parent: int) -> list[int]:
    """Return the processes that a process has started, from any of its threads."""
    tasks = Path(f"/proc/{parent}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]
