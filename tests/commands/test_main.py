"""The command line, as a person or a script uses it."""

import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporter import VERSION
from exporter.classification.tables import CHANNELS, load_tables
from exporter.commands.main import main
from tests.support.exporter import SECRET, TOKEN, KeyPair, url_sign
from tests.support.programs import Launch, exporter_process, wait_for
from tests.webhooks.test_handler import webhook_headers

ROOT = Path(__file__).parents[2]
COLUMNS = [
    "channel",
    "code",
    "name",
    "description",
    "severity",
    "category",
    "retry",
    "action",
    "source",
    "origin",
    "aliases",
]
MINUS_ONE = [
    "mps -1 WaitingForVerify",
    "mipush -1 UnknownError",
    "oppo -1 Service Currently Unavailable",
]
OWN_TABLE = """
channel = "apns"
[codes.4242]
name = "TooHot"
description = "The phone is too hot."
severity = "warning"
category = "unreachable"
retry = "backoff"
action = "Wait."
"""

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def own_table(tmp_path: Path) -> str:
    """Give an operator's code table with code 4242 of APNs."""
    path = tmp_path / "own.toml"
    path.write_text(OWN_TABLE)
    return str(path)


def printed(capsys: Capture, *words: str) -> str:
    """Run a command that must succeed in silence on standard error; return what it prints."""
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def refused(capsys: Capture, *words: str) -> str:
    """Run a command that must fail for bad usage; return what it says on standard error."""
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


def test_codes_as_json(capsys: Capture) -> None:
    """`codes --format json` prints a list of all rows with exactly the contract's columns."""
    rows = json.loads(printed(capsys, "codes", "--format", "json"))
    assert {tuple(row) for row in rows} == {tuple(COLUMNS)}
    assert [(row["channel"], row["code"], row["name"]) for row in rows] == [
        (table.channel, code, row.name)
        for table in load_tables().values()
        for code, row in table.codes.items()
    ]
    aliases = {(row["channel"], row["code"]): row.pop("aliases") for row in rows}
    assert aliases["fcm", "90000003"][0] == "UNREGISTERED"
    assert aliases["apns", "2009"] == []
    assert all(isinstance(text, str) and text for row in rows for text in row.values())


def test_codes_as_csv(capsys: Capture) -> None:
    """`codes --format csv` prints the same rows under a header."""
    reader = csv.DictReader(io.StringIO(printed(capsys, "codes", "--format", "csv")), strict=True)
    rows = list(reader)
    assert reader.fieldnames == COLUMNS
    assert rows == [
        row | {"aliases": " ".join(row["aliases"])}
        for row in json.loads(printed(capsys, "codes", "--json"))
    ]


@pytest.mark.parametrize("words", [[], ["--format", "table"]])
def test_codes_as_a_table(capsys: Capture, words: list[str]) -> None:
    """`codes` prints a line a row, with aligned columns and no trailing blanks."""
    header, *lines = printed(capsys, "codes", *words).splitlines()
    rows = json.loads(printed(capsys, "codes", "--format", "json"))
    assert header.split() == ["channel", "code", "severity", "category", "retry", "name", "aliases"]
    name, aliases = header.index("name"), header.index("aliases")
    assert [
        (*line.split()[:2], line[name:aliases].rstrip(), line[aliases:].split()) for line in lines
    ] == [(row["channel"], row["code"], row["name"], row["aliases"]) for row in rows]
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("source", ["flag", "environment", "file"])
def test_codes_with_a_custom_table(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_table: str, source: str
) -> None:
    """A custom table is merged in, whichever source of settings names it."""
    words = ["codes", "--format", "json"]
    if source == "flag":
        words += ["--code-table-files", own_table]
    elif source == "environment":
        monkeypatch.setenv("PUSH_EXPORTER_CODE_TABLE_FILES", own_table)
    else:
        config = tmp_path / "settings.toml"
        config.write_text(f'code_table_files = ["{own_table}"]\ningest_port = "unused and bad"\n')
        words += ["--config", str(config)]
    rows = json.loads(printed(capsys, *words))
    assert len(rows) == 1 + sum(len(table.codes) for table in load_tables().values())
    (own,) = (row for row in rows if row["code"] == "4242")
    assert (own["channel"], own["name"], own["severity"]) == ("apns", "TooHot", "warning")


