"""The command `explain`."""

import base64
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from exporter.classification.tables import load_tables
from exporter.commands.main import main
from tests.support.commands import ROOT, Capture, command, printed, refused
from tests.support.explanations import golden
from tests.support.exporter import SECRET, TOKEN, KeyPair, url_sign, webhook_headers
from tests.support.senders import hmac

MINUS_ONE = [
    "mps -1 WaitingForVerify",
    "mipush -1 UnknownError",
    "oppo -1 Service Currently Unavailable",
]


def explained(capsys: Capture, *words: str, status: int = 0) -> Any:
    """Run `explain --json`; return the explanation."""
    assert main(["explain", "--json", *words]) == status
    return json.loads(capsys.readouterr().out)


def results(explanation: Any) -> list[str]:
    """Return channel and code of each result of an explanation."""
    return [f"{meaning['channel']} {meaning['code']}" for meaning in explanation["meanings"]]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["-1"], MINUS_ONE),
        (["oppo", "-2"], ["oppo -2 Service in Flow Control"]),
        (["XIAOMI", "10027"], ["mipush 10027 AppFrequencyLimit"]),
        (["-2"], ["oppo -2 Service in Flow Control"]),
        (["IOS", "2009"], ["apns 2009 BadDeviceToken"]),
        (["2009"], ["apns 2009 BadDeviceToken", "umeng 2009 AliasOrFileIdMissing"]),
        (["2", "--channel", "VIVO"], ["vivo 2 Acked"]),
        (["--", "-1"], MINUS_ONE),
    ],
    ids=" ".join,
)
def test_explain_a_code(capsys: Capture, words: list[str], names: list[str]) -> None:
    """`explain` takes a code, negative too, and a channel by any alias."""
    meanings = explained(capsys, *words)["meanings"]
    assert [
        f"{meaning['channel']} {meaning['code']} {meaning['name']}" for meaning in meanings
    ] == names


def test_explain_names_the_app_without_credentials(tmp_path: Path, capsys: Capture) -> None:
    """The app in a body of the generic format is read as by the exporter with these APPS."""
    body = tmp_path / "body.json"
    body.write_text('{"channel": "vivo", "code": 10072, "app": "shop"}')
    text = printed(capsys, "explain", "--payload", str(body), "--apps", "shop,news")
    assert "App shop: the request names it." in text


def test_explain_prints_text(capsys: Capture) -> None:
    """Without `--json` the explanation is a text."""
    text = golden("unknown code").read_text("utf-8")
    assert main(["explain", "vivo", "4242"]) == 1
    assert capsys.readouterr().out == text


@pytest.mark.parametrize(
    ("variable", "flag", "link"),
    [
        ("", [], "http://127.0.0.1:10988/runbooks/PushThrottled"),
        ("https://wiki.example/push", [], "https://wiki.example/push/PushThrottled"),
        ("https://w.example/", ["--runbook-base-url", "http://v/"], "http://v/PushThrottled"),
    ],
)
def test_explain_links_to_the_runbook(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, variable: str, flag: list[str], link: str
) -> None:
    """`explain` links to the runbook: the exporter's own page, or below RUNBOOK_BASE_URL."""
    monkeypatch.setenv("PUSH_EXPORTER_RUNBOOK_BASE_URL", variable)
    assert f" {link}\n" in printed(capsys, "explain", "vivo", "10072", *flag)


def test_explain_a_custom_code(capsys: Capture, custom_table: str) -> None:
    """`explain` knows the operator's rows."""
    [meaning] = explained(capsys, "apns", "4242", "--code-table-files", custom_table)["meanings"]
    assert meaning["row"]["description"] == "The phone is too hot."


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["pigeon", "2"], "'pigeon'"),
        (["opo", "-1"], "unknown channel 'opo'; did you mean 'oppo'?"),
        (["apns"], "'apns' is a channel: add a code (push-result-exporter explain apns CODE)"),
        (["XIAOMI"], "or list its codes (push-result-exporter codes XIAOMI)\n"),
        ([" "], "' '"),
        ([""], "is not a valid code"),
        (["apns", ""], "is not a valid code"),
        ([], "expected a code"),
        (["apns", "2009", "2010"], "expected a code"),
        (["2009", "--payload", "-"], "not both"),
        (["--payload", "/nowhere/body.json"], "/nowhere/body.json: No such file"),
        (["--payload", "/"], "/: Is a directory"),
        (["--payload", "/proc/self/mem"], "/proc/self/mem: Input/output error"),
    ],
    ids=" ".join,
)
def test_explain_bad_arguments(capsys: Capture, words: list[str], problem: str) -> None:
    """`explain` exits with 2 for bad channels, codes and files, and names the mistake."""
    assert problem in refused(capsys, "explain", *words)


def test_explain_lists_the_channels(capsys: Capture) -> None:
    """An unknown channel is answered with the known ones."""
    err = refused(capsys, "explain", "pigeon", "2")
    assert [name for name in load_tables() if name not in err] == []


