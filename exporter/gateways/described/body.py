"""Finds the items in the JSON of a body: a path of names to an array or a map."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from exporter.gateways.item_format import ItemJson
from exporter.gateways.items import ItemReader
from exporter.gateways.paths import Mark, Path, path_text
from exporter.gateways.steps import ITEMS_PER_STEP
from exporter.gateways.text import MALFORMED, malformed, problem_of
from exporter.gateways.values import array_of, raw_at
from exporter.results import DecodedItems


class Texts(NamedTuple):
    """The items of a JSON text."""

    items: Sequence[ItemJson]
    keys: Sequence[str] | None = None
    """Their keys, if they are the values of a map."""


class BodyReader:
    """Finds and reads the items of a JSON text."""

    def __init__(self, path: Path, reader: ItemReader[Any]) -> None:
        self._reader = reader
        self._is_map = path[-1:] == (Mark.VALUES,)
        self._names = path[:-1] if self._is_map else path
        self._decode = _decoder(self._names, reader.item, is_map=self._is_map)

    def whole(self, text: str | bytes) -> Iterator[DecodedItems]:
        """Read the items of a text; RequestError (`malformed_body`) names a missing field."""
        if self._decode and (decoded := self._reader.at_once(self._decode, text)):
            yield decoded
        else:
            yield from self._reader.steps(*self.texts(text))

    def lines(self, lines: Sequence[bytes]) -> Iterator[DecodedItems]:
        """Read lines, each of which is or contains items."""
        if not self._names and not self._is_map:
            yield from self._reader.steps(lines, are_lines=True)
            return
        items: list[ItemJson] = []
        keys: list[str] = []
        for number, line in enumerate(lines):
            if number % ITEMS_PER_STEP == ITEMS_PER_STEP - 1:
                yield DecodedItems()
            texts = self.texts(line)
            items += texts.items
            keys += texts.keys or ()
        yield from self._reader.steps(items, keys or None)

    def texts(self, text: str | bytes) -> Texts:
        """Split a text into its items; RequestError (`malformed_body`) names a missing field."""
        value: Any = text
        try:
            for number, step in enumerate(self._names):
                value = raw_at(value, (step,))
                if value is None or bytes(value) == b"null":
                    path = path_text(self._names[: number + 1])
                    raise malformed(f"it has no '{path}'" if value is None else f"'{path}' is null")
            return self._split(value)
        except MALFORMED as error:
            raise malformed(problem_of(error)) from None

    def _split(self, value: Any) -> Texts:
        if self._is_map:
            members = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
            return Texts([*members.values()], [*members])
        array = array_of(value)
        if array is not None:
            return Texts(array)
        whole = msgspec.json.decode(value, type=msgspec.Raw)
        if not bytes(whole).startswith(b"{"):
            what = f"'{path_text(self._names)}'" if self._names else "it"
            raise malformed(f"{what} is neither an array nor an object")
        return Texts([whole])


def _decoder(names: Path, item: Any, *, is_map: bool) -> Callable[[str | bytes], list[Any]] | None:
    """Return a decoder of all items at once; None if the path to the items has an index."""
    body: Any = dict[str, item] if is_map else list[item] | item
    for name in reversed(names):
        if not isinstance(name, str):
            return None
        body = msgspec.defstruct("Body", [("inner", body)], rename={"inner": name}.get)
    decoder = msgspec.json.Decoder(body)

    def decode(text: str | bytes) -> list[Any]:
        found = decoder.decode(text)
        for _ in names:
            found = found.inner
        if not is_map:
            return found if isinstance(found, list) else [found]
        for key, value in found.items():
            value.key = key
        return list(found.values())

    return decode
