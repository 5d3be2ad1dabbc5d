"""The command line as a whole: usage, exit statuses, output that cannot be written."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from exporter import VERSION
from tests.support.commands import ROOT, Capture, buffered, exits


def test_version(capsys: Capture) -> None:
    """`--version` prints version, revision, Python and platform."""
    assert exits("--version") == 0
    lines = capsys.readouterr().out.splitlines()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, check=False)
    commit = head.stdout.decode().strip() or "unknown"
    assert lines == [
        f"push-result-exporter, version {VERSION} (revision: {commit})",
        f"  python:    {sys.version.split()[0]}",
        f"  platform:  {sys.platform}/{os.uname().machine}",
    ]


def test_help_lists_the_commands(capsys: Capture) -> None:
    """`--help` shows every command of the contract."""
    assert exits("--help") == 0
    out = capsys.readouterr().out
    shown = re.findall(r"^ {4}([a-z-]+)\s+[A-Z]", out, re.MULTILINE)
    assert shown == [
        *("serve", "check-config", "codes", "explain", "simulate", "replay", "demo", "ledger"),
        *("config", "keygen"),
    ]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["codes", "--format", "yaml"],
        ["codes", "--form", "json"],
        ["serve", "--colour", "red"],
        ["simulate", "--scenario", "flood"],
        ["demo", "--scenario", "flood"],
        ["simulate", "--rate", "0"],
        ["simulate", "--rate", "nan"],
        ["simulate", "--seconds", "-1"],
        ["simulate", "--count", "0"],
        ["replay", "bodies", "--rate", "0"],
        ["replay", "bodies", "--count", "1"],
    ],
    ids=" ".join,
)
def test_bad_usage_exits_with_2(capsys: Capture, words: list[str]) -> None:
    """A command line that cannot be parsed exits with 2 and repeats the word that is wrong."""
    assert exits(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert not words or words[-1] in err or words[-2] in err


@pytest.mark.parametrize("command", ["simulate", "demo"])
def test_an_unknown_scenario_lists_the_known(capsys: Capture, command: str) -> None:
    """A scenario that does not exist is refused with those that do."""
    assert exits(command, "--scenario", "flood") == 2
    scenarios = ["healthy", "bad-device-token-spike", "throttled", "certificate-expired", "outage"]
    err = capsys.readouterr().err
    assert [name for name in ["flood", *scenarios] if name not in err] == []


@pytest.mark.parametrize(
    "words", [["codes"], ["explain", "2"], ["check-config", "--allow-unsigned"]], ids=" ".join
)
@pytest.mark.parametrize(
    ("output", "status", "told"),
    [
        (">/dev/full", 1, "cannot write the output: No space left on device"),
        (">&-", 0, ""),
    ],
)
def test_output_that_goes_nowhere(words: list[str], output: str, status: int, told: str) -> None:
    """A full disk is told without a traceback; closed output is nobody's loss."""
    line = f"{shlex.join([sys.executable, '-m', 'exporter', *words])} {output}"
    done = subprocess.run(
        ["sh", "-c", line], stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT, env=buffered()
    )
    assert done.returncode == status
    assert done.stderr == (f"push-result-exporter: {told}\n" if told else "")


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_head_may_close_the_pipe(form: str) -> None:
    """`codes | head -1` shows one line and no traceback."""
    words = [sys.executable, "-m", "exporter", "codes", "--format", form]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=buffered()
    ) as codes:
        head = subprocess.run(["head", "-1"], stdin=codes.stdout, capture_output=True, check=True)
        assert codes.stdout
        assert codes.stderr
        codes.stdout.close()
        assert codes.stderr.read() == b""
    assert head.stdout.count(b"\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["codes"],
        ["codes", "--format", "json"],
        ["explain", "2"],
        ["check-config", "--allow-unsigned"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_no_traceback(words: list[str], unbuffered: str) -> None:
    """A reader that is gone before the first byte ends any command quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "exporter", *words],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        cwd=ROOT,
        env=buffered() | ({"PYTHONUNBUFFERED": unbuffered} if unbuffered else {}),
        timeout=60,
    )
    os.close(writer)
    assert done.stderr == b""
