"""The command line as a whole: usage, exit statuses, output that cannot be written."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.commands.parser import OTHER_EXPORTERS
from exporter.configuration.settings import Settings
from exporter.configuration.version import VERSION
from tests.support.commands import ROOT, Capture, buffered, exits, refused
from tests.support.programs import free_port, reachable, wait_for


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


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["simulate", "--count", "0"], "'0' is not a whole number of at least 1"),
        (["simulate", "--count", "ten"], "'ten' is not a whole number of at least 1"),
        (["demo", "--seconds", "inf"], "'inf' is not a number greater than 0"),
        (["replay", "bodies", "--rate", "fast"], "'fast' is not a number greater than 0"),
        (["ledger", "fold", "--unseen-hours", "-1"], "'-1' is not a number of hours"),
    ],
)
def test_bad_numbers_are_explained(capsys: Capture, words: list[str], problem: str) -> None:
    """An invalid or out-of-range number is refused; the error states the expected range."""
    assert exits(*words) == 2
    assert f"argument {words[-2]}: {problem}\n" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["simulate", "demo"])
def test_unknown_scenario_lists_the_known_ones(capsys: Capture, command: str) -> None:
    """A scenario that does not exist is refused with those that do."""
    assert exits(command, "--scenario", "flood") == 2
    scenarios = ["healthy", "bad-device-token-spike", "throttled", "certificate-expired", "outage"]
    err = capsys.readouterr().err
    assert [name for name in ["flood", *scenarios] if name not in err] == []


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["codes"],
        ["explain", "2"],
        ["check-config", "--allow-unsigned", "--ingest-host", "127.0.0.1"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("output", "problem"),
    [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")],
)
def test_unwritable_output(words: list[str], output: str, problem: str) -> None:
    """A full disk and a closed standard output are reported without a traceback."""
    line = f"{shlex.join([sys.executable, '-m', 'exporter', *words])} {output}"
    done = subprocess.run(
        ["sh", "-c", line], stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT, env=buffered()
    )
    assert done.returncode == 1
    assert done.stderr == f"push-result-exporter: cannot write the output: {problem}\n"


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_server_needs_no_streams(tmp_path: Path, closed: str) -> None:
    """`serve` runs with closed streams, since it does not write to standard output."""
    port = free_port()
    words = [sys.executable, "-m", "exporter", "serve", "--ingest-host", "127.0.0.1"]
    words += ["--ingest-port", str(port), "--admin-port", "0", "--allow-unsigned"]
    words += ["--ledger-path", str(tmp_path / "ledger")]
    line = f"exec {shlex.join(words)} {closed}"
    with subprocess.Popen(["sh", "-c", line], stderr=subprocess.DEVNULL, cwd=ROOT) as server:
        try:
            wait_for(lambda: reachable(port) or server.poll() is not None, "the server starts")
        finally:
            server.terminate()
        assert server.wait(60) == 0


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
        ["check-config", "--allow-unsigned", "--ingest-host", "127.0.0.1"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_causes_no_traceback(words: list[str], unbuffered: str) -> None:
    """Every command ends without a message if the reader of its output has gone."""
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


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["serve", "--ingest-prot", "5"], "--ingest-prot; did you mean '--ingest-port'?"),
        (["check-config", "--log-levle=debug"], "--log-levle; did you mean '--log-level'?"),
        (["explain", "--chanel", "x", "2"], "--chanel; did you mean '--channel'?"),
        (["ledger", "list", "--ledger-uri", "x"], "--ledger-uri; did you mean '--ledger-url'?"),
        (["serve", "--mps-key", "x"], "--mps-key; did you mean '--mps-public-key-files'?"),
        (["serve", "--log=debug"], "--log; did you mean '--log-level' or '--log-format'?"),
        (["serve", "--token-file", "x"], "--token-file; did you mean '--results-token-files'?"),
        (["simulate", "--mps-public-key-files", "x"], "--mps-public-key-files\n"),
        (["check-config", "-c", "s.toml"], "-c; did you mean '--config'?"),
        (["check-config", "-x"], "-x\n"),
        (["keygen", "token", "-c"], "-c\n"),
        (["serve", "--xyzzy"], "--xyzzy\n"),
        (["serve", "extra"], "extra; separate the files of a list by commas\n"),
        (["serve", "--results-token-files", "a", "b"], "b; separate the files"),
        (["keygen", "token", "a", "b"], "b\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_unknown_flag_gets_a_suggestion(capsys: Capture, words: list[str], hint: str) -> None:
    """An unknown flag is named with the nearest one of the same command."""
    assert exits(*words) == 2
    err = capsys.readouterr().err
    assert f"unrecognized argument: {hint}" in err
    assert err.count("\n") == 2


@pytest.mark.parametrize("before", [[], ["serve"]])
@pytest.mark.parametrize(
    ("flag", "ours"),
    [
        (["--web.listen-address=:9100"], ["--admin-port", "--ingest-port"]),
        (["--web.config.file", "web.yml"], ["--admin-tls-cert-file", "--admin-password-file"]),
        (["--log.level=debug"], ["--log-level"]),
        (["-log.format", "logfmt"], ["--log-format"]),
        (["--config.file=a.yml"], ["--config"]),
        (["--web.telemetry-path=/m"], ["/metrics"]),
        (["--web.external-url=http://x"], ["--external-url"]),
    ],
    ids=" ".join,
)
def test_flag_of_another_exporter_gets_a_suggestion(
    capsys: Capture, before: list[str], flag: list[str], ours: list[str]
) -> None:
    """A flag of Prometheus' exporters is refused with the one to use."""
    err = refused(capsys, *before, *flag)
    assert [flag for flag in ours if flag not in err] == []


