"""Requests as a described gateway makes them: the inverse of its fields, and of its signature."""

import base64
import hashlib
import hmac
import time
from pathlib import Path as File
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from exporter.errors import ConfigurationError
from exporter.gateways.auth import standard_webhooks
from exporter.gateways.auth.templates import Context
from exporter.gateways.described.authenticator import read_secrets
from exporter.gateways.described.description import Auth, Description
from exporter.gateways.described.values import Size, Value
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.paths import Mark, Path
from exporter.traffic.outgoing import Outgoing


class Writer:
    """Writes bodies of one result each, as a description would read them."""

    def __init__(self, description: Description) -> None:
        self._description = description
        signs_items = description.auth is not None and description.auth.looks_into_body
        self._is_single = description.content.format == "ndjson" or signs_items
        self._words = {ours: theirs for theirs, ours in description.map.code.items()}

    def body(self, code: str, message: str, identity: str, target: str) -> bytes:
        """Write a body; `target` stands wherever a token would."""
        description = self._description
        rules = description.content
        item = self._item(self._words.get(code, code), message, identity, target)
        if rules.format == "form" and rules.field is None:
            return urlencode(item).encode()
        json = msgspec.json.encode(self._wrapped(item, identity))
        if rules.format == "form" and rules.field:
            return urlencode({rules.field: json}).encode()
        return json

    def _item(self, code: str, message: str, identity: str, target: str) -> dict[str, Any]:
        fields = self._description.fields
        item: dict[str, Any] = {}
        for path in fields.dedupe:
            last = str(path[-1]).lower()
            _put(item, path, int(time.time() * 1000) if "time" in last else target)
        for path, wanted in self._description.items.only.items():
            _put(item, path, wanted[0])
        if fields.code:
            _write(item, fields.code, code)
        if fields.message:
            _write(item, fields.message, message)
        if fields.id:
            _write(item, fields.id, identity)
        elif not fields.dedupe:  # an equal body would be a duplicate
            item["simulated"] = identity
        if isinstance(fields.count, Size):
            _put(item, fields.count.path, target if fields.count.separator else [target])
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


def _write(item: dict[str, Any], value: Value, text: str) -> None:
    """Put a text where a description looks for it; of alternatives, at the first."""
    if value.separator is None:
        for path in value.paths[1:]:
            _remove(item, path)
        _put(item, value.paths[0], _number(text))
        return
    pieces = text.split(value.separator, len(value.paths) - 1) if value.separator else [text]
    for path in value.paths:
        _remove(item, path)
    for path, piece in zip(value.paths, pieces, strict=False):
        _put(item, path, _number(piece))


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else text  # noqa: PLR2004


def _put(item: dict[str, Any], path: Path, value: Any) -> None:
    names = [step for step in path if isinstance(step, str)]
    if len(names) < len(path):  # the key of a map, or an index
        return
    for name in names[:-1]:
        item = item.setdefault(name, {})
    item[names[-1]] = value


def _remove(item: dict[str, Any], path: Path) -> None:
    names = [step for step in path if isinstance(step, str)]
    if names:
        item.pop(names[0], None)


class DescribedSigner:
    """Signs requests with the first secret of a description."""

    def __init__(self, description: Description, file: File) -> None:
        """Read the secret; ConfigurationError if there is none, or RSA would need a private one."""
        self._auth = description.auth or Auth(scheme="none")
        self._query = {name: allowed[0] for name, allowed in description.require.query.items()}
        self._headers = {name: allowed[0] for name, allowed in description.require.header.items()}
        if description.content.format == "form":
            self._headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._secret = b""
        if self._auth.scheme == "rsa":
            raise ConfigurationError(f"{file}: its sender has a private key, which is not here")
        if self._auth.scheme != "none":
            secrets = read_secrets(self._auth, file)
            if not secrets:
                raise ConfigurationError(f"{file}: auth.secrets: there is nothing to sign with")
            self._secret = secrets[0]

    def __call__(self, url: str, body: bytes, identity: str) -> Outgoing:
        """Return URL and headers with the credentials."""
        query, headers = dict(self._query), dict(self._headers)
        signed = self._prove(query, headers, body, identity)
        pairs = "&".join(f"{quote(name)}={quote(value)}" for name, value in query.items())
        joint = "&" if "?" in url else "?"
        return Outgoing(f"{url}{joint}{pairs}" if pairs else url, headers, signed)

    def _prove(
        self, query: dict[str, str], headers: dict[str, str], body: bytes, identity: str
    ) -> bytes:
        """Add the credentials; return the body, which may hold them, too."""
        auth, secret = self._auth, self._secret.decode("utf-8", "replace")
        if auth.scheme == "bearer":
            headers["Authorization"] = f"Bearer {secret}"
        elif auth.scheme == "basic":
            pair = auth.user.encode() + b":" + self._secret
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        elif auth.scheme in ("header", "query"):
            (headers if auth.scheme == "header" else query)[auth.name or ""] = auth.prefix + secret
        elif auth.scheme == "standard-webhooks":
            now = str(int(time.time()))
            made = standard_webhooks.sign(self._secret, identity, now, body)
            headers["webhook-id"] = identity
            headers["webhook-timestamp"] = now
            headers["webhook-signature"] = made
        elif auth.scheme in ("hmac", "digest"):
            return self._sign(query, headers, body, identity)
        return body

    def _sign(
        self, query: dict[str, str], headers: dict[str, str], body: bytes, identity: str
    ) -> bytes:
        """Fill in what is signed, then the signature, at the places that the templates name."""
        auth = self._auth
        assert auth.signature  # noqa: S101 - the description is checked
        now = str(int(time.time() * (1000 if auth.unit == "ms" else 1)))
        parts: dict[str, str] = {}
        document = msgspec.json.decode(body) if auth.looks_into_body else {}
        places = {"header": headers, "query": query, "part": parts, "body": document}
        for template, value in ((auth.signed, identity), (auth.timestamp, now)):
            for kind, name in template.named_slots if template else ():
                if kind != "body" or name not in document or value is now:
                    places[kind][name] = value
        context = Context(
            ReceivedRequest(body, headers, query),
            {name: [value] for name, value in parts.items()},
            document,
            auth.user,
            self._secret,
        )
        signature = self._made(auth.signed.render(context))
        for kind, name in auth.signature.named_slots:
            places[kind][name] = auth.prefix + signature
        if auth.header and auth.parts:
            joint = f"{auth.parts} "
            headers[auth.header] = joint.join(f"{name}={value}" for name, value in parts.items())
        return msgspec.json.encode(document) if auth.looks_into_body else body

    def _made(self, text: bytes) -> str:
        auth = self._auth
        if auth.scheme == "hmac":
            made = hmac.digest(self._secret, text, auth.hash)
        else:
            made = hashlib.new(auth.hash, text, usedforsecurity=False).digest()
        return base64.b64encode(made).decode() if auth.encoding == "base64" else made.hex()
