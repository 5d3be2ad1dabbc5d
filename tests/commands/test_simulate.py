"""The command `simulate`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.certificates import expire, make_certificate
from tests.support.commands import ROOT, Capture, command, refused
from tests.support.exporter import KeyPair
from tests.support.programs import exporter_process
from tests.support.webhook import receiving


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
    assert b"\r[##########....................] 1 request sent, " in shown
    summary = json.loads(done.stdout)
    assert summary.pop("seconds") > 0
    assert summary == {
        "sent": 3,
        "responses": {"no response": 3},
        "results": {},
        "reasons": {},
        "failures": {"Connection refused": 3},
        "detail": "",
        "all_accepted": False,
    }


def test_simulate_with_a_bad_key(capsys: Capture, tmp_path: Path, keys: KeyPair) -> None:
    """A missing or invalid private key file is refused by name."""
    absent = str(tmp_path / "absent.pem")
    for key in (absent, str(keys.public)):
        assert key in refused(capsys, "simulate", "--private-key", key, "--count", "1")


def test_simulate_refuses_a_bad_url(capsys: Capture) -> None:
    """A bad URL is refused and named."""
    assert "'127.0.0.1:10987'" in refused(capsys, "simulate", "--url", "127.0.0.1:10987")


def test_simulate_and_replay_explain_refusals(tmp_path: Path, keys: KeyPair) -> None:
    """The exporter's detail of the first refusal is printed, and the flag that prevents it."""
    body = tmp_path / "body"
    body.write_text('{"statusCode": 2009}')
    signed = ["--private-key", str(keys.private)]
    with exporter_process(tmp_path, mps_public_key_files=keys.public) as exporter:
        mps = f"{exporter.ingest}/webhooks/mps"
        rows: list[tuple[list[str], list[str]]] = [
            (["simulate", *signed, "--url", exporter.ingest], NO_PATH),
            (["simulate", *signed, "--url", f"{mps}/2"], NO_PATH),
            (["simulate", "--url", mps], [NO_SIGN, "missing_credentials: set --private-key"]),
            (["replay", str(body), *signed, "--url", f"{exporter.ingest}/x"], NO_WEBHOOK),
            (["replay", str(body), "--url", mps], [NO_SIGN, f"missing_credentials: set {FLAGS}"]),
        ]
        for words, lines in rows:
            done = command(*words, *(["--count", "3"] if words[0] == "simulate" else []))
            assert done.returncode == 1
            assert done.stderr.decode().splitlines()[1:] == lines


NO_SIGN = "first refusal: Expected a signature in query parameter 'sign'; the request has none."
NOT_FOUND = "first refusal: No webhook has this path. Use POST /webhooks/<gateway>."
NO_PATH = [NOT_FOUND, "not_found: use the path /webhooks/mps in --url"]
NO_WEBHOOK = [NOT_FOUND, "not_found: use a webhook's path in --url, or none to detect the webhook"]
FLAGS = "--private-key, --token-file, --secret-file or --gateway-files"


def test_simulate_tells_the_errors_of_tls_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An untrusted certificate, that of another host and a port without TLS are told apart."""
    tls = make_certificate(tmp_path, "server")
    old = make_certificate(tmp_path, "old")
    expire(old)
    (tmp_path / "trusted").write_bytes(tls.chain.read_bytes() + old.chain.read_bytes())
    with (
        receiving(tls=tls.load()) as (url, paths),
        receiving("127.0.0.2", tls.load()) as (other, _),
        receiving(tls=old.load()) as (expired, _),
        receiving() as (plain, _),
    ):
        assert "untrusted certificate: set the environment variable SSL_CERT_FILE" in _failed(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted"))
        assert _failed(url) == ""
        assert "certificate of another host: use a host name" in _failed(other)
        assert "expired certificate: renew" in _failed(expired)
        assert "no TLS on this port: use http://" in _failed(plain.replace("http:", "https:"))
    assert paths == ["/"]


def _failed(url: str) -> str:
    """Simulate a result; return the explanation of its failure."""
    printed = command("simulate", "--count", "1", "--url", url).stderr.decode()
    return printed.partition("\n")[2]


def test_simulate_names_the_app(keys: KeyPair) -> None:
    """`--app` adds a parameter to the URL, next to its own parameters and the signature."""
    with receiving() as (url, requests):
        words = ["--private-key", str(keys.private), "--count", "1", "--app", "a&b"]
        command("simulate", "--url", f"{url}/webhooks/mps?channel=vivo", *words)
        [query] = [parse_qs(urlsplit(path).query) for path in requests]
    assert query.keys() == {"channel", "app", "sign"}
    assert query["app"] == ["a&b"]


def test_simulate_signs_receipts_of_an_app(capsys: Capture, tmp_path: Path) -> None:
    """With a description `--app` chooses the secret, and adds nothing to the URL."""
    description = tmp_path / "vivo.toml"
    description.write_text('use = "vivo-receipts"\n[auth]\nsecrets = ["shop=secret"]\n')
    (tmp_path / "secret").write_text("x")
    words = ["--gateway", str(description), "--apps", "shop,news", "--count", "1"]
    for chosen in ([], ["--app", "shop"]):
        with receiving() as (url, requests):
            command("simulate", "--url", f"{url}/webhooks/vivo", *words, *chosen)
        assert [parse_qs(urlsplit(path).query).get("app") for path in requests] == [None]
    message = refused(capsys, "simulate", *words, "--app", "news")
    assert "no secret to sign with for the app 'news'" in message
