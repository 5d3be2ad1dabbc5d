"""Completion in real shells."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import CUSTOM_TABLE
from tests.support.programs import program

BASH = """
eval "$(push-result-exporter --print-completion bash)"
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
COMP_WORDS=($1)
_python_argcomplete push-result-exporter
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = """
push-result-exporter --print-completion fish | source
complete -C $argv[1]
"""


def completions(shell: str, line: str, home: Path, **environment: str) -> list[str]:
    """Return the completions that a shell offers after a line."""
    script = {"bash": BASH, "fish": FISH}[shell]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    words = [program(shell, shell), "-c", script, *([shell] if shell == "bash" else []), line]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=True,
        cwd=home,
        env={**os.environ, "PATH": path, "HOME": str(home), **environment},
        timeout=60,
    )
    return [row.partition("\t")[0].strip() for row in done.stdout.splitlines()]


shells = pytest.mark.parametrize("shell", ["bash", "fish"])


@shells
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("push-result-exporter ", ["serve", "explain", "keygen"]),
        ("push-result-exporter expl", ["explain"]),
        ("push-result-exporter explain mip", ["mipush", "mipush-receipts"]),
        ("push-result-exporter explain apns 201", ["2010", "2011", "2019"]),
        ("push-result-exporter explain IOS 200", ["2001", "2009"]),
        ("push-result-exporter serve --ledger-p", ["--ledger-path", "--ledger-password-file"]),
        ("push-result-exporter serve --log-format ", ["console", "logfmt", "json"]),
        ("push-result-exporter simulate --scenario t", ["throttled"]),
        ("push-result-exporter ledger ", ["list", "fold"]),
    ],
)
def test_shell_completes(shell: str, line: str, offered: list[str], tmp_path: Path) -> None:
    """Commands, flags, choices, channels and codes are completed."""
    found = completions(shell, line, tmp_path)
    assert [word for word in offered if word not in found] == []
    typed = line.rpartition(" ")[2]
    assert [word for word in found if not word.startswith(typed)] == []


@shells
def test_custom_codes_are_completed(shell: str, tmp_path: Path) -> None:
    """Codes of a custom table are offered, too; a bad one leaves the built-in codes."""
    table = tmp_path / "own.toml"
    table.write_text(CUSTOM_TABLE)
    line = "push-result-exporter explain apns "
    variable = {"PUSH_EXPORTER_CODE_TABLE_FILES": str(table)}
    assert {"4242", "2009"} <= {*completions(shell, line, tmp_path, **variable)}
    table.write_text("bad")
    assert "2009" in completions(shell, line, tmp_path, **variable)


def test_zsh_reads_the_script() -> None:
    """Zsh parses its script without an error."""
    command = [sys.executable, "-m", "exporter", "--print-completion", "zsh"]
    script = subprocess.run(command, capture_output=True, check=True).stdout
    assert b"#compdef push-result-exporter" in script
    subprocess.run([program("zsh", "zsh"), "-n"], input=script, check=True)
