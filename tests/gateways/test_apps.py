"""The app of a result: that of the credential, else of the request, else `other`."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.configuration.settings import Settings, load_settings
from exporter.errors import ConfigurationError
from exporter.explain.payloads import Payload, explain_payload, verify
from exporter.explain.text import render_text
from exporter.gateways.apps import AppOf, app_of
from exporter.gateways.gateway import Credential, Gateway, ReceivedRequest
from exporter.gateways.registry import load_gateways
from tests.support.exporter import KeyPair, url_sign
from tests.support.gateways import decoded
from tests.support.senders import OLD

APPS = ["shop", "news"]
ACME = """
channel = "vivo"
[auth]
scheme = "bearer"
secrets = ["shop=shop.secret", "news=news.secret", "plain=x.secret"]
[fields]
code = "code"
app = ["bundle", "package"]
[map.app]
"com.example.shop" = "shop"
"""


def loaded(folder: Path, **given: Any) -> dict[str, Gateway]:
    """Load the gateways of an exporter with two apps."""
    for name in ("shop.secret", "news.secret", "plain=x.secret", "shop", "news", "plain"):
        (folder / name).write_text(f"{OLD}-of-{name}\n")
    (folder / "acme.toml").write_text(given.pop("description", ACME))
    settings = load_settings(gateway_files=[folder / "acme.toml"], apps=APPS, **given)
    return dict(load_gateways(settings))


def bearer(name: str) -> ReceivedRequest:
    """Make a request with the token of a file."""
    return ReceivedRequest(b"", {"Authorization": f"Bearer {OLD}-of-{name}"})


@pytest.mark.parametrize(
    ("name", "app"), [("shop.secret", "shop"), ("news.secret", "news"), ("plain=x.secret", None)]
)
def test_secret_of_a_description(name: str, app: str | None, tmp_path: Path) -> None:
    """The part before `=` is an app if it is declared, else the whole is a file's name."""
    assert loaded(tmp_path)["acme"].authenticate(bearer(name)).app == app


def test_tokens_of_the_generic_webhook(tmp_path: Path) -> None:
    """Tokens may be of an app, or of none."""
    files = [f"shop={tmp_path}/shop", f"news={tmp_path}/news", f"{tmp_path}/plain"]
    gateway = loaded(tmp_path, results_token_files=files)["results"]
    found = [gateway.authenticate(bearer(name)).app for name in ("shop", "news", "plain")]
    assert found == ["shop", "news", None]


def test_keys_of_mps(keys: KeyPair, unknown_key: KeyPair, tmp_path: Path) -> None:
    """A key may be of an app."""
    files = [f"shop={keys.public}", unknown_key.public]
    gateway = loaded(tmp_path, mps_public_key_files=files)["mps"]
    body = b'{"statusCode": 2}'
    for pair, app in ((keys, "shop"), (unknown_key, None)):
        query = {"sign": url_sign(pair.sign(body)).replace("%3D", "=")}
        assert gateway.authenticate(ReceivedRequest(body, {}, query)).app == app


@pytest.mark.parametrize("second", ["news={}/shop", "{}/shop"])
def test_credential_of_two_apps(second: str, tmp_path: Path) -> None:
    """The same credential cannot be of two apps, nor of one and of none."""
    files = [f"shop={tmp_path}/shop", second.format(tmp_path)]
    with pytest.raises(ConfigurationError, match=r"RESULTS_TOKEN_FILES: .*the app 'shop'"):
        loaded(tmp_path, results_token_files=files)


def test_without_apps_an_entry_is_a_file(tmp_path: Path) -> None:
    """Where no apps are declared, `shop=key` is the name of a file."""
    (tmp_path / "shop=key").write_text(OLD)
    settings: Settings = load_settings(results_token_files=[tmp_path / "shop=key"])
    token = ReceivedRequest(b"", {"Authorization": f"Bearer {OLD}"})
    assert load_gateways(settings)["results"].authenticate(token).app is None


NAMED: list[tuple[str, Any, dict[str, str], list[str | None]]] = [
    ("results", [{"code": 2, "app": "shop"}, {"code": 2, "app": " "}, {"code": 2}], {},
     ["shop", None]),
    ("results", [{"code": 2, "app": 5}, {"code": 2, "app": ["shop"]}], {}, ["5", None]),
    ("mps", {"statusCode": 2}, {"app": "news"}, ["news"]),
    ("mps", [{"statusCode": 2}, {"statusCode": 2}], {"app": "news", "channel": "HMS"}, ["news"]),
    ("mps", {"statusCode": 2}, {"app": " "}, [None]),
    ("acme", [{"code": 2, "bundle": "com.example.shop"}, {"code": 2, "package": "news"},
              {"code": 2, "bundle": "", "package": "com.example.shop"}, {"code": 2}], {},
     ["shop", "news", None]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "query", "expected"), NAMED)