@pytest.mark.parametrize("command", [["codes"], ["explain", "2"]], ids=" ".join)
def test_an_unknown_setting_of_the_file_is_named(
    capsys: Capture, tmp_path: Path, command: list[str]
) -> None:
    """A command refuses what is no setting of any command, and suggests the nearest one."""
    config = tmp_path / "settings.toml"
    config.write_text("ledger_pth = 'x'\n")
    err = refused(capsys, *command, "--config", str(config))
    assert f"LEDGER_PTH: unknown setting; did you mean 'LEDGER_PATH'? (config file {config})" in err


@pytest.mark.parametrize("command", [["codes"], ["explain", "2"]], ids=" ".join)
def test_a_bad_table_is_named(capsys: Capture, tmp_path: Path, command: list[str]) -> None:
    """A code table that cannot be read is refused by name."""
    absent = str(tmp_path / "absent.toml")
    assert absent in refused(capsys, *command, "--code-table-files", absent)


@pytest.mark.parametrize("text", ["[", '["a"', "[1]", "[[]]"])
@pytest.mark.parametrize("command", [["codes"], ["explain", "2"]], ids=" ".join)
def test_a_bad_list_of_tables_is_named(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, text: str, command: list[str]
) -> None:
    """A list of tables that is no list is bad usage that names the setting, not a traceback."""
    monkeypatch.setenv("PUSH_EXPORTER_CODE_TABLE_FILES", text)
    try:
        status: object = main(command)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert re.search("code.table.files", capsys.readouterr().err, re.IGNORECASE)


def test_a_bad_list_of_tables_leaves_the_other_commands_alone(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad list of tables is no reason to hide the version."""
    monkeypatch.setenv("PUSH_EXPORTER_CODE_TABLE_FILES", "[")
    assert exits("--version") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "heads"),
    [
        (["-1"], MINUS_ONE),
        (["oppo", "-2"], ["oppo -2 Service in Flow Control"]),
        (["XIAOMI", "10027"], ["mipush 10027 AppFrequencyLimit"]),
        (["-2"], ["oppo -2 Service in Flow Control"]),
        (["IOS", "2009"], ["apns 2009 BadDeviceToken"]),
        (["2009"], ["apns 2009 BadDeviceToken"]),
        (["2", "--channel", "VIVO"], ["vivo 2 Acked"]),
        (["--", "-1"], MINUS_ONE),
    ],
    ids=" ".join,
)
def test_explain_a_code(capsys: Capture, words: list[str], heads: list[str]) -> None:
    """`explain` takes a code, negative too, and a channel by any alias."""
    parts = printed(capsys, "explain", *words).split("\n\n")
    assert [part.splitlines()[0] for part in parts] == heads


@pytest.mark.parametrize(
    ("variable", "flag", "link"),
    [
        ("", [], "http://127.0.0.1:10988/runbooks/PushThrottled"),
        ("https://wiki.example/push", [], "https://wiki.example/push/PushThrottled"),
        ("https://w.example/", ["--runbook-base-url", "http://v/"], "http://v/PushThrottled"),
    ],
)
def test_explain_leads_to_the_runbook(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, variable: str, flag: list[str], link: str
) -> None:
    """`explain` names the runbook's page: the exporter's own, or where RUNBOOK_BASE_URL says."""
    monkeypatch.setenv("PUSH_EXPORTER_RUNBOOK_BASE_URL", variable)
    assert f"Alert: PushThrottled, see {link}\n" in printed(
        capsys, "explain", "vivo", "10072", *flag
    )


def test_explain_a_code_of_the_operators_own(capsys: Capture, own_table: str) -> None:
    """`explain` knows the operator's rows."""
    out = printed(capsys, "explain", "apns", "4242", "--code-table-files", own_table)
    assert "The phone is too hot." in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pigeon", "2"], "'pigeon'"),
        ([" "], "' '"),
        ([""], "cannot be a code"),
        (["apns", ""], "cannot be a code"),
        ([], "explain takes a code"),
        (["apns", "2009", "2010"], "explain takes a code"),
        (["2009", "--payload", "-"], "not both"),
        (["--payload", "/nowhere/body.json"], "/nowhere/body.json: No such file"),
        (["--payload", "/"], "/: Is a directory"),
        (["--payload", "/proc/self/mem"], "/proc/self/mem: Input/output error"),
    ],
    ids=" ".join,
)
def test_explain_bad_words(capsys: Capture, words: list[str], said: str) -> None:
    """`explain` of what is no channel, code or file exits with 2 and says what is wrong."""
    assert said in refused(capsys, "explain", *words)


