"""From items to results, whatever the format."""

from operator import attrgetter

import msgspec
import pytest

from exporter.gateways.items import Facts, ItemFormat, ItemReader, Outcome
from exporter.results import Batch, PushResult, ResultGroup


class Item(msgspec.Struct):
    """An item on the wire."""

    event: str
    id: str | None = None


def outcome(facts: Facts) -> Outcome | None:
    """Take one kind of event for a result."""
    return Outcome(PushResult("2")) if facts == ("sent",) else None


READER = ItemReader(
    ItemFormat(
        Item,
        facts=lambda item: (item.event,),
        identity=attrgetter("id"),
        loose=lambda value: msgspec.convert(value, Item),
        outcome=outcome,
    )
)


@pytest.mark.parametrize(
    ("item", "batch"),
    [
        ('{"event": "sent"}', Batch([ResultGroup(PushResult("2"), anonymous=1)], [])),
        (
            '{"event": "sent", "id": "m"}',
            Batch([ResultGroup(PushResult("2"), ids=["m"], exemplar="m")], []),
        ),
        ('{"event": "opened", "id": "m"}', Batch([], [], skipped=1)),
    ],
)
def test_an_item_means_the_same_alone_and_in_an_array(item: str, batch: Batch) -> None:
    """It is a result that something tells apart or nothing, or it is skipped."""
    assert READER.one(item) == READER.array(f"[{item}]") == batch