def test_explain_a_payload_file(capsys: Capture, tmp_path: Path) -> None:
    """`explain --payload FILE` explains each result of a body."""
    path = tmp_path / "body.json"
    path.write_text('[{"channel": "vivo", "code": 10072}, {"code": "-2"}, {}]')
    explanation = explained(capsys, "--payload", str(path))
    assert results(explanation) == ["vivo 10072", "oppo -2"]
    assert [(item["index"], item["reason"]) for item in explanation["rejected"]] == [
        (2, "code_missing")
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"channel": "apns", "code": 4711}', 0),
        ('[{"channel": "apns", "code": 4711}, {}, {}]', 0),
        ('{"code": 4711}\n{"code":\n', 0),
        ("[{}, {}]", 1),
        ('{"channel": "apns"}', 1),
    ],
)
def test_explain_fails_without_a_valid_result(tmp_path: Path, body: str, status: int) -> None:
    """A payload exits with 1 if no item is a valid result; one with an unknown code is."""
    path = tmp_path / "body"
    path.write_text(body)
    assert main(["explain", "--payload", str(path)]) == status


def test_explain_a_payload_from_standard_input() -> None:
    """`explain --payload -` reads standard input, and `--channel` stands for the URL's hint."""
    body = b'{"statusCode": "10000", "statusDesc": "?"}'
    done = command("explain", "--json", "--payload", "-", "--channel", "VIVO", body=body)
    assert (done.returncode, done.stderr) == (0, b"")
    assert results(json.loads(done.stdout)) == ["vivo 10000"]


@pytest.mark.parametrize("body", [b"\xff", b'{"statusCode": '])
def test_explain_a_malformed_body(body: bytes) -> None:
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
    """A body that is not a payload gets a one-line error, exit status 1, and no traceback."""
    path = tmp_path / "body"
    path.write_bytes(body)
    assert main(["explain", "--payload", str(path)]) == 1
    out, err = capfd.readouterr()
    assert (out + err).count("\n") == 1


def signed_payload(tmp_path: Path, keys: KeyPair) -> tuple[list[str], str]:
    """Write a callback; return the words that explain it with the public key, and its `sign`."""
    path = tmp_path / "body.json"
    path.write_bytes(b'{"statusCode": "2009"}')
    words = ["--payload", str(path), "--mps-public-key-files", str(keys.public)]
    return words, url_sign(keys.sign(path.read_bytes()))


@pytest.mark.parametrize(
    "form", ["{}", "https://push.example.com/webhooks/mps?channel=IOS&sign={}", "?sign={}&x=1"]
)
def test_explain_verifies_the_sign_of_a_callback(
    capsys: Capture, tmp_path: Path, keys: KeyPair, form: str
) -> None:
    """A `sign` alone, or in a URL or a query, is verified; a line end too many is forgiven."""
    words, sign = signed_payload(tmp_path, keys)
    words += ["--sign", form.format(sign)]
    assert explained(capsys, *words)["signature"]["verifies"]
    with Path(words[1]).open("ab") as file:
        file.write(b"\r\n")
    assert explained(capsys, *words)["signature"]["verifies"]


def test_explain_verifies_a_malformed_body(capsys: Capture, tmp_path: Path, keys: KeyPair) -> None:
    """The error for a malformed body includes the verdict on its signature."""
    words, _ = signed_payload(tmp_path, keys)
    Path(words[1]).write_bytes(b"{")
    for body, verdict in ((b"{", "verifies"), (b"[", "does not verify")):
        assert main(["explain", *words, "--sign", url_sign(keys.sign(body))]) == 1
        err = capsys.readouterr().err
        assert err.startswith("push-result-exporter: malformed_body: ")
        assert err.endswith(f" The signature {verdict}.\n")


@pytest.mark.parametrize("is_packed", [False, True])
def test_explain_verifies_as_the_exporter_does(
    tmp_path: Path, capsys: Capture, is_packed: bool
) -> None:
    """A signature may cover the URL, and the body may be compressed."""
    body, file = b'{"c": 2}', tmp_path / "body"
    url = "https://push.example.com/webhooks/acme?a=1"
    made = base64.b64encode(hmac(b"k" * 32, url.encode() + body)).decode()
    file.write_bytes(gzip.compress(body) if is_packed else body)
    (tmp_path / "secret").write_text("k" * 32)
    (tmp_path / "acme.toml").write_text(
        'channel = "apns"\n[auth]\nscheme = "hmac"\nsecrets = ["secret"]\nencoding = "base64"\n'
        'signature = "{header:X-Sign}"\nsigned = "{url}{body}"\n[fields]\ncode = "c"\n'
    )
    words = ["--payload", str(file), "--gateway", str(tmp_path / "acme.toml"), "--query", url]
    words += ["--header", f"X-Sign: {made}"]
    words += ["--header", "Content-Encoding: gzip"] if is_packed else []
    explanation = explained(capsys, *words)
    assert explanation["signature"]["verifies"]
    assert results(explanation) == ["apns 2"]


