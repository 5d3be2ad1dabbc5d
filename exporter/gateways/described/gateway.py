"""A gateway made from a description, whose paths locate the items and their fields."""

import re
from collections.abc import Collection
from itertools import repeat
from pathlib import Path as File
from typing import Any

import msgspec

from exporter.configuration.groups import GatewaySettings
from exporter.errors import RequestError
from exporter.gateways.auth.signature import SignatureScheme
from exporter.gateways.auth.tokens import NoAuth
from exporter.gateways.described.authenticator import build_authenticator, check_required
from exporter.gateways.described.body import BodyReader
from exporter.gateways.described.content import ContentReader
from exporter.gateways.described.description import Description
from exporter.gateways.described.fields import reader_of
from exporter.gateways.described.files import load_description, name_of
from exporter.gateways.described.signed_values import SignedValues
from exporter.gateways.gateway import (
    Credential,
    ReceivedRequest,
    RequestKey,
    Verification,
    webhook_key,
)
from exporter.gateways.item_format import ItemJson
from exporter.gateways.steps import Steps, finish
from exporter.gateways.text import MALFORMED, naming_content_type
from exporter.gateways.values import is_absent

MAX_VERIFICATION_BYTES = 4096
"""Maximum size of a handshake or probe, decompressed."""

_ECHO = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)


class Described:
    """A described gateway; `name` is the name of its file."""

    def __init__(
        self,
        name: str,
        description: Description,
        file: File,
        settings: GatewaySettings,
        *,
        credentials: bool,
    ) -> None:
        """Read the description's secrets; ConfigurationError names an unusable file."""
        self.name = name
        self.title = description.title
        self.channels = description.channels
        self.description = description
        self.response = None if description.answer is None else description.answer.encode()
        self._content = ContentReader(description.content, settings.max_body_bytes)
        scheme = description.auth
        paths = scheme.body_paths if isinstance(scheme, SignatureScheme) else []
        authenticator = build_authenticator(
            name,
            scheme if credentials else None,
            file,
            SignedValues(paths, self._content) if paths else None,
            apps=settings.apps,
            allow_unsigned=settings.allow_unsigned,
        )
        self._authenticate = authenticator.authenticate
        self.settings = authenticator.settings
        self.credentials = authenticator.credentials
        self.accepts_anyone = authenticator.accepts_anyone
        warnings = [*_warnings(description, settings.apps), *authenticator.warnings]
        self.warnings = [f"{file}: {warning}" for warning in warnings]
        items = reader_of(description)
        self.judge = items.judge
        self._reader = BodyReader(description.items.path, items)

    @classmethod
    def load(
        cls, file: File, settings: GatewaySettings, *, credentials: bool = True
    ) -> "Described":
        """Read a description; ConfigurationError names the file and the key of a mistake.

        Without `credentials` secrets are not read, and all requests are refused.
        """
        description = load_description(file)
        return cls(name_of(file), description, file, settings, credentials=credentials)

    def recognizes(self, body: bytes) -> bool:
        """Whether every item of a body has a code by this description, not by default."""
        has_results = False
        try:
            for decoded in self.decode(ReceivedRequest(body)):
                if decoded.rejected or decoded.defaulted:
                    return False
                has_results = has_results or bool(decoded.groups)
        except RequestError:
            return False
        return has_results

    def verification(self, request: ReceivedRequest) -> Verification | None:
        """Return the response to a handshake or an unsigned probe; None for other requests."""
        handshake, probe = self.description.handshake, self.description.probe
        echo: object = None
        if handshake.query and not request.content:
            echo = request.query.get(handshake.query)
        elif handshake.body and handshake.body.encode() in request.content:
            echo = self._challenge(request, handshake.body)
        if isinstance(echo, str) and _ECHO.fullmatch(echo):
            return Verification(echo)
        if probe and probe.unsigned and request.method == "POST" and self._is_probe(request):
            return Verification()
        return None

    def authenticate(self, request: ReceivedRequest, *, fresh: bool = True) -> Credential:
        """Check the required parameters and headers, then the credentials."""
        check_required(self.description.require, request)
        return self._authenticate(request, fresh=fresh)

    def decode(self, request: ReceivedRequest) -> Steps[None]:
        """Yield the results of a body; RequestError (`malformed_body`) for an invalid body."""
        if self.description.probe and self._is_probe(request):
            return
        try:
            if self.description.content.format == "ndjson":
                lines = yield from self._content.lines(request)
                yield from self._reader.lines(lines)
            else:
                text = yield from self._content.text(request)
                yield from self._reader.whole(text)
        except RequestError as error:
            if self.description.content.format in ("form", "multipart"):
                raise
            raise naming_content_type(error, request.content_type) from None

    def request_key(self, request: ReceivedRequest, credential: Credential) -> RequestKey | None:
        """Return the key of the signed id, or of the body if items have no identity."""
        fields = self.description.fields
        if credential.request_id is None and (fields.id or fields.dedupe):
            return None
        content = self._content.unpacked(request.content)
        if credential.request_id is not None:
            return webhook_key(credential.request_id, content)
        return RequestKey(content)

    def items(self, request: ReceivedRequest) -> list[tuple[str | None, ItemJson]]:
        """Return the items, each with its key in a map or None, for `explain`."""
        found: list[tuple[str | None, ItemJson]] = []
        for text in finish(self._content.texts(request)):
            items, keys = self._reader.texts(text)
            found += zip(keys or repeat(None), items)  # noqa: B905 - without keys, as many as items
        return found

    def _challenge(self, request: ReceivedRequest, name: str) -> object:
        """Return the value of a field of a small object without results; else None."""
        value = self._small_document(request)
        if not isinstance(value, dict) or name not in value:
            return None
        try:
            has_results = any(decoded.groups for decoded in self.decode(request))
        except RequestError:
            has_results = False
        return None if has_results else value[name]

    def _is_probe(self, request: ReceivedRequest) -> bool:
        """Whether a small body has no items: it is blank, or empty along the path to the items."""
        if not request.content.strip():
            return True
        value = self._small_document(request)
        for step in self.description.items.path:
            if not value or not isinstance(value, dict):
                break
            value = value.get(step) if step in value else ...
        return is_absent(value) or value in ({}, [])

    def _small_document(self, request: ReceivedRequest) -> Any:
        """Return the JSON of a small body; Ellipsis for a larger or invalid body."""
        if len(request.content) > MAX_VERIFICATION_BYTES:
            return ...
        try:
            texts = finish(self._content.texts(request, MAX_VERIFICATION_BYTES))
            return msgspec.json.decode(texts[0]) if len(texts) == 1 else ...
        except (RequestError, *MALFORMED):
            return ...


def _warnings(description: Description, apps: Collection[str]) -> list[str]:
    """Warn of missing credentials and undeclared apps."""
    warnings = []
    auth = description.auth
    refused = "requests are refused unless ALLOW_UNSIGNED is set"
    if auth is None:
        warnings.append(f"no [auth]: {refused}")
    elif not auth.files and not isinstance(auth, NoAuth):
        warnings.append(f"auth.secrets is missing: {refused}")
    undeclared = {*description.map.app.values()} - {*apps} if apps else ()
    unknown = (f"map.app: the app {app!r} is not declared in APPS" for app in sorted(undeclared))
    return [*warnings, *unknown]
