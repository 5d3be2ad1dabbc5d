"""From items to results, in any format."""

import json
from operator import attrgetter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import ItemReason
from exporter.gateways.item_format import Facts, ItemFormat, ItemJson, ItemResult
from exporter.gateways.items import MAX_TEXT_PER_STEP, ItemReader
from exporter.gateways.steps import ITEMS_PER_STEP
from exporter.gateways.values import ItemError
from exporter.results import DecodedItems, PushResult, ResultGroup


class Item(msgspec.Struct):
    """An item on the wire."""

    event: str
    id: str | None = None


class Events(ItemFormat[Item]):
    """Takes one kind of event for a result."""

    item = Item
    facts = staticmethod(lambda item: (item.event,))
    identity = staticmethod(attrgetter("id"))

    def lenient(self, text: ItemJson) -> Item:
        """Decode nothing else."""
        return msgspec.json.decode(text, type=Item)

    def explain_missing_code(self, _item: ItemJson) -> ItemError:
        """Name the field."""
        return ItemError(ItemReason.CODE_MISSING, "There is no event.")

    def result(self, facts: Facts) -> ItemResult | None:
        """Skip other events."""
        return ItemResult(PushResult("2")) if facts == ("sent",) else None


READER = ItemReader(Events())


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ('{"event": "sent"}', DecodedItems([ResultGroup(PushResult("2"), anonymous=1)])),
        (
            '{"event": "sent", "id": "m"}',
            DecodedItems([ResultGroup(PushResult("2"), ids=["m"], exemplar="m")]),
        ),
        ('{"event": "opened", "id": "m"}', DecodedItems(skipped=1)),
    ],
)
def test_item_has_one_meaning(item: str, expected: DecodedItems) -> None:
    """An item counts the same alone, in an array, and as a line; with an identity or without."""
    steps = [READER.array(f"[{item}]"), READER.steps([item.encode()], are_lines=True)]
    assert [READER.single(item), *(text for each in steps for text in each)] == [expected] * 3


@pytest.mark.parametrize("number", [ITEMS_PER_STEP, ITEMS_PER_STEP + 1, 3 * ITEMS_PER_STEP])
def test_large_body_is_several_steps(number: int) -> None:
    """No step has more than its share of the items, and none is lost."""
    items = ",".join(f'{{"event": "sent", "id": "{n}"}}' for n in range(number))
    steps = list(READER.array(f"[{items}]"))
    assert [step.items for step in steps[:-1]] == [ITEMS_PER_STEP] * (len(steps) - 1)
    assert sum(step.items for step in steps) == number


VALUES: st.SearchStrategy[object] = st.sampled_from(
    ["sent", "opened", 'a"}, {"', "}, {", "},{", "\\", "é", 7, None, {"a": [{}, {}]}]
)
REPEATED = st.lists(
    st.dictionaries(st.sampled_from(["event", "message", "id"]), VALUES, max_size=2),
    min_size=1,
    max_size=3,
).flatmap(lambda items: st.lists(st.sampled_from(items), min_size=1, max_size=12))


@given(items=REPEATED, separators=st.sampled_from([(", ", ": "), (",", ":"), (",\n", ":")]))
def test_repeated_items_mean_what_they_mean_one_by_one(
    items: list[dict[str, object]], separators: tuple[str, str]
) -> None:
    """However an array is spelled, reading it by its text gives the same results, or none."""
    text = json.dumps(items, separators=separators, ensure_ascii=False)
    if (repeated := READER.repeated(text)) is not None:
        (decoded,) = READER.array(text)
        assert repeated == decoded


@pytest.mark.parametrize("separator", [", ", ","])
def test_repeated_items_are_read_once(separator: str) -> None:
    """Most items are repeated: each is counted, and unwanted ones are skipped."""
    items = ['{"event": "sent", "at": "}"}'] * 5 + ['{"event": "opened"}'] * 2
    assert READER.repeated(f"[{separator.join(items)}]") == DecodedItems(
        [ResultGroup(PushResult("2"), anonymous=5)], skipped=2
    )


@pytest.mark.parametrize(
    "text",
    [
        '[{"event": "sent"}]',
        '[{"event": "sent", "id": "m"},{"event": "sent", "id": "m"}]',
        '[{"event": "sent", "x": [{"a": 1},{"a": 1},{"a": 1}]}]',
        '[{"event": "}, {", "x": "}, {"}, {"event": "sent"}]',
        f"[{','.join(['{}'] * (ITEMS_PER_STEP + 1))}]",
        f"[{','.join([json.dumps({'x': 'x' * MAX_TEXT_PER_STEP})] * 2)}]",
        "[]",
        "[1, 1, 1]",
    ],
    ids=lambda text: text[:40],
)
def test_other_arrays_are_not_read_as_repeated_items(text: str) -> None:
    """Distinct items, items with ids, nested ones, too many, and other values are left."""
    assert READER.repeated(text) is None


LINES = {
    "one item on two lines": [b'{"event": "sent"', b',"id": "m"}'],
    "two items on one line": [b'{"event": "sent"}', b'{"event": "sent"}{"event": "sent"}'],
    "both": [b'{"event": "sent"', b',"id": "m"}', b'{"event": "sent"} {"event": "sent"}'],
    "an array on two lines": [b'{"event": "sent", "x": [{"a": 1}', b'{"b": 2}]}'],
}


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_line_is_an_item(lines: list[bytes]) -> None:
    """A line that is not one JSON value is rejected; the other lines count."""
    [decoded] = READER.steps(lines, are_lines=True)
    whole = [line for line in lines if line == b'{"event": "sent"}']
    assert [item.index for item in decoded.rejected] == [
        number for number, line in enumerate(lines) if line not in whole
    ]
    assert sum(group.items for group in decoded.groups) == len(whole)
