"""Several schemes on one webhook."""

import hashlib
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest

from exporter.errors import RequestError
from exporter.gateways.auth.authenticator import LoadedScheme
from exporter.gateways.auth.standard_webhooks import StandardWebhooks
from exporter.gateways.gateway import Credential
from tests.support.authentication import (
    KEY,
    OTHER_KEY,
    any_of,
    bearer,
    load_rsa_signature,
    refusal,
    refused,
    request,
    secret_line,
    webhook_headers,
    with_secrets,
)
from tests.support.exporter import KeyPair


class Call(NamedTuple):
    """Headers, and the reason for which both schemes together refuse them."""

    headers: Callable[[], dict[str, str]]
    reason: str | None


GOOD_TOKEN = {"Authorization": "Bearer one"}
BAD_TOKEN = {"Authorization": "Bearer two"}
CALLS = {
    "nothing": Call(dict, "missing_credentials"),
    "good-token": Call(lambda: GOOD_TOKEN, None),
    "bad-token": Call(lambda: BAD_TOKEN, "bad_signature"),
    "good-webhook": Call(webhook_headers, None),
    "bad-webhook": Call(lambda: webhook_headers(OTHER_KEY), "bad_signature"),
    "stale-webhook": Call(lambda: webhook_headers(age=999), "stale_timestamp"),
    "good-token-and-bad-webhook": Call(lambda: webhook_headers(OTHER_KEY) | GOOD_TOKEN, None),
    "bad-token-and-good-webhook": Call(lambda: webhook_headers() | BAD_TOKEN, None),
    "both-bad": Call(lambda: webhook_headers(OTHER_KEY) | BAD_TOKEN, "bad_signature"),
}


def _http_schemes() -> list[LoadedScheme]:
    return [with_secrets(StandardWebhooks(), KEY), bearer(b"one")]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("headers", "reason"), CALLS.values(), ids=CALLS)
def test_any_of_several_schemes(
    order: int, headers: Callable[[], dict[str, str]], reason: str | None
) -> None:
    """One scheme that accepts is enough; else the reason is that of the scheme that was tried."""
    scheme = any_of(*_http_schemes()[::order])
    assert refusal(scheme, headers=headers()) == reason


def test_reason_does_not_depend_on_the_order() -> None:
    """A call that is wrong in two ways gets the same answer however the schemes are ordered."""
    schemes = _http_schemes()
    headers = webhook_headers(age=999) | BAD_TOKEN
    reasons = [refusal(any_of(*schemes[::order]), headers=headers) for order in (1, -1)]
    assert reasons[0] == reasons[1]


def test_without_a_scheme_every_request_is_refused() -> None:
    """If no credentials are configured, every request lacks them."""
    assert refusal(any_of(), headers=GOOD_TOKEN) == "missing_credentials"


UNEXPECTED: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "basic": ({"Authorization": "Basic aHVudGVyMg=="}, {}, "'Authorization: Basic'"),
    "token-in-query": ({}, {"access_token": "hunter2"}, "query parameter 'access_token'"),
    "tab": ({"Authorization": "Bearer\thunter2"}, {}, "a tab in place of a space"),
    "bare-token": ({"Authorization": "hunter2"}, {}, "without the name of a scheme"),
    "no-space": ({"Authorization": "Bearer=hunter2"}, {}, "not followed by a space"),
    "no-token": ({"Authorization": "Bearer "}, {}, "nothing after it"),
    "half-of-svix": ({"svix-id": "a", "svix-signature": "b"}, {}, "'svix-id', 'svix-signature'"),
    "nothing": ({}, {"x": "hunter2"}, "the request has none"),
    "empty-parameter": ({}, {"sign": ""}, "the request has none"),
}


@pytest.mark.parametrize(("headers", "query", "found"), UNEXPECTED.values(), ids=UNEXPECTED)
def test_refusal_names_expected_and_received_credentials(
    headers: dict[str, str], query: dict[str, str], found: str
) -> None:
    """The refusal names the kind of credentials received and those accepted, and quotes neither."""
    error = refused(any_of(*_http_schemes()), query, headers)
    assert error
    assert error.reason == "missing_credentials"
    assert "'webhook-signature', or 'Authorization: Bearer'" in error.detail
    assert found in error.detail
    assert "unter2" not in error.detail
    assert "Bearer" in error.headers["WWW-Authenticate"]


def credential(scheme: LoadedScheme, headers: dict[str, str]) -> Credential:
    """Authenticate; return the credential."""
    return any_of(scheme).authenticate(request(None, headers))


def test_credentials_have_scopes_that_last() -> None:
    """A scope is the same whenever the files are read, and another for each credential."""
    first, two = {"Authorization": "Bearer one"}, {"Authorization": "Bearer two"}
    before, after = bearer(b"one", b"two"), bearer(b"two", b"one")
    assert credential(before, first) == credential(after, first) != credential(before, two)
    assert credential(before, two) == credential(after, two)
    assert credential(bearer(b"one", gateway="another"), first) != credential(before, first)
    assert all(0 <= credential(before, headers).scope < 2**64 for headers in (first, two))
    # Known from the outside, so that an update does not make every retry a new result.
    digest = hashlib.sha256(b"push-result-exporter\0results\0one").digest()
    assert credential(before, first) == Credential(int.from_bytes(digest[:8], "big"))


def test_unsigned_requests_are_not_proven() -> None:
    """ALLOW_UNSIGNED accepts unsigned requests only at webhooks without credentials."""
    assert not any_of(allow_unsigned=True).authenticate(request()).proven
    assert refusal(any_of(bearer(b"one"), allow_unsigned=True)) == "missing_credentials"


def test_refusals_repeat_no_credentials(keys: KeyPair) -> None:
    """The detail in a response contains neither the sender's secrets nor the configured ones."""
    authenticators = [*map(any_of, _http_schemes()), load_rsa_signature([keys.public])]
    secrets = ["hunter2hunter2", "c2lnbmF0dXJl", secret_line(KEY), "msg_secret"]
    headers = {
        "Authorization": "Bearer hunter2hunter2",
        "Webhook-Id": "msg_secret",
        "Webhook-Timestamp": str(int(time.time())),
        "Webhook-Signature": "v1,c2lnbmF0dXJl",
    }
    for authenticator in authenticators:
        with pytest.raises(RequestError) as refused:
            authenticator.authenticate(
                request({"sign": "c2lnbmF0dXJl"}, headers, b"hunter2hunter2")
            )
        assert not any(secret in refused.value.detail for secret in secrets)
