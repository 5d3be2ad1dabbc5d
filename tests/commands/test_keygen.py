"""Keys, tokens and secrets that the exporter makes: each works, and is its owner's alone."""

import base64
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import standardwebhooks

from exporter.commands.main import main
from tests.support.commands import exits
from tests.support.programs import exporter_process

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("kind", "file"), [("mps", "mps-key.pem"), ("token", "token"), ("secret", "secret")]
)
def test_file_is_private_and_never_overwritten(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    file: str,
) -> None:
    """The private file is readable by its owner only, and a second run overwrites nothing."""
    monkeypatch.chdir(tmp_path)
    assert main(["keygen", kind]) == 0
    assert str(file) in capsys.readouterr().out
    content = (tmp_path / file).read_bytes()
    assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600
    assert main(["keygen", kind]) == 2
    assert capsys.readouterr().err == f"push-result-exporter: {file}: File exists\n"
    assert (tmp_path / file).read_bytes() == content


def test_half_a_pair_is_never_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If either file of a pair exists, none is written."""
    for name, other in (("a.pem", "a.pub.pem"), ("b.pub.pem", "b.pem")):
        (tmp_path / name).touch()
        assert main(["keygen", "mps", str(tmp_path / f"{name[0]}.pem")]) == 2
        assert f"{tmp_path / name}: File exists" in capsys.readouterr().err
        assert not (tmp_path / other).exists()


@pytest.mark.parametrize("kind", ["mps", "token", "secret"])
def test_standard_output_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """`-` is bad usage, and creates no file of that name."""
    monkeypatch.chdir(tmp_path)
    assert exits("keygen", kind, "-") == 2
    assert "'-' is not a file name: name the file to create\n" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["mps", "token", "secret"])
def test_commands_can_be_pasted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """The printed commands name the files in the quotes that a shell needs."""
    assert main(["keygen", kind, str(tmp_path / "mein schlüssel")]) == 0
    commands = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert len(commands) == 2
    assert {Path(words[-1]) for words in commands} == {*tmp_path.iterdir()}


def test_openssl_accepts_the_key_pair(tmp_path: Path) -> None:
    """The openssl program signs with the private key and verifies with the public key."""
    key, public, message, signature = (
        str(tmp_path / name) for name in ("a.pem", "a.pub.pem", "message", "signature")
    )
    assert main(["keygen", "mps", key]) == 0
    Path(message).write_text("a message")
    sign = ["openssl", "dgst", "-sha256", "-sign", key, "-out", signature, message]
    verify = ["openssl", "dgst", "-sha256", "-verify", public, "-signature", signature, message]
    subprocess.run(sign, check=True)
    assert subprocess.run(verify, check=True, capture_output=True).stdout == b"Verified OK\n"


def test_standardwebhooks_accepts_the_secret(tmp_path: Path) -> None:
    """The secret has the length that the specification asks for, and its library takes it."""
    assert main(["keygen", "secret", str(tmp_path / "secret")]) == 0
    secret = (tmp_path / "secret").read_text().strip()
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    standardwebhooks.Webhook(secret)


def test_made_credentials_let_requests_in(tmp_path: Path) -> None:
    """`simulate` and `replay` get through with what `keygen` has made for both sides."""
    for kind in ("mps", "token", "secret"):
        assert main(["keygen", kind, str(tmp_path / kind)]) == 0
    bodies = tmp_path / "bodies"
    bodies.write_text('{"code": 2}\n')
    settings = {
        "mps_public_key_files": tmp_path / "mps.pub.pem",
        "results_token_files": tmp_path / "token",
        "results_secret_files": tmp_path / "secret",
    }
    with exporter_process(tmp_path, **settings) as exporter:
        replay = ["replay", str(bodies), "--url", exporter.ingest]
        for words in (
            ["simulate", "--private-key", str(tmp_path / "mps"), "--count", "3",
             "--url", f"{exporter.ingest}/webhooks/mps"],
            [*replay, "--token-file", str(tmp_path / "token")],
            [*replay, "--secret-file", str(tmp_path / "secret")],
        ):  # fmt: skip
            subprocess.run([sys.executable, "-m", "exporter", *words], check=True, cwd=ROOT)
