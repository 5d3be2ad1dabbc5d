"""Traces the items of a body: the value of each path of a description, and its outcome."""

from collections.abc import Iterator
from typing import Any

import msgspec

from exporter.classification.classifier import Classifier
from exporter.errors import RequestError
from exporter.gateways.described.description import Description
from exporter.gateways.described.fields import paths_of
from exporter.gateways.described.gateway import Described
from exporter.gateways.described.values import Size
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.item_format import ItemJson
from exporter.gateways.paths import ABSENT, path_text, walk
from exporter.gateways.text import MALFORMED
from exporter.gateways.values import ItemError, is_absent
from exporter.redaction import redact_text

MAX_TRACED = 20
"""Maximum number of traced items: the first few show whether a description is correct."""

_MAX_SHOWN = 100


class PathValue(msgspec.Struct, frozen=True):
    """The value at one path of an item."""

    field: str
    path: str
    value: str
    """The value, or its kind if it is absent, null, empty, an array or an object."""


class ItemTrace(msgspec.Struct, frozen=True):
    """The values found in an item, and its outcome."""

    index: int
    outcome: str
    found: list[PathValue]


def trace_items(
    classifier: Classifier, gateway: Described, request: ReceivedRequest
) -> list[ItemTrace]:
    """Trace the first items of a body; return an empty list for an invalid body."""
    try:
        items = gateway.items(request)
    except (RequestError, *MALFORMED):
        return []
    return [
        ItemTrace(
            index,
            _outcome(classifier, gateway, text, key),
            list(_found(gateway.description, _value(text), key)),
        )
        for index, (key, text) in enumerate(items[:MAX_TRACED])
    ]


def _value(text: ItemJson) -> Any:
    try:
        return msgspec.json.decode(text)
    except MALFORMED:
        return None


def _outcome(classifier: Classifier, gateway: Described, text: ItemJson, key: str | None) -> str:
    try:
        item = gateway.judge(text, key)
    except ItemError as error:
        return f"rejected: {error.reason}: {error}"
    if item is None:
        return "skipped by items.only"
    classified = classifier.classify(item.result)
    times = f", for {item.pushes} pushes" if item.pushes > 1 else ""
    by = " by default.code or map.code" if item.defaulted else ""
    return (
        f"counted as {classified.series.channel} {classified.series.code} {classified.name} "
        f"({classified.severity.value}){by}{times}"
    )


def _found(description: Description, value: Any, key: str | None) -> Iterator[PathValue]:
    fields = description.fields
    for path in description.items.only:
        yield PathValue("items.only", path_text(path), _shown(walk(value, path, key)))
    for name in ("code", "channel", "message", "id", "app", "count"):
        if given := getattr(fields, name):
            for path in paths_of(given):
                found = walk(value, path, key)
                shown = _sized(found, given) if isinstance(given, Size) else _shown(found)
                yield PathValue(name, path_text(path), shown)
    for path in fields.dedupe:
        found = walk(value, path, key)
        shown = _shown(found) if found is ABSENT or found is None else "present (only hashed)"
        yield PathValue("dedupe", path_text(path), shown)


def _sized(value: Any, size: Size) -> str:
    """Describe the number of values, but not the values, which may be tokens."""
    if isinstance(value, str) and size.separator is not None:
        return f"a text of {sum(1 for piece in value.split(size.separator) if piece.strip())}"
    return "a text without a separator" if isinstance(value, str) else _shown(value)


def _shown(value: Any) -> str:
    """Describe a value, redacted."""
    if value is ABSENT:
        return "absent"
    if value is None:
        return "null"
    if is_absent(value):
        return "empty"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return repr(redact_text(text[:_MAX_SHOWN]))
