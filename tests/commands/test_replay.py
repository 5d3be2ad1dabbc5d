"""The command `replay`."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import ROOT, Capture, command, refused
from tests.support.exporter import TOKEN, KeyPair
from tests.support.programs import Launch, exporter_process, wait_for
from tests.support.webhook import receiving


def test_replay_against_an_exporter(tmp_path: Path, keys: KeyPair) -> None:
    """`serve --record DIR` records rejected requests; `explain` and `replay` read the records."""
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
    assert good.stderr.startswith(b"1 request sent, ")
    assert good.stderr.endswith(b"; responses 200: 1; results accepted: 1\n")
    assert mixed.returncode == 1
    assert b"; responses 200: 2, 400: 2; " in mixed.stderr
    assert b"; results accepted: 1, duplicates: 1, rejected: 1; " in mixed.stderr
    assert (unsigned.returncode, again.returncode) == (1, 1)
    assert b"responses 401: 4; refused for missing_credentials: 4" in unsigned.stderr
    assert b"responses 400: 2; results rejected: 1; refused for code_missing: 1, " in again.stderr
    path = next(folder.glob("*code_missing.json"))
    explained = command("explain", "--payload", str(path))
    assert (explained.returncode, explained.stderr) == (1, b"")
    assert explained.stdout.startswith(b"item 0 is rejected: code_missing")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["/nowhere/bodies"], "/nowhere/bodies: No such file"),
        (["EMPTY"], "nothing to replay"),
        (["FOLDER"], "nothing to replay"),
        (["EMPTY", "--url", "ftp://x"], "ftp://x"),
        (["EMPTY", "--private-key", "/nowhere/key"], "/nowhere/key"),
        (["EMPTY", "--token-file", "/nowhere/token"], "/nowhere/token"),
        (["EMPTY", "--secret-file", "EMPTY"], "empty, or only comments"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_replay_bad_arguments(
    capsys: Capture, tmp_path: Path, words: list[str], problem: str
) -> None:
    """`replay` exits with 2 for no bodies, a bad URL and bad credentials, and names the mistake."""
    files = {"EMPTY": tmp_path / "empty", "FOLDER": tmp_path / "folder"}
    files["EMPTY"].write_bytes(b"\n")
    files["FOLDER"].mkdir()
    assert problem in refused(capsys, "replay", *(str(files.get(word, word)) for word in words))


PEM_FILES = {
    "private key": lambda keys: keys.private.read_bytes(),
    "public key with Windows's line ends": lambda keys: _crlf(keys.public.read_bytes()),
    "byte order mark": lambda keys: b"\xef\xbb\xbf" + keys.private.read_bytes(),
    "notes before the key": lambda keys: b"RSA\n\n" + keys.private.read_bytes(),
}


def _crlf(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("of_folder", [True, False])
@pytest.mark.parametrize("write", PEM_FILES.values(), ids=PEM_FILES)
def test_replay_sends_no_key(
    capsys: Capture,
    tmp_path: Path,
    keys: KeyPair,
    write: Callable[[KeyPair], bytes],
    *,
    of_folder: bool,
) -> None:
    """A key among the payloads is refused by its name before the first payload is sent."""
    (tmp_path / "a.json").write_text('{"code": 2}')
    key = tmp_path / "key.pem"
    key.write_bytes(write(keys))
    with receiving() as (url, requests):
        error = refused(capsys, "replay", str(tmp_path if of_folder else key), "--url", url)
    assert f"payload {key}: this is a key or certificate" in error
    assert requests == []


def test_replay_signs_with_the_secret_of_an_app(tmp_path: Path) -> None:
    """A description's secret may belong to an app."""
    description = tmp_path / "acme.toml"
    description.write_text(
        '[auth]\nscheme = "bearer"\nsecrets = ["shop=secret"]\n[fields]\ncode = "c"\n'
    )
    (tmp_path / "secret").write_text("x" * 32)
    with receiving() as (url, requests):
        words = ["--gateway-files", str(description), "--apps", "shop"]
        command("replay", "-", "--url", f"{url}/webhooks/acme", *words, body=b'{"c": 2}\n')
    assert requests == ["/webhooks/acme"]


def test_replay_sends_no_key_from_standard_input(keys: KeyPair) -> None:
    """A key in standard input is refused, too."""
    done = command("replay", "-", "--url", "http://127.0.0.1:1", body=keys.private.read_bytes())
    assert done.returncode == 2
    assert b"payload standard input: this is a key" in done.stderr


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
    assert shown.count(b"\r1 request sent, ") == shown.count(b"\n") == 1
    assert b"\r3 requests sent, " in shown
    assert b"responses no response: 3; failed with Connection refused: 3" in shown
