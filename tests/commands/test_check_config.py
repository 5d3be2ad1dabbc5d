"""The command `check-config`, and the bad configurations that `serve` refuses alike."""

import json
from pathlib import Path

import pytest

from tests.support.commands import Capture, printed, refused
from tests.support.exporter import KeyPair


def test_check_config_of_a_good_configuration(
    capsys: Capture, tmp_path: Path, keys: KeyPair, custom_table: str
) -> None:
    """A good configuration exits with 0 and is shown setting by setting."""
    token = tmp_path / "token"
    token.write_text("a-very-secret-token\n")
    config = tmp_path / "settings.toml"
    config.write_text(f'ingest_port = 1234\nresults_token_files = ["{token}"]\n')
    words = ["--config", str(config), "--mps-public-key-files", str(keys.public)]
    out = printed(capsys, "check-config", *words, "--code-table-files", custom_table)
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
