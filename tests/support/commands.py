"""Commands, run inside the test or as a program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.commands.main import main

ROOT = Path(__file__).parents[2]

CUSTOM_TABLE = """
channel = "apns"
[codes.4242]
name = "TooHot"
description = "The phone is too hot."
severity = "warning"
category = "unreachable"
retry = "backoff"
action = "Wait."
"""
"""A code table with code 4242 of APNs."""

Capture = pytest.CaptureFixture[str]


def printed(capsys: Capture, *words: str) -> str:
    """Run a command that must succeed without a message; return its output."""
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def refused(capsys: Capture, *words: str) -> str:
    """Run a command that must fail for bad usage; return its error message."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("push-result-exporter: ")
    assert err.count("\n") == 1
    return err


def exits(*words: str) -> object:
    """Run a command that ends in the parser; return its exit status."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    return caught.value.code


def command(*words: str, body: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the program for real."""
    words = (sys.executable, "-m", "exporter", *words)
    return subprocess.run(words, input=body, capture_output=True, check=False, cwd=ROOT, timeout=60)


def buffered() -> dict[str, str]:
    """Give the environment in which output is buffered, as on a terminal's pipe."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
