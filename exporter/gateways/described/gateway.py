"""A gateway that a description tells of: its body cut into items, each field read from its path."""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as File
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from xxhash import xxh3_64_intdigest

from exporter.errors import Reason, RequestError
from exporter.gateways.auth.signature import SignatureScheme
from exporter.gateways.auth.tokens import NoAuth
from exporter.gateways.described.authenticator import build_authenticator, check_required
from exporter.gateways.described.body import BodyReader
from exporter.gateways.described.description import Description
from exporter.gateways.described.files import load_description, name_of
from exporter.gateways.described.readings import reader_of
from exporter.gateways.gateway import (
    Credential,
    GatewaySettings,
    ReceivedRequest,
    RequestKey,
    webhook_key,
)
from exporter.gateways.paths import parse_path, walk
from exporter.gateways.text import MALFORMED, lines_of, naming_content_type, text_of
from exporter.results import Batch

_HANDSHAKE = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
_MAX_HANDSHAKE = 4096
"""Bytes of a body that may be a handshake."""

_MAX_FORM_FIELDS = 1000
_GZIP = b"\x1f\x8b"


class Described:
    """A described gateway; `name` is that of its file."""

    def __init__(
        self,
        name: str,
        description: Description,
        file: File,
        settings: GatewaySettings,
        *,
        credentials: bool,
    ) -> None:
        """Read the secrets that the description names; ConfigurationError names a bad one."""
        self.name = name
        self.title = description.title
        self.channels = description.channels
        self.description = description
        self.response = None if description.answer is None else description.answer.encode()
        self._max_body_bytes = settings.max_body_bytes
        self._authenticator = build_authenticator(
            name,
            description.auth if credentials else None,
            file,
            self._body_values,
            apps=settings.apps,
            allow_unsigned=settings.allow_unsigned,
        )
        self.missing_settings = self._authenticator.missing_settings
        self.warnings = [
            f"{file}: {warning}"
            for warning in (*_warnings(description), *self._authenticator.warnings)
        ]
        auth = description.auth
        self._signed_paths = auth.body_paths if isinstance(auth, SignatureScheme) else []
        items = reader_of(description)
        self.judge = items.judge
        self._reader = BodyReader(description.items.path, items)

    @classmethod
    def load(
        cls, file: File, settings: GatewaySettings, *, credentials: bool = True
    ) -> "Described":
        """Read a description; ConfigurationError names file and key of what is wrong.

        Without `credentials` no secret is read, and every request is refused.
        """
        description = load_description(file)
        return cls(name_of(file), description, file, settings, credentials=credentials)

    def recognizes(self, body: bytes) -> bool:
        """Whether every item of a body is a result by this description, and none by default."""
        try:
            batch = self.decode(ReceivedRequest(body))
        except RequestError:
            return False
        return bool(batch.groups) and not batch.rejected and not batch.defaulted

    def handshake(self, request: ReceivedRequest) -> str | None:
        """Return the text that the sender wants to see again, if that is all it sends."""
        rules = self.description.handshake
        value: object = None
        if rules.query and not request.content:
            value = request.query.get(rules.query)
        elif rules.body and len(request.content) <= _MAX_HANDSHAKE:
            value = self._challenge(request, rules.body)
        return value if isinstance(value, str) and _HANDSHAKE.fullmatch(value) else None

    def authenticate(self, request: ReceivedRequest, *, fresh: bool = True) -> Credential:
        """Check what the description requires, then the credentials."""
        check_required(self.description.require, request)
        return self._authenticator.authenticate(request, fresh=fresh)

    def decode(self, request: ReceivedRequest) -> Batch:
        """Read a body; RequestError (`malformed_body`) if it is not as the description says."""
        try:
            texts = self._texts(request)
            if self.description.content.format == "ndjson":
                return self._reader.lines(texts)
            return self._reader.whole(texts[0]) if texts else Batch([], [])
        except RequestError as refusal:
            if self.description.content.format == "form":
                raise
            raise naming_content_type(refusal, request.content_type) from None

    def request_key(self, request: ReceivedRequest, credential: Credential) -> RequestKey | None:
        """Take the request's id, or its body where nothing tells the items apart."""
        fields = self.description.fields
        if credential.request_id is not None:
            return webhook_key(credential.request_id, request.content, credential)
        if fields.id or fields.dedupe:
            return None
        return RequestKey(xxh3_64_intdigest(request.content, credential.scope))

    def _body_values(self, request: ReceivedRequest) -> Iterator[Mapping[str, str]]:
        """Yield the values of `{body:X}`, of each line or element that has a signature."""
        if not self._signed_paths:
            yield {}
            return
        for document in self.documents(request):
            found = ((path, walk(document, parse_path(path))) for path in self._signed_paths)
            yield {path: str(value) for path, value in found if type(value) in (str, int, float)}

    def documents(self, request: ReceivedRequest) -> Sequence[Any]:
        """Return the JSON values of a body: its lines, the elements of its array, or itself."""
        try:
            values = [msgspec.json.decode(text) for text in self._texts(request)]
        except (*MALFORMED, RequestError):
            return []  # nothing that could be signed
        if len(values) == 1 and isinstance(values[0], list):
            return values[0]
        return values

    def items(self, request: ReceivedRequest) -> list[tuple[str | None, Any]]:
        """Return each item with its key, if it stands in a map: for `explain`."""
        return [
            (key, msgspec.json.decode(raw))
            for text in self._texts(request)
            for key, raw in self._reader.raws(text)
        ]

    def _texts(self, request: ReceivedRequest) -> list[str]:
        """Return the JSON texts of a body, none of them blank."""
        content = self._content(request)
        rules = self.description.content
        if rules.format == "ndjson":
            return lines_of(text_of(content))
        if rules.format == "json":
            text = text_of(content)
            return [text] if text else []
        if not content.strip():
            return []
        fields = _form(content)
        if rules.field is None:
            return [msgspec.json.encode(fields).decode()]
        if rules.field not in fields:
            raise RequestError(
                Reason.MALFORMED_BODY, f"The body is no form with the field '{rules.field}'."
            )
        text = text_of(fields[rules.field].encode())
        return [text] if text else []

    def _content(self, request: ReceivedRequest) -> bytes:
        content = request.content
        if self.description.content.encoding == "gzip" and content.startswith(_GZIP):
            return _unpacked(content, self._max_body_bytes)
        return content

    def _challenge(self, request: ReceivedRequest, name: str) -> object:
        if name.encode() not in request.content or not request.content.lstrip().startswith(b"{"):
            return None
        documents = self.documents(request)
        first = documents[0] if len(documents) == 1 else None
        value = first.get(name) if isinstance(first, Mapping) else None
        try:
            return None if self.decode(request).groups else value
        except RequestError:
            return value


