"""What each path of a description gives in each item of a body: for `explain --gateway`."""

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
from exporter.gateways.items import Text
from exporter.gateways.paths import ABSENT, path_text, walk
from exporter.gateways.text import MALFORMED
from exporter.gateways.values import ItemError
from exporter.redaction import redact_text

MAX_TRACED = 20
"""Items that are traced; a description is seen to be right or wrong by the first few."""

_MAX_SHOWN = 100


class Found(msgspec.Struct, frozen=True):
    """What stands at one path of an item."""

    field: str
    path: str
    value: str
    """The value, or that it is absent, null, or of a type that has no meaning here."""


class ItemTrace(msgspec.Struct, frozen=True):
    """What was found in an item, and what it counts as."""

    index: int
    outcome: str
    found: list[Found]


def trace_items(
    classifier: Classifier, gateway: Described, request: ReceivedRequest
) -> list[ItemTrace]:
    """Trace the first items of a body; none of one that has another format."""
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


def _value(text: Text) -> Any:
    try:
        return msgspec.json.decode(text)
    except MALFORMED:
        return None


def _outcome(classifier: Classifier, gateway: Described, text: Text, key: str | None) -> str:
    try:
        item = gateway.judge(text, key)
    except ItemError as error:
        return f"rejected: {error.reason}: {error}"
    if item is None:
        return "skipped by items.only"
    meaning = classifier.classify(item.result)
    times = f", for {item.pushes} pushes" if item.pushes > 1 else ""
    by = " by default.code or map.code" if item.defaulted else ""
    return (
        f"counted as {meaning.series.channel} {meaning.series.code} {meaning.name} "
        f"({meaning.severity.value}){by}{times}"
    )


def _found(description: Description, value: Any, key: str | None) -> Iterator[Found]:
    fields = description.fields
    for path in description.items.only:
        yield Found("items.only", path_text(path), _shown(walk(value, path, key)))
    for name in ("code", "channel", "message", "id", "app", "count"):
        if given := getattr(fields, name):
            for path in paths_of(given):
                found = walk(value, path, key)
                shown = _sized(found, given) if isinstance(given, Size) else _shown(found)
                yield Found(name, path_text(path), shown)
    for path in fields.dedupe:
        found = walk(value, path, key)
        shown = _shown(found) if found is ABSENT or found is None else "there, and only hashed"
        yield Found("dedupe", path_text(path), shown)


def _sized(value: Any, size: Size) -> str:
    """Say how many there are, which may be tokens."""
    if isinstance(value, str) and size.separator is not None:
        return f"a text of {sum(1 for piece in value.split(size.separator) if piece.strip())}"
    return "a text that is not separated" if isinstance(value, str) else _shown(value)


def _shown(value: Any) -> str:
    """Say what stands at a path, as far as it may be shown."""
    if value is ABSENT:
        return "absent"
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return repr(redact_text(text[:_MAX_SHOWN]))