def test_explain_lists_the_channels(capsys: Capture) -> None:
    """An unknown channel is answered with the known ones."""
    err = refused(capsys, "explain", "pigeon", "2")
    assert [name for name in CHANNELS if name not in err] == []


def test_explain_a_payload_file(capsys: Capture, tmp_path: Path) -> None:
    """`explain --payload FILE` explains each result of a body."""
    path = tmp_path / "body.json"
    path.write_text('[{"channel": "vivo", "code": 10072}, {"code": "-2"}, {}]')
    parts = printed(capsys, "explain", "--payload", str(path)).split("\n\n")
    assert [part.splitlines()[0].split(",")[0] for part in parts[:2]] == [
        "Channel vivo",
        "Channel oppo",
    ]
    assert parts[2].startswith("item 2 is not a result: code_missing")


def command(*words: str, body: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the program for real."""
    words = (sys.executable, "-m", "exporter", *words)
    return subprocess.run(words, input=body, capture_output=True, check=False, cwd=ROOT, timeout=60)


def test_explain_a_payload_from_standard_input() -> None:
    """`explain --payload -` reads standard input, and `--channel` stands for the URL's hint."""
    body = b'{"statusCode": "10000", "statusDesc": "?"}'
    done = command("explain", "--payload", "-", "--channel", "VIVO", body=body)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"vivo 10000 PermissionAuthenticationFailed" in done.stdout


@pytest.mark.parametrize("body", [b"\xff", b'{"statusCode": '])
def test_explain_a_body_that_is_none(body: bytes) -> None:
    """`explain` of a body that the webhook would refuse exits with 1 and gives the reason."""
    done = command("explain", "--payload", "-", body=body)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"push-result-exporter: malformed_body: ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"statusCode":' * 10_000,
        b"\x1f\x8b\x08\x00",
        b"\x00" * 1000,
        b"nonsense\n" * 1000,
        b"x" * (5 * 1024 * 1024),
        b'{"record": 1, "time": "", "source": "mps", "reason": "", "size": 1, "body": "{"}',
    ],
    ids=lambda body: f"{body[:12]!r} {len(body)}",
)
def test_explain_a_body_without_results(capfd: Capture, tmp_path: Path, body: bytes) -> None:
    """Whatever is no payload gets one line, exit status 1, and no traceback."""
    path = tmp_path / "body"
    path.write_bytes(body)
    assert main(["explain", "--payload", str(path)]) == 1
    out, err = capfd.readouterr()
    assert (out + err).count("\n") == 1


def signed_payload(tmp_path: Path, keys: KeyPair) -> tuple[list[str], str]:
    """Write a callback; return the words that explain it with the public key, and its `sign`."""
    path = tmp_path / "body.json"
    path.write_bytes(b'{"statusCode": "2009"}')
    words = ["explain", "--payload", str(path), "--mps-public-key-files", str(keys.public)]
    return words, url_sign(keys.sign(path.read_bytes()))


@pytest.mark.parametrize(
    "form", ["{}", "https://push.example.com/webhooks/mps?channel=IOS&sign={}", "?sign={}&x=1"]
)
def test_explain_verifies_the_sign_of_a_callback(
    capsys: Capture, tmp_path: Path, keys: KeyPair, form: str
) -> None:
    """A `sign` alone, or in a URL or a query, is verified; a line end too many is forgiven."""
    words, sign = signed_payload(tmp_path, keys)
    assert "\nSignature: verifies." in printed(capsys, *words, "--sign", form.format(sign))
    with Path(words[2]).open("ab") as file:
        file.write(b"\r\n")
    assert "\nSignature: verifies." in printed(capsys, *words, "--sign", form.format(sign))


def test_explain_verifies_what_it_cannot_read(
    capsys: Capture, tmp_path: Path, keys: KeyPair
) -> None:
    """Of a malformed body it is still said whether the gateway signed it."""
    words, _ = signed_payload(tmp_path, keys)
    Path(words[2]).write_bytes(b"{")
    for body, verdict in ((b"{", "verifies"), (b"[", "does not verify")):
        assert main([*words, "--sign", url_sign(keys.sign(body))]) == 1
        err = capsys.readouterr().err
        assert err.startswith("push-result-exporter: malformed_body: ")
        assert err.endswith(f" The signature {verdict}.\n")


