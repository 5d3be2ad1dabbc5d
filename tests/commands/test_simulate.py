"""The command `simulate`."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.commands import ROOT, Capture, refused
from tests.support.exporter import KeyPair


def test_simulate_draws_a_bar_and_prints_json() -> None:
    """Where the end is known a terminal shows a bar; `--json` is the summary for a script."""
    terminal, inside = os.openpty()
    words = [sys.executable, "-m", "exporter", "simulate", "--url", "http://127.0.0.1:1", "--json"]
    words += ["--count", "3", "--rate", "5"]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=inside, check=False, cwd=ROOT, timeout=60
    )
    os.close(inside)
    shown = os.read(terminal, 65536)
    os.close(terminal)
    assert done.returncode == 1
    assert b"\r[##########....................] 1 call sent, " in shown
    summary = json.loads(done.stdout)
    assert summary.pop("seconds") > 0
    assert summary == {
        "sent": 3,
        "answers": {"no answer": 3},
        "results": {},
        "reasons": {},
        "failures": {"Connection refused": 3},
        "all_accepted": False,
    }


def test_simulate_with_a_bad_key(capsys: Capture, tmp_path: Path, keys: KeyPair) -> None:
    """A private key that is missing, or is no private key, is refused by name."""
    absent = str(tmp_path / "absent.pem")
    for key in (absent, str(keys.public)):
        assert key in refused(capsys, "simulate", "--private-key", key, "--count", "1")


def test_simulate_to_no_url(capsys: Capture) -> None:
    """Nothing is sent to what is no URL, and it is repeated."""
    assert "'127.0.0.1:10987'" in refused(capsys, "simulate", "--url", "127.0.0.1:10987")
