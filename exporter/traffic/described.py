"""Writes and signs the requests of a described gateway."""

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path as File
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from exporter.errors import ConfigurationError
from exporter.gateways.auth.draft import Draft
from exporter.gateways.auth.files import credential_files
from exporter.gateways.auth.public_keys import load_private_key
from exporter.gateways.auth.scheme import Scheme
from exporter.gateways.auth.signature import SignatureScheme
from exporter.gateways.auth.signatures import Rsa
from exporter.gateways.auth.standard_webhooks import StandardWebhooks
from exporter.gateways.auth.tokens import NoAuth, SecretScheme
from exporter.gateways.described.description import Description
from exporter.gateways.described.values import MISSING_KEY, OTHER_KEY, Size, Value
from exporter.gateways.paths import Mark, Path, put
from exporter.traffic.outgoing import Outgoing


class Writer:
    """Writes bodies of one result each, in the format of a description."""

    def __init__(self, description: Description) -> None:
        self._description = description
        auth = description.auth
        signs_items = isinstance(auth, SignatureScheme) and bool(auth.body_paths)
        self._is_single = description.content.format == "ndjson" or signs_items
        self._words = {
            ours: theirs
            for theirs, ours in description.map.code.items()
            if theirs not in (MISSING_KEY, OTHER_KEY)
        }

    def body(self, code: str, message: str, identity: str, target: str) -> bytes:
        """Write a body, with `target` in place of a token."""
        description = self._description
        rules = description.content
        item = self._item(self._words.get(code, code), message, identity, target)
        form = _FORMS.get(rules.format)
        json = msgspec.json.encode(self._wrapped(item, identity))
        if form is None:
            return json
        return form.encode(item if rules.field is None else {rules.field: json.decode()})

    def _item(self, code: str, message: str, identity: str, target: str) -> dict[str, Any]:
        fields = self._description.fields
        item: dict[str, Any] = {}
        for path in fields.dedupe:
            last = str(path[-1]).lower()
            put(item, path, int(time.time() * 1000) if "time" in last else target)
        for path, wanted in self._description.items.only.items():
            put(item, path, wanted[0])
        if fields.code:
            _write(item, fields.code, code)
        if fields.message:
            _write(item, fields.message, message)
        if fields.id:
            _write(item, fields.id, identity)
        elif not fields.dedupe:  # an equal body would be a duplicate
            item["simulated"] = identity
        if isinstance(fields.count, Size):
            put(item, fields.count.path, target if fields.count.separator else [target])
        return item

    def _wrapped(self, item: dict[str, Any], identity: str) -> Any:
        path = self._description.items.path
        whole: Any = [item]
        if path[-1:] == (Mark.VALUES,):
            whole, path = {identity: item}, path[:-1]
        elif not path and self._is_single:
            whole = item
        for name in reversed(path):
            whole = {name: whole}
        return whole


class _Form(NamedTuple):
    """The encoding of a form."""

    content_type: str
    encode: Callable[[Mapping[str, Any]], bytes]


_BOUNDARY = "push-result-exporter"


def _multipart(fields: Mapping[str, Any]) -> bytes:
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return "".join([*parts, f"--{_BOUNDARY}--\r\n"]).encode()


_FORMS = {
    "form": _Form("application/x-www-form-urlencoded", lambda fields: urlencode(fields).encode()),
    "multipart": _Form(f"multipart/form-data; boundary={_BOUNDARY}", _multipart),
}


def _write(item: dict[str, Any], value: Value, text: str) -> None:
    """Write a text at the path of a field; of several paths, at the first."""
    if value.separator is None:
        for path in value.paths[1:]:
            _remove(item, path)
        put(item, value.paths[0], _number(text))
        return
    pieces = text.split(value.separator, len(value.paths) - 1) if value.separator else [text]
    for path in value.paths:
        _remove(item, path)
    for path, piece in zip(value.paths, pieces, strict=False):
        put(item, path, _number(piece))


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else text  # noqa: PLR2004


def _remove(item: dict[str, Any], path: Path) -> None:
    names = [step for step in path if isinstance(step, str)]
    if names:
        item.pop(names[0], None)


class DescribedSigner:
    """Signs requests with a description's first secret, the secret of an app, or a private key."""

    def __init__(
        self,
        description: Description,
        file: File,
        *,
        apps: Collection[str] = (),
        app: str | None = None,
        private_key: File | None = None,
    ) -> None:
        """Read the secret, or for RSA the private key; ConfigurationError if it is missing."""
        self._scheme = description.auth or NoAuth()
        self._query = {name: allowed[0] for name, allowed in description.require.query.items()}
        self._headers = {name: allowed[0] for name, allowed in description.require.header.items()}
        if form := _FORMS.get(description.content.format):
            self._headers["Content-Type"] = form.content_type
        if isinstance(self._scheme, Rsa):
            self._secret = _private_key(file, private_key, app)
        else:
            self._secret = _first_secret(self._scheme, file, apps, app)

    def __call__(self, url: str, body: bytes, identity: str) -> Outgoing:
        """Sign a request; return its URL, headers and body."""
        draft = Draft(body, identity, dict(self._query), dict(self._headers), url)
        self._scheme.sign(draft, self._secret)
        return Outgoing(draft.url, draft.headers, draft.body)


def _private_key(file: File, private_key: File | None, app: str | None) -> bytes:
    if app is not None:
        raise ConfigurationError(f"{file}: with RSA the app is that of the private key")
    if private_key is None:
        raise ConfigurationError(
            f"{file}: RSA needs a private key to sign: set --private-key to its file"
        )
    load_private_key(private_key)
    return private_key.read_bytes()


def _first_secret(scheme: Scheme, file: File, apps: Collection[str], app: str | None) -> bytes:
    if isinstance(scheme, (SecretScheme, StandardWebhooks)):
        for secrets in credential_files(scheme.secrets, apps, file.parent):
            if app in (None, secrets.app):
                return scheme.read(secrets)[0]
    elif app is None:
        return b""
    owner = f" for the app {app!r}" if app else ""
    raise ConfigurationError(f"{file}: auth.secrets: no secret to sign with{owner}")