@pytest.mark.parametrize("sign", ["", "!", "QUJD", "a b", "\u4e2d", "sign=", "%ff"])
def test_explain_says_that_a_sign_is_wrong(
    capsys: Capture, tmp_path: Path, keys: KeyPair, sign: str
) -> None:
    """A `sign` that no key verifies is said to be wrong, with the exporter's reason: status 1."""
    words, _ = signed_payload(tmp_path, keys)
    status = main([*words, f"--sign=x?sign={sign}", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert status == 1
    assert told["signature"]["verifies"] is False
    assert told["signature"]["reason"] in ("bad_signature", "missing_credentials")
    assert told["meanings"][0]["code"] == "2009"


def standard_headers(tmp_path: Path, at: float) -> list[str]:
    """Write a body, a secret and a token; return the words that explain it with a signature."""
    body = b'{"code": 2009}'
    for name, content in (("body", body), ("secret", SECRET.encode()), ("token", TOKEN.encode())):
        (tmp_path / name).write_bytes(content)
    words = ["explain", "--payload", str(tmp_path / "body")]
    words += ["--results-secret-files", str(tmp_path / "secret")]
    words += ["--results-token-files", str(tmp_path / "token")]
    for name, value in webhook_headers(body, at).items():
        words += ["--header", f"{name.title()}: {value}"]
    return words


@pytest.mark.parametrize("age", [0, 400, 10**8])
def test_explain_verifies_standard_webhooks_headers(
    capsys: Capture, tmp_path: Path, age: int
) -> None:
    """A signature is right however long ago it was made; a stale one is said to be refused now."""
    out = printed(capsys, *standard_headers(tmp_path, time.time() - age))
    assert "\nSignature: verifies" in out
    assert ("stale_timestamp" in out) == bool(age)


@pytest.mark.parametrize(
    "header",
    [
        "webhook-signature: v1,QUJD",
        "webhook-signature:",
        "webhook-timestamp: soon",
        "webhook-timestamp: 1e300",
        "webhook-timestamp: 1",
        "webhook-id: other",
    ],
)
@pytest.mark.parametrize("age", [0, 10**8])
def test_explain_says_that_headers_are_wrong(
    capsys: Capture, tmp_path: Path, header: str, age: int
) -> None:
    """Headers that the webhook would not take are said to be wrong: status 1."""
    words = standard_headers(tmp_path, time.time() - age)
    assert main([*words, "--header", header]) == 1
    assert "\nSignature: does not verify (" in capsys.readouterr().out


@pytest.mark.parametrize("header", ["Bearer wrong", "Basic x"])
def test_explain_says_that_a_token_is_wrong(capsys: Capture, tmp_path: Path, header: str) -> None:
    """A token that is not known, or credentials of another scheme, are said to be wrong."""
    words = standard_headers(tmp_path, time.time())[:7]
    assert main([*words, "--header", f"Authorization: {header}"]) == 1
    assert "\nSignature: does not verify (" in capsys.readouterr().out


def test_explain_compares_a_token(capsys: Capture, tmp_path: Path) -> None:
    """A bearer token is compared with the configured ones."""
    words = [*standard_headers(tmp_path, 0)[:7], "--header", f"Authorization: Bearer {TOKEN}"]
    out = printed(capsys, *words)
    assert "\nSignature: verifies." in out
    assert TOKEN not in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2009", "--sign", "x"], "need a --payload"),
        (["--payload", "BODY", "--sign", "x"], "MPS_PUBLIC_KEY_FILES"),
        (["--payload", "BODY", "--header", "webhook-id: x"], "RESULTS_SECRET_FILES"),
        (["--payload", "BODY", "--header", "authorization: x"], "RESULTS_TOKEN_FILES"),
        (["--payload", "BODY", "--header", "webhook-id"], "'name: value'"),
        (["--payload", "BODY", "--sign", "x", "--mps-public-key-files", "/no/key"], "/no/key"),
        (["--payload", "RECORD", "--sign", "x"], "a record is redacted"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_explain_names_what_it_lacks_to_verify(
    capsys: Capture, tmp_path: Path, words: list[str], said: str
) -> None:
    """A signature that cannot be verified is bad usage, and the missing setting is named."""
    files = {
        "BODY": b'{"code": 2}',
        "RECORD": b'{"record":1,"time":"","source":"mps","reason":"","size":1,"body":"{}"}',
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    given = [str(tmp_path / word) if word in files else word for word in words]
    assert said in refused(capsys, "explain", *given)


@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)]
)
def test_explain_is_coloured_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, coloured: bool
) -> None:
    """A terminal gets colour unless NO_COLOR is set; a pipe never does (see the other tests)."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, inside = os.openpty()
    words = [sys.executable, "-m", "exporter", "explain", "2009"]
    environment = {**os.environ, **variables}
    subprocess.run(words, stdout=inside, check=True, cwd=ROOT, env=environment, timeout=60)
    os.close(inside)
    assert (b"\x1b[" in os.read(terminal, 65536)) == coloured
    os.close(terminal)


def test_replay_against_an_exporter(tmp_path: Path, keys: KeyPair) -> None:
    """`serve --record DIR` keeps what is rejected; `explain` and `replay` take it from there."""
    (tmp_path / "token").write_text(TOKEN)
    bodies = tmp_path / "bodies.ndjson"
    bodies.write_text('{"statusCode": "2009"}\n{"code": 2}\n\n{"token": "xyz"}\nnonsense\n')
    folder = tmp_path / "records"
    settings = {"mps_public_key_files": keys.public, "results_token_files": tmp_path / "token"}
    launch = Launch((sys.executable, "-m", "exporter", "serve", "--record", str(folder)))
    with exporter_process(tmp_path, launch, **settings) as exporter:
        to = ["--url", exporter.ingest, "--rate", "1000"]
        credentials = ["--private-key", str(keys.private)]
        credentials += ["--token-file", str(tmp_path / "token")]
        good = command("replay", "-", *to, *credentials, body=b'{"statusCode": "2009"}\n')
        mixed = command("replay", str(bodies), *to, *credentials)
        unsigned = command("replay", str(bodies), *to)
        wait_for(lambda: len(list(folder.glob("*.json"))) == 2, "both records are written")
        again = command("replay", str(folder), *to, *credentials)
        wait_for(lambda: len(list(folder.glob("*.json"))) == 4, "both records are written again")
    assert (good.returncode, good.stdout) == (0, b"")
    assert good.stderr.startswith(b"1 call sent, ")
    assert good.stderr.endswith(b"; answers 200: 1; results accepted: 1\n")
    assert mixed.returncode == 1
    assert b"; answers 200: 2, 400: 2; " in mixed.stderr
    assert b"; results accepted: 1, duplicates: 1, rejected: 1; " in mixed.stderr
    assert (unsigned.returncode, again.returncode) == (1, 1)
    assert b"answers 401: 4; refused for missing_credentials: 4" in unsigned.stderr
    assert b"answers 400: 2; results rejected: 1; refused for code_missing: 1, " in again.stderr
    path = next(folder.glob("*code_missing.json"))
    told = command("explain", "--payload", str(path))
    assert (told.returncode, told.stderr) == (1, b"")
    assert told.stdout.startswith(b"item 0 is not a result: code_missing")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["/nowhere/bodies"], "/nowhere/bodies: No such file"),
        (["EMPTY"], "nothing to replay"),
        (["FOLDER"], "nothing to replay"),
        (["EMPTY", "--url", "ftp://x"], "ftp://x"),
        (["EMPTY", "--private-key", "/nowhere/key"], "/nowhere/key"),
        (["EMPTY", "--token-file", "/nowhere/token"], "/nowhere/token"),
        (["EMPTY", "--secret-file", "EMPTY"], "it is empty"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_replay_bad_words(capsys: Capture, tmp_path: Path, words: list[str], said: str) -> None:
    """`replay` of nothing, to nowhere or with bad credentials exits with 2 and says what."""
    files = {"EMPTY": tmp_path / "empty", "FOLDER": tmp_path / "folder"}
    files["EMPTY"].write_bytes(b"\n")
    files["FOLDER"].mkdir()
    assert said in refused(capsys, "replay", *(str(files.get(word, word)) for word in words))


def test_replay_shows_its_progress(tmp_path: Path) -> None:
    """On a terminal one line is rewritten, as in `simulate`."""
    bodies = tmp_path / "bodies"
    bodies.write_text('{"code": 2}\n' * 3)
    terminal, inside = os.openpty()
    words = [sys.executable, "-m", "exporter", "replay", str(bodies), "--rate", "5"]
    words += ["--url", "http://127.0.0.1:1"]
    done = subprocess.run(words, stderr=inside, check=False, cwd=ROOT, timeout=60)
    os.close(inside)
    shown = os.read(terminal, 65536)
    os.close(terminal)
    assert done.returncode == 1
    assert shown.count(b"\r1 call sent, ") == shown.count(b"\n") == 1
    assert b"\r3 calls sent, " in shown
    assert b"answers no answer: 3; failed with Connection refused: 3" in shown


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


def test_check_config_of_a_good_configuration(
    capsys: Capture, tmp_path: Path, keys: KeyPair, own_table: str
) -> None:
    """A good configuration exits with 0 and is shown setting by setting."""
    token = tmp_path / "token"
    token.write_text("a-very-secret-token\n")
    config = tmp_path / "settings.toml"
    config.write_text(f'ingest_port = 1234\nresults_token_files = ["{token}"]\n')
    words = ["--config", str(config), "--mps-public-key-files", str(keys.public)]
    out = printed(capsys, "check-config", *words, "--code-table-files", own_table)
    assert "INGEST_PORT = 1234\n" in out
    assert f'MPS_PUBLIC_KEY_FILES = ["{keys.public}"]\n' in out
    assert "LEDGER_SYNC = " in out
    assert out.endswith("The configuration is good.\n")
    assert "a-very-secret-token" not in out
    found = json.loads(printed(capsys, "check-config", *words, "--json"))
    assert found["settings"]["INGEST_PORT"] == 1234
    assert found["settings"]["MPS_PUBLIC_KEY_FILES"] == [str(keys.public)]
    assert found["warnings"] == []


@pytest.mark.parametrize("name", ["serve", "check-config"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing authenticates senders"),
        (["--allow-unsigned", "--ingest-port", "http"], "INGEST_PORT"),
        (["--allow-unsigned", "--tls-cert-file", "cert"], "TLS_KEY_FILE"),
        (["--config", "/nowhere/settings.toml"], "/nowhere/settings.toml"),
        (["--mps-public-key-files", "/nowhere/key.pem"], "/nowhere/key.pem"),
        (["--results-token-files", "/nowhere/token"], "/nowhere/token"),
        (["--results-secret-files", "/nowhere/secret"], "/nowhere/secret"),
        (["--allow-unsigned", "--code-table-files", "/nowhere/own.toml"], "/nowhere/own.toml"),
        (["--allow-unsigned", "--admin-password-file", "/nowhere/users"], "/nowhere/users"),
        (
            [
                "--allow-unsigned",
                "--tls-cert-file",
                "/nowhere/cert",
                "--tls-key-file",
                "/nowhere/key",
            ],
            "/nowhere/cert",
        ),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_a_bad_configuration_exits_with_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    tmp_path: Path,
    *,
    name: str,
    words: list[str],
    said: str,
) -> None:
    """`check-config` and `serve` refuse a bad configuration and name what is wrong."""
    monkeypatch.chdir(tmp_path)
    free = ["--ingest-port", "0"] if "--ingest-port" not in words else []
    assert said in refused(capsys, name, "--admin-port", "0", *free, *words)


def test_an_unknown_variable_is_refused(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable is an error that names it."""
    monkeypatch.setenv("PUSH_EXPORTER_INGEST_PROT", "1")
    assert "PUSH_EXPORTER_INGEST_PROT" in refused(capsys, "check-config", "--allow-unsigned")


def test_simulate_with_a_bad_key(capsys: Capture, tmp_path: Path, keys: KeyPair) -> None:
    """A private key that is missing, or is no private key, is refused by name."""
    absent = str(tmp_path / "absent.pem")
    for key in (absent, str(keys.public)):
        assert key in refused(capsys, "simulate", "--private-key", key, "--count", "1")


def test_simulate_to_no_url(capsys: Capture) -> None:
    """Nothing is sent to what is no URL, and it is repeated."""
    assert "'127.0.0.1:10987'" in refused(capsys, "simulate", "--url", "127.0.0.1:10987")


def buffered() -> dict[str, str]:
    """Give the environment in which output is buffered, as on a terminal's pipe."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


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
