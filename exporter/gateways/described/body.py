"""From the body of a described gateway to its items: a path of names to an array, or to a map."""

from collections.abc import Sequence
from typing import Any

import msgspec

from exporter.gateways.items import ItemReader
from exporter.gateways.paths import Mark, Path
from exporter.gateways.text import MALFORMED, malformed, problem_of
from exporter.results import Batch

Raws = list[tuple[str | None, msgspec.Raw]]
"""Items with their keys, where they stand in a map."""


class BodyReader:
    """Finds the items of a JSON text and has them read."""

    def __init__(self, path: Path, reader: ItemReader[Any]) -> None:
        self._path = path
        self._reader = reader
        self._mapped = path[-1:] == (Mark.VALUES,)
        self._names = path[:-1] if self._mapped else path
        self._typed = _decoder(self._names, self._mapped, reader.wire)

    def whole(self, text: str) -> Batch:
        """Read a text at once if all its items have the usual shape, else one by one."""
        if self._typed is not None:
            try:
                found = self._typed.decode(text)
                for _ in self._names:
                    found = found.inner
            except MALFORMED:
                pass
            else:
                if self._mapped:
                    for key, item in found.items():
                        item.key = key
                    found = list(found.values())
                return self._reader.usual(found if isinstance(found, list) else [found])
        return self._each(self.raws(text))

    def lines(self, lines: Sequence[str]) -> Batch:
        """Read texts of which each is an item, or holds some."""
        if not self._path:
            return self._reader.each([line.encode() for line in lines])
        return self._each([raw for line in lines for raw in self.raws(line)])

    def raws(self, text: str) -> Raws:
        """Cut a text into items; RequestError (`malformed_body`) names what is not there."""
        value: Any = text
        try:
            for number, step in enumerate(self._names):
                value = _step(value, step)
                if value is None or bytes(value) == b"null":
                    where = _written(self._names[: number + 1])
                    raise malformed(f"it has no {where}" if value is None else f"{where} is null")
            if self._mapped:
                return list(msgspec.json.decode(value, type=dict[str, msgspec.Raw]).items())
            if _begins(value, "["):
                return [(None, raw) for raw in msgspec.json.decode(value, type=list[msgspec.Raw])]
            whole = msgspec.json.decode(value, type=msgspec.Raw)
        except MALFORMED as error:
            raise malformed(problem_of(error)) from None
        if not _begins(value, "{"):
            what = _written(self._names) if self._names else "it"
            raise malformed(f"{what} is neither an array nor an object")
        return [(None, whole)]

    def _each(self, raws: Raws) -> Batch:
        if self._mapped:
            return self._reader.keyed([(key or "", raw) for key, raw in raws])
        return self._reader.each([bytes(raw) for _, raw in raws])


def _decoder(names: Path, mapped: bool, item: Any) -> msgspec.json.Decoder[Any] | None:
    """Make a decoder of nested structs down to the items; None where an index is on the way."""
    wire: Any = dict[str, item] if mapped else list[item] | item
    for name in reversed(names):
        if not isinstance(name, str):
            return None
        wire = msgspec.defstruct("Body", [("inner", wire)], rename={"inner": name}.get)
    return msgspec.json.Decoder(wire)


def _step(value: Any, step: Any) -> msgspec.Raw | None:
    if isinstance(step, int):
        array = msgspec.json.decode(value, type=list[msgspec.Raw])
        return array[step] if step < len(array) else None
    return msgspec.json.decode(value, type=dict[str, msgspec.Raw]).get(step)


def _begins(value: str | msgspec.Raw, sign: str) -> bool:
    return (value if isinstance(value, str) else bytes(value).decode()).lstrip().startswith(sign)


def _written(path: Path) -> str:
    names = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    return f"'{''.join(names).lstrip('.')}'"