def test_app_that_a_request_names(
    name: str, body: Any, query: dict[str, str], expected: list[str | None], tmp_path: Path
) -> None:
    """The app is in the item, in the URL of MPS, or at a path; a blank one is absent."""
    request = ReceivedRequest(json.dumps(body).encode(), {}, query)
    found = decoded(loaded(tmp_path)[name], request)
    assert not found.rejected
    assert [group.result.app for group in found.groups] == expected


SHIPPED = [
    ("huawei-receipts", {"statuses": [{"status": 0, "requestId": "r", "appid": "100001"}]}),
    ("huawei-receipts", {"statuses": [{"status": 0, "requestId": "r", "clientId": "100001"}]}),
    ("huawei-receipts", {"statuses": [{"deliveryStatus": {"result": 0}, "requestId": "r",
                                       "appPackageName": "100001"}]}),
    ("harmonyos-receipts", {"statuses": [{"deliveryStatus": {"result": 0}, "requestId": "r",
                                          "appPackageName": "100001"}]}),
    ("honor-receipts", {"statuses": [{"status": 40000002, "requestId": "r", "appid": 100001}]}),
    ("oppo-receipts", [{"eventType": "push_arrive", "messageId": "m", "appId": "100001"}]),
    ("getui", {"code": "200", "taskid": "t", "appid": "100001"}),
]  # fmt: skip


@pytest.mark.parametrize(("use", "body"), SHIPPED)
def test_app_of_a_vendors_receipt(use: str, body: Any, tmp_path: Path) -> None:
    """Where a vendor sends the app's id, a map makes an app of it."""
    text = f'use = "{use}"\n[map.app]\n100001 = "shop"\n'
    gateway = loaded(tmp_path, description=text)["acme"]
    [group] = decoded(gateway, ReceivedRequest(json.dumps(body).encode())).groups
    assert group.result.app == "shop"


@pytest.mark.parametrize(
    ("named", "of_credential", "expected"),
    [
        ("news", "shop", AppOf("shop", "credential")),
        (None, "shop", AppOf("shop", "credential")),
        ("news", None, AppOf("news", "request")),
        (" news ", None, AppOf("news", "request")),
        ("News", None, AppOf("other", "undeclared")),
        ("other", None, AppOf("other", "undeclared")),
        (None, None, AppOf("other", "none")),
    ],
)
def test_rule(named: str | None, of_credential: str | None, expected: AppOf) -> None:
    """The app of the credential takes precedence over that of the request."""
    assert app_of(named, Credential(0, app=of_credential), APPS) == expected
    if of_credential is None:
        assert app_of(named, None, APPS) == expected


def test_undeclared_app_of_a_map_is_warned_of(tmp_path: Path) -> None:
    """A map to an app that nothing declares is a mistake, where apps are declared."""
    text = ACME.replace('= "shop"\n', '= "chat"\n')
    [warning] = [
        warning
        for warning in loaded(tmp_path, description=text)["acme"].warnings
        if "chat" in warning
    ]
    assert "APPS" in warning


EXPLAINED = {
    "news": "App news: the request names it.",
    "pigeon": "App other: the request names 'pigeon', which APPS does not declare.",
    "": "App other: neither a credential nor the request names an app.",
}


@pytest.mark.parametrize(("named", "line"), EXPLAINED.items())
def test_explanation_names_the_rule(named: str, line: str, tmp_path: Path) -> None:
    """`explain --payload` names the rule by which a result got its app."""
    files = [f"shop={tmp_path}/shop"]
    gateways = loaded(tmp_path, results_token_files=files)
    body = json.dumps({"code": 2009, "app": named}).encode()
    classifier = Classifier(load_tables())
    payloads = [Payload(body, "results")]
    explanation = explain_payload(classifier, gateways, payloads, apps=APPS)
    assert line in render_text(explanation)
    signature = verify([gateways["results"]], bearer("shop"))
    explanation = explain_payload(classifier, gateways, payloads, signature, APPS)
    assert "App shop: the app of the credential." in render_text(explanation)
    assert "App " not in render_text(explain_payload(classifier, gateways, payloads))
