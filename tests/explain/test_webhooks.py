"""The webhooks of an exporter, with the credentials that each accepts."""

from pathlib import Path

import pytest

from exporter.configuration.groups import GatewaySettings
from exporter.explain.webhooks import webhooks_of
from exporter.gateways.registry import load_gateways
from tests.support.exporter import KeyPair, make_key_pair

BASE = "https://push.example.com"


def senders(**given: object) -> dict[str, list[str]]:
    """Describe who may send to each webhook."""
    settings = GatewaySettings.model_validate(given)
    gateways = load_gateways(settings)
    webhooks = webhooks_of(gateways.values(), BASE)
    assert [webhook.url for webhook in webhooks] == [f"{BASE}/webhooks/{name}" for name in gateways]
    return {webhook.gateway: webhook.senders() for webhook in webhooks}


def test_webhook_without_credentials_names_its_settings() -> None:
    """It refuses all requests, or accepts them from anyone if that is allowed."""
    assert senders() == {
        "mps": ["refuses every request: set MPS_PUBLIC_KEY_FILES"],
        "results": ["refuses every request: set RESULTS_TOKEN_FILES or RESULTS_SECRET_FILES"],
    }
    anyone = ["accepts requests from anyone: it has no credentials"]
    assert senders(allow_unsigned=True) == {"mps": anyone, "results": anyone}


def test_secrets_are_counted_and_not_shown(tmp_path: Path) -> None:
    """Tokens and secrets are counted, file by file."""
    (tmp_path / "one").write_text("a-token\n")
    (tmp_path / "two").write_text("# comment\na-token\n\nanother-token\n")
    files = [f"{tmp_path}/one", f"{tmp_path}/two"]
    found = senders(results_token_files=files)
    assert found["results"] == [
        f"1 bearer token (RESULTS_TOKEN_FILES: {tmp_path}/one)",
        f"2 bearer tokens (RESULTS_TOKEN_FILES: {tmp_path}/two)",
    ]


def test_credentials_of_an_app(tmp_path: Path, keys: KeyPair) -> None:
    """A file that is written with a declared app is that app's; else `=` is part of the path."""
    news = make_key_pair(tmp_path, "news=key").public
    found = senders(apps=["shop"], mps_public_key_files=[f"shop={keys.public}", news])
    assert [line.rpartition(" (")[2] for line in found["mps"]] == [
        f"MPS_PUBLIC_KEY_FILES: {keys.public}, app shop)",
        f"MPS_PUBLIC_KEY_FILES: {news})",
    ]


@pytest.mark.parametrize("allow", [True, False])
def test_described_gateway(tmp_path: Path, allow: bool) -> None:
    """Secrets are in the description's folder; scheme `none` accepts every request."""
    (tmp_path / "acme.secret").write_text("one\n")
    signed, unsigned, bare = (tmp_path / f"{name}.toml" for name in ("acme", "open", "bare"))
    fields = '[fields]\ncode = "code"\n'
    signed.write_text(f'[auth]\nscheme = "bearer"\nsecrets = ["acme.secret"]\n{fields}')
    unsigned.write_text(f'[auth]\nscheme = "none"\n{fields}')
    bare.write_text(fields)
    found = senders(gateway_files=[signed, unsigned, bare], allow_unsigned=allow)
    assert found["acme"] == [
        f"1 bearer token (auth.secrets of {signed.name}: {tmp_path}/acme.secret)"
    ]
    assert found["open"][0].startswith("accepts requests from anyone")
    refused = f"refuses every request: set auth.secrets of {bare.name}"
    assert (found["bare"] == [refused]) is not allow