@pytest.mark.parametrize("sign", ["", "!", "QUJD", "a b", "\u4e2d", "sign=", "%ff"])
def test_explain_rejects_a_wrong_sign(
    capsys: Capture, tmp_path: Path, keys: KeyPair, sign: str
) -> None:
    """A `sign` that no key verifies is reported with the exporter's reason, and status 1."""
    words, _ = signed_payload(tmp_path, keys)
    explanation = explained(capsys, *words, f"--sign=x?sign={sign}", status=1)
    assert explanation["signature"]["verifies"] is False
    assert explanation["signature"]["reason"] in ("bad_signature", "missing_credentials")
    assert results(explanation) == ["apns 2009"]


@pytest.mark.parametrize(
    "text", ["https://x/webhooks/mps", "https://x/webhooks/mps?channel=IOS", "?x=1", "x=1&assign=2"]
)
def test_explain_needs_a_sign_in_the_url(
    capsys: Capture, tmp_path: Path, keys: KeyPair, text: str
) -> None:
    """A URL or a query without `sign` is bad usage, and not a signature that is damaged."""
    words, _ = signed_payload(tmp_path, keys)
    assert "the URL has no parameter 'sign'" in refused(capsys, "explain", *words, "--sign", text)


def standard_headers(tmp_path: Path, at: float) -> list[str]:
    """Write a body, a secret and a token; return the words that explain it with a signature."""
    body = b'{"code": 2009}'
    for name, content in (("body", body), ("secret", SECRET.encode()), ("token", TOKEN.encode())):
        (tmp_path / name).write_bytes(content)
    words = ["--payload", str(tmp_path / "body")]
    words += ["--results-secret-files", str(tmp_path / "secret")]
    words += ["--results-token-files", str(tmp_path / "token")]
    for name, value in webhook_headers(body, at).items():
        words += ["--header", f"{name.title()}: {value}"]
    return words


@pytest.mark.parametrize("age", [0, 400, 10**8])
def test_explain_verifies_standard_webhooks_headers(
    capsys: Capture, tmp_path: Path, age: int
) -> None:
    """A signature of any age verifies; a stale one is reported as refused by now."""
    signature = explained(capsys, *standard_headers(tmp_path, time.time() - age))["signature"]
    assert signature["verifies"]
    assert signature["reason"] == ("stale_timestamp" if age else None)


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
def test_explain_rejects_wrong_headers(
    capsys: Capture, tmp_path: Path, header: str, age: int
) -> None:
    """Headers that the webhook would refuse do not verify: status 1."""
    words = standard_headers(tmp_path, time.time() - age)
    signature = explained(capsys, *words, "--header", header, status=1)["signature"]
    assert (signature["verifies"], bool(signature["reason"])) == (False, True)


@pytest.mark.parametrize("header", ["Bearer wrong", "Basic x"])
def test_explain_rejects_a_wrong_token(capsys: Capture, tmp_path: Path, header: str) -> None:
    """An unknown token, or credentials of another scheme, do not verify."""
    words = [*standard_headers(tmp_path, time.time())[:6], "--header", f"Authorization: {header}"]
    signature = explained(capsys, *words, status=1)["signature"]
    assert (signature["verifies"], bool(signature["reason"])) == (False, True)


def test_explain_compares_a_token(capsys: Capture, tmp_path: Path) -> None:
    """A bearer token is compared with the configured ones."""
    words = [*standard_headers(tmp_path, 0)[:6], "--header", f"Authorization: Bearer {TOKEN}"]
    explanation = explained(capsys, *words)
    assert explanation["signature"]["verifies"]
    assert TOKEN not in str(explanation)


@pytest.mark.parametrize(
    ("words", "problem"),
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
def test_explain_names_missing_credentials(
    capsys: Capture, tmp_path: Path, words: list[str], problem: str
) -> None:
    """A signature that cannot be verified is bad usage, and the missing setting is named."""
    files = {
        "BODY": b'{"code": 2}',
        "RECORD": b'{"record":1,"time":"","source":"mps","reason":"","size":1,"body":"{}"}',
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    given = [str(tmp_path / word) if word in files else word for word in words]
    assert problem in refused(capsys, "explain", *given)


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


@pytest.mark.parametrize("words", [["mps", "2009"], ["BadDeviceTokn"]], ids=" ".join)
def test_explain_suggests_codes(capsys: Capture, words: list[str]) -> None:
    """For an unknown code, similar ones are suggested; the exit status is 1."""
    [first, *_] = explained(capsys, *words, status=1)["suggestions"]
    assert (first["channel"], first["code"]) == ("apns", "2009")


def test_explain_links_to_the_external_url(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EXTERNAL_URL gives the address of the runbooks, unless RUNBOOK_BASE_URL does."""
    monkeypatch.setenv("PUSH_EXPORTER_EXTERNAL_URL", "https://push.example.com/exporter/")
    link = "https://push.example.com/exporter/runbooks/PushThrottled"
    assert f" {link}\n" in printed(capsys, "explain", "vivo", "10072")
