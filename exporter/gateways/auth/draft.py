"""Unsigned requests, for `simulate`, `replay` and `demo`."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from exporter.gateways.auth.templates import Context, Template
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.paths import parse_path, put, walk


class Draft(msgspec.Struct):
    """A request before it is signed."""

    body: bytes
    identity: str
    """Identifies the request; unchanged when it is repeated."""
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    base_url: str = ""
    """The URL without the query parameters above."""

    @property
    def url(self) -> str:
        """The URL with the query parameters."""
        pairs = "&".join(f"{quote(name)}={quote(value)}" for name, value in self.query.items())
        separator = "&" if "?" in self.base_url else "?"
        return f"{self.base_url}{separator}{pairs}" if pairs else self.base_url


class DraftSlots:
    """The slots of a draft that templates name."""

    def __init__(self, draft: Draft, body_paths: Sequence[str]) -> None:
        self._draft = draft
        self._document: Any = msgspec.json.decode(draft.body) if body_paths else None
        found = ((path, walk(self._document, parse_path(path))) for path in body_paths)
        self._body = {path: str(value) for path, value in found if type(value) in (str, int)}
        self._parts: dict[str, str] = {}
        self._places = {
            "header": draft.headers,
            "query": draft.query,
            "part": self._parts,
            "body": self._body,
        }

    def fill(self, template: Template, value: str, *, overwrite: bool = True) -> None:
        """Set the value of each named slot of a template."""
        for kind, name in template.named_slots:
            if overwrite or name not in self._places[kind]:
                self._places[kind][name] = value

    def context(self, user: str, secret: bytes) -> Context:
        """Return the context in which the signed message is rendered."""
        draft = self._draft
        return Context(
            ReceivedRequest(draft.body, draft.headers, draft.query),
            draft.body,
            draft.url,
            parts={name: [value] for name, value in self._parts.items()},
            body_values=self._body,
            user=user,
            secret=secret,
        )

    def write(self, header: str | None, separator: str | None) -> None:
        """Write the parts to the header, and the values of `{body:X}` to the body."""
        if header and separator:
            pieces = (f"{name}={value}" for name, value in self._parts.items())
            self._draft.headers[header] = f"{separator} ".join(pieces)
        if self._document is not None:
            for path, value in self._body.items():
                put(self._document, parse_path(path), value)
            self._draft.body = msgspec.json.encode(self._document)
