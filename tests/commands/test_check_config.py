"""The command `check-config`, and the bad configurations that `serve` refuses alike."""

import hashlib
import json
import subprocess
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from exporter.commands.main import main
from tests.support.certificates import make_certificate
from tests.support.commands import Capture, printed, refused
from tests.support.exporter import KeyPair


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """Give the file of a bearer token, which its owner alone can read."""
    path = tmp_path / "token"
    path.write_text("a-very-secret-token\n")
    path.chmod(0o600)
    return path


def report(capsys: Capture, *words: str, status: int = 0) -> dict[str, Any]:
    """Check a configuration; return the report as a script reads it."""
    assert main(["check-config", *words, "--json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_good_configuration_can_be_pasted(
    capsys: Capture, tmp_path: Path, keys: KeyPair, custom_table: str, token: Path
) -> None:
    """The output is TOML of the effective settings; the rest is in comments, and no secret."""
    config = tmp_path / "settings.toml"
    config.write_text(f'ingest_port = 1234\nresults_token_files = ["{token}"]\n')
    words = ["--config", str(config), "--mps-public-key-files", str(keys.public)]
    out = printed(capsys, "check-config", *words, "--code-table-files", custom_table)
    effective = tomllib.loads(out)
    assert effective["ingest_port"] == 1234
    assert effective["mps_public_key_files"] == [str(keys.public)]
    assert effective["results_token_files"] == [str(token)]
    assert out.endswith("# The configuration is valid.\n")
    assert "a-very-secret-token" not in out
    found = report(capsys, *words)
    assert found["settings"]["INGEST_PORT"] == 1234
    assert found["settings"]["MPS_PUBLIC_KEY_FILES"] == [str(keys.public)]
    assert found["warnings"] == []


def test_webhooks_are_shown_with_their_credentials(
    capsys: Capture, tmp_path: Path, keys: KeyPair, token: Path
) -> None:
    """Each webhook has its URL, and the size and fingerprint of its keys, as openssl makes it."""
    description = tmp_path / "vivo.toml"
    secret = tmp_path / "vivo.secret"
    description.write_text('use = "vivo-receipts"\n[auth]\nsecrets = ["vivo.secret"]\n')
    secret.write_text("the-first-secret\nthe-second-secret\n")
    words = ["--mps-public-key-files", str(keys.public), "--results-token-files", str(token)]
    words += ["--gateway-files", str(description), "--ingest-host", "push.example.com"]
    der = ["openssl", "pkey", "-pubin", "-in", str(keys.public), "-outform", "DER"]
    key = subprocess.run(der, capture_output=True, check=True).stdout
    webhooks = {webhook["gateway"]: webhook for webhook in report(capsys, *words)["webhooks"]}
    assert {name: webhook["url"] for name, webhook in webhooks.items()} == {
        name: f"http://push.example.com:10987/webhooks/{name}"
        for name in ("mps", "vivo", "results")
    }
    [mps], [vivo], [results] = (
        webhooks[name]["credentials"] for name in ("mps", "vivo", "results")
    )
    fingerprint = hashlib.sha256(key).hexdigest()
    assert mps["keys"] == [{"bits": 2048, "fingerprint": fingerprint}]
    assert (vivo["file"], vivo["secrets"]) == (str(secret), 2)
    assert (results["setting"], results["scheme"]) == ("RESULTS_TOKEN_FILES", "bearer")
    out = printed(capsys, "check-config", *words)
    assert f"#   RSA 2048 bits, SHA-256 {fingerprint} (MPS_PUBLIC_KEY_FILES: {keys.public})" in out


@pytest.mark.parametrize(
    ("words", "warned"),
    [
        (["--allow-unsigned"], ["/webhooks/mps can add", "/webhooks/results can add"]),
        (["--allow-unsigned", "--results-token-files", "TOKEN"], ["/webhooks/mps can add"]),
        (["--allow-unsigned", "--ingest-host", "127.0.0.1"], []),
        (["--allow-unsigned", "--results-token-files", "TOKEN", "--mps-public-key-files", "KEY"],
         ["ALLOW_UNSIGNED has no effect"]),
        (["--results-token-files", "OPEN"], ["OPEN can be read by every user"]),
        (["--results-token-files", "TOKEN", "--record-max-bytes", "9"], ["RECORD_MAX_BYTES has"]),
        (["--results-token-files", "TOKEN", "--ledger-password-file", "TOKEN"],
         ["LEDGER_PASSWORD_FILE has no effect without LEDGER_URL"]),
    ],
    ids=" ".join,
)  # fmt: skip
def test_questionable_settings_are_warned_of(
    capsys: Capture,
    tmp_path: Path,
    keys: KeyPair,
    token: Path,
    *,
    words: list[str],
    warned: list[str],
) -> None:
    """Open webhooks, settings without effect and files that others can read are warnings."""
    with tempfile.TemporaryDirectory() as folder:  # unlike pytest's, others may enter it
        readable = Path(folder) / "open"
        readable.write_text("a-very-secret-token")
        Path(folder).chmod(0o755)
        readable.chmod(0o644)
        files = {"TOKEN": token, "KEY": keys.public, "OPEN": readable}
        words = [str(files.get(word, word)) for word in words]
        words += ["--ledger-path", str(tmp_path / "ledger.sqlite3")]
        found = report(capsys, *words)["warnings"]
    assert len(found) == len(warned)
    expected = [warning.replace("OPEN can", f"{readable} can") for warning in warned]
    assert all(text in warning for text, warning in zip(expected, found, strict=True))


def test_certificate_that_expires_soon_is_warned_of(
    capsys: Capture, tmp_path: Path, token: Path
) -> None:
    """Each listener's date is shown, and a week before it there is a warning."""
    soon = make_certificate(tmp_path, "soon", "-nodes", "-days", "2")
    late = make_certificate(tmp_path, "late", "-nodes", "-days", "30")
    words = ["--admin-tls-cert-file", str(soon.chain), "--admin-tls-key-file", str(soon.key)]
    words += ["--ingest-tls-cert-file", str(late.chain), "--ingest-tls-key-file", str(late.key)]
    found = report(capsys, *words, "--results-token-files", str(token))
    assert found["certificates"].keys() == {"admin", "ingest"}
    [warning] = found["warnings"]
    assert warning.startswith("the certificate of the admin listener expires on ")


@pytest.mark.parametrize("name", ["serve", "check-config"])
@pytest.mark.parametrize(
    ("words", "problem"),
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
    problem: str,
) -> None:
    """`check-config` and `serve` refuse an invalid configuration and name the mistake."""
    monkeypatch.chdir(tmp_path)
    free = ["--ingest-port", "0"] if "--ingest-port" not in words else []
    assert problem in refused(capsys, name, "--admin-port", "0", *free, *words)


def test_an_unknown_variable_is_refused(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable is an error that names it."""
    monkeypatch.setenv("PUSH_EXPORTER_INGEST_PROT", "1")
    assert "PUSH_EXPORTER_INGEST_PROT" in refused(capsys, "check-config", "--allow-unsigned")