def _form(content: bytes) -> dict[str, str]:
    """Read a form; of a field that is repeated, the first counts."""
    try:
        pairs = parse_qsl(
            content.decode("utf-8", "replace"),
            keep_blank_values=True,
            max_num_fields=_MAX_FORM_FIELDS,
        )
    except ValueError:
        raise RequestError(
            Reason.MALFORMED_BODY, f"The form has more than {_MAX_FORM_FIELDS:,} fields."
        ) from None
    return dict(reversed(pairs))


def _unpacked(content: bytes, limit: int) -> bytes:
    """Unpack gzip that no header announces, within the bound on bodies."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(content, limit + 1)
    except zlib.error:
        raise RequestError(Reason.MALFORMED_BODY, "The body is not gzip.") from None
    if len(unpacked) > limit:
        raise RequestError(
            Reason.TOO_LARGE, f"The body is larger than {limit} bytes when it is unpacked."
        )
    if not unpacker.eof:
        raise RequestError(Reason.MALFORMED_BODY, "The gzip data breaks off.")
    return unpacked


def _warnings(description: Description) -> list[str]:
    """Return what is weak about the description where it names no credentials."""
    auth = description.auth
    refused = "requests are refused unless ALLOW_UNSIGNED is set"
    if auth is None:
        return [f"it has no [auth]: {refused}"]
    if not auth.files and not isinstance(auth, NoAuth):
        return [f"auth.secrets: there are none: {refused}"]
    return []
