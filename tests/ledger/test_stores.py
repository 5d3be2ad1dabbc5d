"""The store that the settings ask for."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exporter.configuration.settings import load_settings
from exporter.errors import ConfigurationError
from exporter.ledger.stores import make_store
from tests.support.exporter import MakeSettings, started


async def test_store_follows_the_settings(tmp_path: Path) -> None:
    """A URL means PostgreSQL, no URL the file; a password that cannot be read is refused."""
    password = tmp_path / "password"
    path = tmp_path / "ledger.sqlite3"
    given: dict[str, Any] = {
        "allow_unsigned": True,
        "ledger_path": path,
        "ledger_password_file": password,
    }
    url = "postgresql://u@127.0.0.1:1/d"
    store = make_store(load_settings(**given))
    assert store.name == str(path)
    await store.close()
    with pytest.raises(ConfigurationError, match=r"password: No such file"):
        make_store(load_settings(**given, ledger_url=url))
    password.write_text("secret")
    assert make_store(load_settings(**given, ledger_url=url)).name == url


def test_store_needs_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL without the driver of PostgreSQL is refused before anything starts."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[postgresql\]"):
        make_store(load_settings(allow_unsigned=True, ledger_url="postgresql://u@h/d"))


_WITHOUT = """
import sys
sys.modules["psycopg"] = None
from exporter.commands.main import main
sys.exit(main(["ledger", "list", "--ledger-url", "postgresql://u:secret@h/d"]))
"""


def test_driver_that_is_not_installed() -> None:
    """Without the extra everything else works, and the error names the package to install."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'push-result-exporter[postgresql]'" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hush@127.0.0.1:1/d",
        "postgresql://u@127.0.0.1:1/d?password=hush",
        "postgresql://u@127.0.0.1:1/d?sslpassword=hush&application_name=x",
    ],
)
async def test_password_never_shows(
    make_settings: MakeSettings, capfd: pytest.CaptureFixture[str], url: str
) -> None:
    """An exporter without its server logs the address, without the password."""
    async with started(make_settings(ledger_url=url, log_level="debug")) as exporter:
        status, answer = await exporter.results(b'{"code": 2}')
        assert (status, answer["error"]) == (503, "ledger_unavailable")
        shown = str(answer)
        for path in ("/", "/-/ready", "/-/healthy", "/metrics", "/api/v1/status", "/codes"):
            async with exporter.client.get(exporter.admin + path) as response:
                shown += await response.text()
    shown += "".join(capfd.readouterr())
    assert "u@127.0.0.1:1/d" in shown
    assert "check that the server is running" in shown
    assert "hush" not in shown
