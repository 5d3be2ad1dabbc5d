"""Secrets that are sent as they are: bearer, basic, a header or parameter of one's own, none."""

import hmac
from base64 import b64encode
from collections.abc import Callable, Iterable
from pathlib import Path

from exporter.configuration.files import read_lines
from exporter.errors import Reason, RequestError
from exporter.gateways.auth.scheme import credential_of, missing
from exporter.gateways.gateway import Credential, ReceivedRequest


class SharedSecret:
    """A secret that stands somewhere in the request, compared in constant time."""

    def __init__(
        self,
        gateway: str,
        secrets: Iterable[bytes],
        find: Callable[[ReceivedRequest], str | None],
        *,
        expects: str,
        challenge: str,
    ) -> None:
        self._known = [(secret, credential_of(gateway, secret)) for secret in secrets]
        self._find = find
        self.expects = expects
        self.challenge = challenge

    def authenticate(self, request: ReceivedRequest, *, fresh: bool = True) -> Credential:
        """Accept any of the secrets."""
        del fresh
        found = self._find(request)
        if not found:
            raise missing(self.expects)
        given = found.encode("utf-8", "surrogateescape")
        # No early end: how many secrets there are, or which one matched, must not show in time.
        fits = [one for secret, one in self._known if hmac.compare_digest(given, secret)]
        if not fits:
            raise RequestError(Reason.BAD_SIGNATURE, f"This is not a known one: {self.expects}.")
        return fits[0]


def bearer(gateway: str, secrets: Iterable[bytes]) -> SharedSecret:
    """Look for `Authorization: Bearer …`."""
    return SharedSecret(
        gateway,
        secrets,
        lambda request: _after("bearer", request),
        expects="'Authorization: Bearer' and a token",
        challenge="Bearer",
    )


def basic(gateway: str, secrets: Iterable[bytes], user: str) -> SharedSecret:
    """Look for `Authorization: Basic …` of a user; the secrets are passwords."""
    return SharedSecret(
        gateway,
        [b64encode(user.encode() + b":" + secret) for secret in secrets],
        lambda request: _after("basic", request),
        expects="'Authorization: Basic' of user and password",
        challenge='Basic realm="push-result-exporter"',
    )


def header(gateway: str, secrets: Iterable[bytes], name: str, prefix: str = "") -> SharedSecret:
    """Look for a header of its own, after its prefix."""
    return SharedSecret(
        gateway,
        secrets,
        lambda request: _unprefixed(request.headers.get(name), prefix),
        expects=f"the secret in the header '{name}'",
        challenge="Secret",
    )


def query(gateway: str, secrets: Iterable[bytes], name: str, prefix: str = "") -> SharedSecret:
    """Look for a parameter of the query."""
    return SharedSecret(
        gateway,
        secrets,
        lambda request: _unprefixed(request.query.get(name), prefix),
        expects=f"the secret as '{name}' in the query",
        challenge="Secret",
    )


class Anyone:
    """Lets every request in: the description says that there is nothing to check."""

    expects = "nothing"
    challenge = "Secret"

    def __init__(self, gateway: str) -> None:
        self._credential = credential_of(gateway, b"")._replace(proven=False)

    def authenticate(self, request: ReceivedRequest, *, fresh: bool = True) -> Credential:
        """Return a credential that proves nothing."""
        del request, fresh
        return self._credential


def load_tokens(files: Iterable[Path]) -> list[bytes]:
    """Read tokens, one per line; ConfigurationError names a file without one."""
    return [line.encode() for path in files for _, line in read_lines("token file", path)]


def _after(scheme: str, request: ReceivedRequest) -> str | None:
    name, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if name.lower() == scheme else None


def _unprefixed(value: str | None, prefix: str) -> str | None:
    return value.strip().removeprefix(prefix) if value else None
