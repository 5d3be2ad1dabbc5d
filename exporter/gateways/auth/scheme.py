"""What every scheme provides, and several of them on one webhook."""

import hashlib
import re
from collections.abc import Sequence
from typing import Protocol

from exporter.errors import Reason, RequestError
from exporter.gateways.gateway import Credential, ReceivedRequest

_SPECIFIC = (Reason.MISSING_CREDENTIALS, Reason.BAD_SIGNATURE, Reason.STALE_TIMESTAMP)
_SCHEME = re.compile(r"(?i)(basic|bearer|digest|hmac|key|apikey|token|negotiate)\b")
_SECRET_PARAMETERS = ("token", "access_token", "api_key", "apikey", "key", "secret", "sign")


class Scheme(Protocol):
    """One way to prove who sends, with the credentials that it knows."""

    @property
    def expects(self) -> str:
        """What a request must have, for the sender to read."""

    @property
    def challenge(self) -> str:
        """The value of `WWW-Authenticate`."""

    def authenticate(self, request: ReceivedRequest, *, fresh: bool = True) -> Credential:
        """Return the credential that fits; with `fresh=False`, however old the request is.

        Raises RequestError (`missing_credentials`, `bad_signature`, `stale_timestamp`).
        """


def credential_of(gateway: str, secret: bytes) -> Credential:
    """Make a credential whose scope stays the same for as long as gateway and secret do."""
    digest = hashlib.sha256(b"\0".join((b"push-result-exporter", gateway.encode(), secret)))
    return Credential(int.from_bytes(digest.digest()[:8], "big"))


class Authenticator:
    """All schemes of one webhook: one that accepts is enough."""

    def __init__(
        self, gateway: str, schemes: Sequence[Scheme], *, settings: str, allow_unsigned: bool
    ) -> None:
        """Know schemes; `settings` names what the operator sets to have one."""
        self._schemes = schemes
        self.lacking = None if schemes else settings
        self._unsigned: Credential | None = None
        if allow_unsigned and not schemes:
            self._unsigned = credential_of(gateway, b"")._replace(proven=False)

    def authenticate(self, request: ReceivedRequest, *, fresh: bool = True) -> Credential:
        """Return the credential that fits; else raise the most specific of the refusals."""
        if self._unsigned:
            return self._unsigned
        refusals = []
        for scheme in self._schemes:
            try:
                return scheme.authenticate(request, fresh=fresh)
            except RequestError as refusal:
                # Without the traceback, which leads back here, and so to the body.
                refusals.append(refusal.with_traceback(None))
        raise self._refusal(request, refusals)

    def _refusal(self, request: ReceivedRequest, refusals: list[RequestError]) -> RequestError:
        """Say what was expected and what came."""
        if not refusals:
            return RequestError(
                Reason.MISSING_CREDENTIALS,
                f"This webhook has no credentials configured: set {self.lacking}.",
            )
        headers = {"WWW-Authenticate": ", ".join({one.challenge: 0 for one in self._schemes})}
        worst = max(refusals, key=lambda one: _SPECIFIC.index(one.reason))
        detail = worst.detail
        if worst.reason is Reason.MISSING_CREDENTIALS:
            expected = ", or ".join(scheme.expects for scheme in self._schemes)
            detail = f"Expected {expected}; the request has {_found(request)}."
        return RequestError(worst.reason, detail, headers)


def missing(what: str) -> RequestError:
    """Refuse a request that lacks what a scheme looks for."""
    return RequestError(Reason.MISSING_CREDENTIALS, f"There is no {what}.")


def _found(request: ReceivedRequest) -> str:
    """Name what looks like credentials, by names that are known and never by what they hold."""
    found = []
    if authorization := request.headers.get("Authorization"):
        found.append(_authorization(authorization))
    for family in ("webhook-", "svix-"):
        names = [f"{family}{name}" for name in ("id", "timestamp", "signature")]
        if given := [name for name in names if request.headers.get(name)]:
            found.append(", ".join(f"'{name}'" for name in given))
    names = [name for name in _SECRET_PARAMETERS if request.query.get(name)]
    found += [f"'{name}' in the query" for name in names]
    return " and ".join(found) or "none of the kind"


def _authorization(value: str) -> str:
    """Describe an Authorization header by its scheme, if it is one by name."""
    scheme = _SCHEME.match(value)
    if scheme is None:
        return "an 'Authorization' header without the name of a scheme"
    name, rest = scheme[0], value[scheme.end() :]
    if rest.startswith("\t"):
        return f"'Authorization: {name}' followed by a tab in place of a space"
    if not rest.startswith(" ") and rest:
        return f"'Authorization: {name}' not followed by a space"
    if not rest.strip():
        return f"'Authorization: {name}' with nothing after it"
    return f"'Authorization: {name}'"
