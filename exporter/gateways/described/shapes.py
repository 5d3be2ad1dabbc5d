"""The shape of an item, compiled from its paths: msgspec decodes it as fast as one written by hand.

A path of names is an attribute of nested structs; any other is followed from the last of its names
before an index. An item of another shape becomes the same struct by checking its values.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec

from exporter.errors import ItemReason
from exporter.gateways.items import ItemError
from exporter.gateways.paths import ABSENT, Mark, Path, Step, walk

MAX_ID_LENGTH = 256

Scalar = int | float | str | None | msgspec.UnsetType
_Id = Annotated[str, msgspec.Meta(max_length=MAX_ID_LENGTH)] | int | None | msgspec.UnsetType
_Countable = list[msgspec.Raw] | Scalar

_KEY = "key"
"""The attribute for the key under which an item stands in a map."""


class Odd(NamedTuple):
    """A value that is neither text nor a number; hashable, and equal to none of those."""

    kind: str
    text: str | None = None
    """How JSON writes it, for a boolean."""
    length: int | None = None
    """How many values an array has."""
    json: bytes = b""
    """The value itself, where an item had another shape than usual."""


def plain(value: Any, json: bytes = b"") -> Any:
    """Return a value if it is text, a number, null or absent; else say what it is."""
    if value is True or value is False:
        return Odd("a boolean", str(value).lower(), json=json)
    if isinstance(value, list):
        return Odd("an array", length=len(value), json=json)
    return Odd("an object", json=json) if isinstance(value, dict) else value


def _kept(value: Any) -> Any:
    """Do the same for a value that is odd, and keep what there is."""
    return plain(value, msgspec.json.encode(value))


class _Leaf(NamedTuple):
    kind: Any
    """The type that it is decoded as."""


class _Node(NamedTuple):
    wire: type
    children: dict[str, "tuple[str, _Node | _Leaf]"]
    """By name in JSON: the attribute, and what is there."""


class Shape:
    """What is decoded of an item."""

    def __init__(
        self, paths: Iterable[Path], *, ids: Collection[Path] = (), sized: Collection[Path] = ()
    ) -> None:
        """`ids` are the paths to a message id, `sized` those to arrays that are counted."""
        self._ids = ids
        paths = [path for path in paths if path[0] is not Mark.KEY]
        self._heads = _heads(paths)
        kinds = {
            head: Any
            if any(path[: len(head)] == head != path for path in paths)
            else _kind(head, ids, sized)
            for head in self._heads
        }
        self._root = _node(kinds, keyed=True)
        self.wire: type[Any] = self._root.wire

    def getter(self, path: Path) -> Callable[[Any], Any]:
        """Return what reads a path of an item: text, a number, None, ABSENT, or Odd."""
        if path[0] is Mark.KEY:
            return attrgetter(_KEY)
        head, chain = self._located(path)
        rest = path[len(head) :]
        get = attrgetter(chain)
        return lambda item: plain(walk(get(item), rest))

    def value(self, path: Path) -> Callable[[Any], Any]:
        """Return what reads one path, without a detour where it is an attribute."""
        return attrgetter(self._chain(path)) if self._is_simple(path) else self.getter(path)

    def written(self, paths: Collection[Path]) -> Callable[[Any], bytes | None]:
        """Return what writes several values, each in one way; None for an item without any."""
        if all(self._is_simple(path) for path in paths):
            return _writer([self._chain(path) for path in paths])
        heads = [(self._chain(path), path) for path in paths]
        getters = [
            (attrgetter(chain), () if path[0] is Mark.KEY else path[len(self._located(path)[0]) :])
            for chain, path in heads
        ]

        def write(item: Any) -> bytes | None:
            values = [walk(get(item), rest) for get, rest in getters]
            if all(value is ABSENT or value is None for value in values):
                return None
            return msgspec.json.encode([_writable(value) for value in values])

        return write

    def facts(self, paths: Collection[Path]) -> Callable[[Any], tuple[Any, ...]]:
        """Return what reads several paths at once."""
        if len(paths) > 1 and all(self._is_simple(path) for path in paths):
            return attrgetter(*(self._chain(path) for path in paths))
        getters = [self.getter(path) for path in paths]
        return lambda item: tuple([get(item) for get in getters])

    def loose(self, value: Any) -> Any:
        """Make an item of any JSON object; ItemError for what is none, or has a bad id."""
        if not isinstance(value, dict):
            raise ItemError(ItemReason.NOT_AN_OBJECT)
        for path in self._ids:
            found = walk(value, path)
            if isinstance(found, bool | float | list | dict) or (
                isinstance(found, str) and len(found) > MAX_ID_LENGTH
            ):
                raise ItemError(ItemReason.ID_INVALID)
        return _loose(self._root, value)

    def _is_simple(self, path: Path) -> bool:
        if path[0] is Mark.KEY:
            return True
        head, _ = self._located(path)
        leaf = self._leaf(head)
        return head == path and leaf.kind in (Scalar, _Id)

    def _chain(self, path: Path) -> str:
        return _KEY if path[0] is Mark.KEY else self._located(path)[1]

    def _located(self, path: Path) -> tuple[Path, str]:
        """Return the part of a path that is decoded, and the attributes that lead there."""
        head = next(path[:end] for end in range(1, len(path) + 1) if path[:end] in self._heads)
        node: _Node | _Leaf = self._root
        chain = []
        for name in head:
            assert isinstance(node, _Node)  # noqa: S101 - a head ends at its leaf
            attribute, node = node.children[str(name)]
            chain.append(attribute)
        return head, ".".join(chain)

    def _leaf(self, head: Path) -> _Leaf:
        node: _Node | _Leaf = self._root
        for name in head:
            assert isinstance(node, _Node)  # noqa: S101 - a head ends at its leaf
            node = node.children[str(name)][1]
        assert isinstance(node, _Leaf)  # noqa: S101
        return node


def _writer(chains: Sequence[str]) -> Callable[[Any], bytes | None]:
    """Write text, numbers, and what is odd with its JSON, which is faster than JSON for all."""
    found, number = attrgetter(*chains), len(chains)
    get = found if number > 1 else lambda item: (found(item),)

    def write(item: Any) -> bytes | None:
        values = get(item)
        if values.count(ABSENT) + values.count(None) == number:
            return None
        return repr(values).encode("utf-8", "surrogatepass")

    return write


def _writable(value: Any) -> Any:
    if value is ABSENT:
        return None
    return msgspec.Raw(value.json) if isinstance(value, Odd) else value


def _heads(paths: Iterable[Path]) -> list[Path]:
    """Return the paths to decode: names before an index; of two on one way, the shorter."""
    heads = dict.fromkeys(map(_names, paths))
    return [head for head in heads if not any(head[:end] in heads for end in range(1, len(head)))]


def _names(path: Path) -> Path:
    end = next((place for place, step in enumerate(path) if not isinstance(step, str)), len(path))
    return path[:end]


def _kind(head: Path, ids: Collection[Path], sized: Collection[Path]) -> Any:
    if head in sized:
        return _Countable
    return _Id if head in ids else Scalar


def _node(kinds: dict[Path, Any], *, keyed: bool = False) -> _Node:
    """Make a struct of the paths below one place."""
    below: dict[Step, dict[Path, Any]] = {}
    for path, kind in kinds.items():
        below.setdefault(path[0], {})[path[1:]] = kind
    children: dict[str, tuple[str, _Node | _Leaf]] = {}
    fields: list[tuple[str, Any, Any]] = [(_KEY, Scalar, ABSENT)] if keyed else []
    names = {_KEY: Mark.KEY.value}
    for number, (step, inner) in enumerate(below.items()):
        attribute = f"f{number}"
        names[attribute] = str(step)
        if () in inner:
            children[str(step)] = attribute, _Leaf(inner[()])
            # Of an id it does not matter whether it is null or not there.
            fields.append((attribute, inner[()], None if inner[()] is _Id else ABSENT))
        else:
            child = _node(inner)
            children[str(step)] = attribute, child
            fields.append((attribute, child.wire, child.wire()))
    wire = msgspec.defstruct(
        "Item" if keyed else "Part", fields, rename=names.get, frozen=not keyed, gc=keyed
    )
    return _Node(wire, children)


def _loose(node: _Node, value: Any) -> Any:
    given = value if isinstance(value, dict) else {}
    found = {}
    for name, (attribute, child) in node.children.items():
        if name not in given:  # the default says so
            continue
        inner = given[name]
        if isinstance(child, _Node):
            found[attribute] = _loose(child, inner)
        else:
            odd = type(inner) in (bool, list, dict) and child.kind is not Any
            found[attribute] = _kept(inner) if odd else inner
    return node.wire(**found)
