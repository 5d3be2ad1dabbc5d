"""Empty and blank text is an absent value, as null is: in every field of every gateway."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from exporter.errors import ConfigurationError, RequestError
from exporter.gateways.described.gateway import Described
from exporter.gateways.gateway import Gateway, ReceivedRequest
from exporter.gateways.paths import Mark
from exporter.gateways.registry import load_gateways
from tests.support.gateways import decoded
from tests.support.senders import PAYLOADS, SENDERS, Sender, Sent

ABSENT = object()
SPELLINGS = {"null": None, "empty": "", "blank": " \t", "wide blank": "\u3000"}

BY_NAME = {sender.name: sender for sender in SENDERS} | {
    "mps": Sender("mps", lambda body, _secret, _age: Sent(body))
}
FILES = sorted(path for path in PAYLOADS.glob("*/*.body") if path.parent.name in BY_NAME)


def documents(body: bytes) -> list[Any]:
    """Return the JSON that a payload is or holds: one document, or its lines."""
    if body.startswith(b"--"):
        boundary = body.partition(b"\r\n")[0]
        texts = [part.partition(b"\r\n\r\n")[2].decode() for part in body.split(boundary)]
    elif body.lstrip()[:1] not in (b"{", b"["):
        texts = [value for _, value in parse_qsl(body.decode())]
    else:
        texts = body.decode().splitlines() if b"}\n{" in body else [body.decode()]
    return [json.loads(text) for text in texts if text.lstrip()[:1] in ("{", "[")]


def fields_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each member of each object."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in members:
        if isinstance(value, dict):
            yield *path, key
        if isinstance(inner, dict | list):
            yield from fields_of(inner, (*path, key))


def changed(value: Any, path: tuple[Any, ...], to: object) -> Any:
    """Return a copy in which a field has another value, or is not there."""
    whole = inner = copy.deepcopy(value)
    for key in path[:-1]:
        inner = inner[key]
    if to is ABSENT:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return whole


def outcome(gateway: Gateway, docs: list[Any]) -> object:
    """Decode a body; return its results, and the reasons of rejected items."""
    body = "\n".join(map(json.dumps, docs)).encode()
    try:
        found = decoded(gateway, ReceivedRequest(body))
    except RequestError as error:
        return error.reason
    groups = [(group.result, group.count, group.anonymous, group.ids) for group in found.groups]
    reasons = [(item.index, item.reason.replace("null", "missing")) for item in found.rejected]
    return sorted(map(repr, groups)), reasons, found.skipped, found.defaulted


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_empty_field_is_an_absent_field(file: Path, tmp_path: Path) -> None:
    """An empty or blank field is equal to a null field, and to an absent one."""
    gateway = load_gateways(BY_NAME[file.parent.name].settings(tmp_path))[file.parent.name]
    docs = documents(file.read_bytes())
    is_map = isinstance(gateway, Described) and gateway.description.items.path[-1:] == (
        Mark.VALUES,
    )
    for number, document in enumerate(docs):
        for path in [path for path in fields_of(document) if len(path) > is_map]:
            variants = {
                name: outcome(
                    gateway, [*docs[:number], changed(document, path, to), *docs[number + 1 :]]
                )
                for name, to in (SPELLINGS | {"absent": ABSENT}).items()
            }
            assert {repr(variant) for variant in variants.values()} == {repr(variants["absent"])}, (
                path
            )


@pytest.mark.parametrize(
    "table",
    ['[map.code]\n"" = "1"', '[map.channel]\n" " = "vivo"', '[items.only]\nkind = [""]'],
)
def test_empty_text_is_refused_as_a_key_of_a_map(table: str, tmp_path: Path) -> None:
    """An empty key of a map is refused with the key that stands for absent values."""
    file = tmp_path / "acme.toml"
    file.write_text(f'{table}\n[fields]\ncode = "code"\n')
    with pytest.raises(ConfigurationError, match="counts as absent"):
        load_gateways(SENDERS[0].settings(tmp_path).model_copy(update={"gateway_files": [file]}))
