"""The authenticator of a webhook: one or more schemes with their credentials."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from exporter.errors import Reason, RequestError
from exporter.gateways.auth.files import CredentialFile
from exporter.gateways.auth.scheme import BodyValues, Known, Scheme, credential_of
from exporter.gateways.gateway import Credential, CredentialSource, ReceivedRequest

_LEAST_SPECIFIC = [Reason.MISSING_CREDENTIALS, Reason.BAD_SIGNATURE, Reason.STALE_TIMESTAMP]
_SCHEME = re.compile(r"(?i)(basic|bearer|digest|hmac|key|apikey|token|negotiate)\b")
_SECRET_PARAMETERS = ("token", "access_token", "api_key", "apikey", "key", "secret", "sign")


class LoadedScheme(NamedTuple):
    """A scheme with the credentials of its files."""

    setting: str
    """The setting, or the key of a description, that names the files."""
    scheme: Scheme
    known: Sequence[Known]

    @property
    def sources(self) -> list[CredentialSource]:
        """Its files of credentials."""
        files = groupby(self.known, key=lambda known: known.file)
        return [_source(self, file, list(known)) for file, known in files if file]

    @property
    def warnings(self) -> list[str]:
        """Weaknesses of the scheme and its credentials."""
        of_credentials = (known.warning for known in self.known)
        return [*self.scheme.warnings(), *filter(None, of_credentials)]


def _source(
    loaded: LoadedScheme, file: CredentialFile, credentials: Sequence[Known]
) -> CredentialSource:
    return CredentialSource(
        loaded.setting,
        str(file.path),
        loaded.scheme.scheme,
        file.app,
        [known.key for known in credentials if known.key],
        sum(1 for known in credentials if known.secret),
    )


class Authenticator:
    """The schemes of a webhook; any of them may accept a request."""

    def __init__(
        self,
        gateway: str,
        schemes: Sequence[LoadedScheme],
        *,
        settings: Sequence[str],
        allow_unsigned: bool,
        body_values: BodyValues | None = None,
    ) -> None:
        """Take the schemes; `settings` are the names of the settings that configure them."""
        self._schemes = schemes
        self._body_values = body_values
        self.settings = settings
        self.warnings = [warning for loaded in schemes for warning in loaded.warnings]
        self.credentials = [source for loaded in schemes for source in loaded.sources]
        self.accepts_anyone = not self.credentials and (allow_unsigned or bool(schemes))
        self._unsigned: Credential | None = None
        if allow_unsigned and not schemes:
            self._unsigned = credential_of(gateway, b"")._replace(proven=False)

    def authenticate(self, request: ReceivedRequest, *, fresh: bool = True) -> Credential:
        """Return the matching credential; if there is none, raise the most specific error."""
        if self._unsigned:
            return self._unsigned
        errors = []
        for _, scheme, known in self._schemes:
            try:
                return scheme.authenticate(request, known, self._body_values, fresh=fresh)
            except RequestError as error:
                # Drop the traceback: it references this frame, and so the body.
                errors.append(error.with_traceback(None))
        raise self._refusal(request, errors)

    def _refusal(self, request: ReceivedRequest, errors: list[RequestError]) -> RequestError:
        """Return an error that names the expected credentials and those in the request."""
        if not errors:
            return RequestError(
                Reason.MISSING_CREDENTIALS,
                f"This webhook has no credentials configured: set {' or '.join(self.settings)}.",
            )
        challenges = dict.fromkeys(loaded.scheme.challenge for loaded in self._schemes)
        headers = {"WWW-Authenticate": ", ".join(challenges)}
        worst = max(errors, key=_specificity)
        detail = worst.detail
        if worst.reason is Reason.MISSING_CREDENTIALS:
            expected = ", or ".join(loaded.scheme.expected for loaded in self._schemes)
            detail = f"Expected {expected}; the request has {_found(request)}."
        return RequestError(worst.reason, detail, headers)


def _specificity(error: RequestError) -> int:
    known = error.reason in _LEAST_SPECIFIC
    return _LEAST_SPECIFIC.index(error.reason) if known else len(_LEAST_SPECIFIC)


def _found(request: ReceivedRequest) -> str:
    """List the apparent credentials of a request by name, without their values."""
    found = []
    if authorization := request.headers.get("Authorization"):
        found.append(_authorization(authorization))
    for family in ("webhook-", "svix-"):
        names = [f"{family}{name}" for name in ("id", "timestamp", "signature")]
        if given := [name for name in names if request.headers.get(name)]:
            found.append(", ".join(f"'{name}'" for name in given))
    names = [name for name in _SECRET_PARAMETERS if request.query.get(name)]
    found += [f"query parameter '{name}'" for name in names]
    return " and ".join(found) or "none"


def _authorization(value: str) -> str:
    """Describe an Authorization header by its scheme, if it names one."""
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