def test_suggested_flags_exist() -> None:
    """The flags that errors name are flags of `serve`."""
    suggested = {
        flag for text in OTHER_EXPORTERS.values() for flag in re.findall(r"--[a-z-]+", text)
    }
    known = {f"--{name.replace('_', '-')}" for name in Settings.model_fields}
    assert suggested <= known


BODY = '{"channel":"小米","code":"失败","message":"发送失败 😀"}'


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "gbk", "utf-8"])
@pytest.mark.parametrize("words", [["explain", "--payload", "-"], ["codes"], ["keygen", "密/😀"]])
def test_characters_outside_the_encoding_are_escaped(encoding: str, words: list[str]) -> None:
    """Characters that the output lacks are escaped, in results and in errors."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "exporter", *words],
        input=BODY.encode(), capture_output=True, check=False, cwd=ROOT, env=environment,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr
    assert (done.stdout + done.stderr).decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "utf-8"])
def test_json_is_the_same_in_every_encoding(encoding: str) -> None:
    """JSON has the same content in every encoding of the output."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "explain", "--payload", "-", "--json"],
        input=BODY.encode(), capture_output=True, check=True, cwd=ROOT, env=environment,
    )  # fmt: skip
    assert json.loads(done.stdout.decode(encoding))["meanings"][0]["why"]["hint"] == "小米"


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["explain", "2"], ["codes"]])
def test_command_imports_no_server(words: list[str]) -> None:
    """What starts at once imports neither the server nor what imitates senders."""
    assert imported(words) & {"aiohttp", "exporter.server", "exporter.traffic", "jinja2"} == set()


def test_program_alone_imports_no_settings() -> None:
    """The version and the list of commands need no library."""
    for words in (["--version"], ["--help"]):
        assert (
            imported(words) & {"pydantic", "pydantic_settings", "argcomplete", "msgspec"} == set()
        )


def test_server_imports_no_unused_package() -> None:
    """A running exporter has neither the senders' half nor what its settings leave unused."""
    unused = {"exporter.traffic", "exporter.commands.explain", "argcomplete", "psycopg"}
    unused |= {"numpy", "jinja2", "markdown_it"}  # of a large window, and of pages
    assert imported(["serve", "--ingest-host", "256.0.0.1", "--allow-unsigned"]) & unused == set()


def imported(words: list[str]) -> set[str]:
    """Run a command to its end; return the modules that it imported."""
    script = (
        "import sys; from exporter.commands.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return {*done.stderr.splitlines()[-1].split()}
