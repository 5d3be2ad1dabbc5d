"""The command `simulate`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support.commands import ROOT, Capture, command, refused
from tests.support.exporter import KeyPair
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


def test_simulate_names_the_app(keys: KeyPair) -> None:
    """`--app` adds a parameter to the URL, next to its own parameters and the signature."""
    with receiving() as (url, requests):
        words = ["--private-key", str(keys.private), "--count", "1", "--app", "a&b"]
        command("simulate", "--url", f"{url}/webhooks/mps?channel=vivo", *words)
        [query] = [parse_qs(urlsplit(path).query) for path in requests]
    assert query.keys() == {"channel", "app", "sign"}
    assert query["app"] == ["a&b"]


def test_simulate_names_no_app_of_receipts(capsys: Capture, tmp_path: Path) -> None:
    """Receipts of a described gateway have the app of their secret."""
    description = tmp_path / "vivo.toml"
    description.write_text('use = "vivo-receipts"\n[auth]\nsecrets = ["secret"]\n')
    (tmp_path / "secret").write_text("x")
    assert "--app is for MPS" in refused(
        capsys, "simulate", "--gateway", str(description), "--app", "shop", "--count", "1"
    )
