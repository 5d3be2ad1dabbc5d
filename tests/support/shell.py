"""Shell examples of a document, run as one session beside a real exporter."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.exporter import KeyPair
from tests.support.markdown import NOT_TESTED, ROOT, Block
from tests.support.programs import DEADLINE, free_port

_BETWEEN = "=== the output of the next example ==="

_SESSION = rf"""
set -euo pipefail
trap stop EXIT

stop() {{
    if [ -e exporter.pid ]; then kill "$(cat exporter.pid)" && wait || true; rm exporter.pid; fi
}}

# What runs until Ctrl-C runs in the background, and gives way to the next one.
push-result-exporter() {{
    if [ "$1" != serve ]; then command push-result-exporter "$@"; return; fi
    stop
    command push-result-exporter "$@" > exporter.log 2>&1 &
    echo $! > exporter.pid
    for _ in $(seq {DEADLINE * 5}); do
        if command curl -sf "http://127.0.0.1:$PUSH_EXPORTER_ADMIN_PORT/-/ready"; then return; fi
        kill -0 $! || {{ cat exporter.log >&2; exit 1; }}
        sleep 0.2
    done > /dev/null
    exit 1
}}

# A refused request fails the example; the pause is that of someone who types.
curl() {{ command curl --silent --show-error --fail-with-body "$@"; sleep 0.3; }}

# The target exists; what it does is not for a test inside it.
make() {{ command make --dry-run --directory {ROOT} "$@" > /dev/null; }}
"""


def runnable(blocks: Sequence[Block]) -> list[Block]:
    """Select the shell examples without a reason not to run them."""
    shell = [block for block in blocks if block.language == "sh"]
    return [block for block in shell if not block.code.startswith(NOT_TESTED)]


def run_examples(blocks: Sequence[Block], folder: Path, keys: KeyPair) -> dict[Block, str]:
    """Run a document's examples in order; return what each printed.

    `folder` gets what the documents presuppose: a checkout, the gateway's key, and each TOML
    example whose first line is a comment with its file's name. Ports are free ones.
    """
    for name in ("deploy", "codes", "tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "mps-public-key.txt").write_bytes(keys.public.read_bytes())
    for block in blocks:
        first = block.code.partition("\n")[0]
        if block.language == "toml" and first.startswith("# ") and first.endswith(".toml"):
            (folder / first.removeprefix("# ")).write_text(block.code, "utf-8")
    examples = runnable(blocks)
    printed = _bash(f"echo '{_BETWEEN}'\n".join(block.code for block in examples), folder)
    return dict(zip(examples, printed.split(f"{_BETWEEN}\n"), strict=True))


def _bash(script: str, folder: Path) -> str:
    ports = {"10987": str(free_port()), "10988": str(free_port())}
    for usual, free in ports.items():
        script = script.replace(usual, free)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PUSH_EXPORTER_INGEST_PORT": ports["10987"],
        "PUSH_EXPORTER_ADMIN_PORT": ports["10988"],
    }
    done = subprocess.run(
        ["bash", "-c", _SESSION + script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
