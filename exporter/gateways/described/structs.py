"""Compiles the paths of a description into a struct, which msgspec decodes like a hand-written one.

This description

    [fields]
    code = ["status", "result.code"]
    id = "msg_id"
    count = { size = "targets" }
    message = "errors[0].text"

becomes

    class Part(Struct):
        f0: Scalar = None                  # "code"

    class Item(Struct):
        key: Scalar = None                 # "@key", set if items are the values of a map
        f0: Scalar = None                  # "status"
        f1: Part = Part()                  # "result"
        f2: Id = None                      # "msg_id"
        f3: list[Raw] | Scalar = None      # "targets", only for its length
        f4: Raw = Raw(b"null")             # "errors", the names before the first index

so that attrgetter("f0") reads `status`, attrgetter("f1.f0") reads `result.code`, and the rest of
`errors[0].text` is looked up in the JSON of f4. msgspec refuses an irregular item, such as one with
a boolean status; `lenient` then builds the same struct field by field.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec

from exporter.errors import ItemReason
from exporter.gateways.item_format import ItemJson
from exporter.gateways.paths import Mark, Path, Step
from exporter.gateways.values import (
    MAX_ID_LENGTH,
    ItemError,
    NonScalar,
    Scalar,
    array_of,
    item_members,
    members_of,
    raw_at,
    scalar_of,
)

_Id = Annotated[str, msgspec.Meta(max_length=MAX_ID_LENGTH)] | int | None
_Countable = list[msgspec.Raw] | Scalar

_ENCODER = msgspec.msgpack.Encoder()
"""Five times as fast as repr."""

_NULL = msgspec.Raw(b"null")

_KEY = "key"
"""The attribute of the item's key in a map."""


class _Leaf(NamedTuple):
    type: Any
    """The type to which a value is decoded."""


class _Node(NamedTuple):
    struct: type
    children: dict[str, "tuple[str, _Node | _Leaf]"]
    """By name in JSON: the attribute, and its node or leaf."""


class ItemStruct:
    """The struct of some paths, and functions that read their values from it."""

    def __init__(
        self, paths: Iterable[Path], *, ids: Collection[Path] = (), sized: Collection[Path] = ()
    ) -> None:
        """`ids` are the paths of the message id, `sized` those of arrays whose length is read."""
        paths = [path for path in paths if path[0] is not Mark.KEY]
        self._ids = ids
        self._heads = _heads(paths)
        types = {
            head: msgspec.Raw
            if any(path[: len(head)] == head != path for path in paths)
            else _type_of(head, ids, sized)
            for head in self._heads
        }
        self._root = _node(types, keyed=True)
        self._followers: dict[Path, _Follower] = {}
        """By head, so that its paths share the decoded array."""
        self.type: type[Any] = self._root.struct

    def value(self, path: Path) -> Callable[[Any], Any]:
        """Return a function that reads a path and returns a scalar or a NonScalar."""
        if self._is_scalar(path):
            return attrgetter(self._attributes(path))
        head, attributes = self._located(path)
        get, rest = attrgetter(attributes), path[len(head) :]
        if self._leaf(head).type is msgspec.Raw:
            follow = self._followers.setdefault(head, _Follower())
            return lambda item: follow(get(item), rest)
        return lambda item: _hashable(get(item))

    def sized(self, path: Path) -> Callable[[Any], Any]:
        """Return a function that reads a path of `sized` and returns a list, or as `value` does."""
        if path[0] is Mark.KEY:
            return attrgetter(_KEY)
        head, attributes = self._located(path)
        get, rest = attrgetter(attributes), path[len(head) :]
        return get if self._leaf(head).type == _Countable else lambda item: _array(get(item), rest)

    def values(self, paths: Sequence[Path]) -> Callable[[Any], tuple[Any, ...]]:
        """Return a function that reads several paths at once."""
        if len(paths) > 1 and all(map(self._is_scalar, paths)):
            return attrgetter(*map(self._attributes, paths))
        getters = [self.value(path) for path in paths]
        return lambda item: tuple([get(item) for get in getters])

    def written(self, paths: Sequence[Path]) -> Callable[[Any], bytes | None]:
        """Return a function that encodes several values as bytes; None if all are absent.

        Absent values are encoded as null, so that the result does not depend on the sender's
        encoder.
        """
        get, number = self.values(paths), len(paths)

        def write(item: Any) -> bytes | None:
            values = [
                None if value.__class__ is str and not value.strip() else value
                for value in get(item)
            ]  # is_absent, inlined: this is half of the time of a described batch
            return None if values.count(None) == number else _encoded(values)

        return write

    def lenient(self, text: ItemJson) -> Any:
        """Decode any JSON object; ItemError for any other value."""
        return _lenient(self._root, item_members(text))

    def check_ids(self, item: Any) -> None:
        """Raise ItemError for an invalid id."""
        for path in self._ids:
            found = self.value(path)(item)
            if isinstance(found, float | NonScalar) or (
                isinstance(found, str) and len(found) > MAX_ID_LENGTH
            ):
                raise ItemError(ItemReason.ID_INVALID)

    def _is_scalar(self, path: Path) -> bool:
        """Whether a path is decoded to a scalar attribute."""
        if path[0] is Mark.KEY:
            return True
        head, _ = self._located(path)
        return head == path and self._leaf(head).type in (Scalar, _Id)

    def _attributes(self, path: Path) -> str:
        return _KEY if path[0] is Mark.KEY else self._located(path)[1]

    def _located(self, path: Path) -> tuple[Path, str]:
        """Return the decoded head of a path, and its chain of attributes."""
        head = next(path[:end] for end in range(1, len(path) + 1) if path[:end] in self._heads)
        node: _Node | _Leaf = self._root
        attributes = []
        for name in head:
            assert isinstance(node, _Node)  # noqa: S101 - a head ends at its leaf
            attribute, node = node.children[str(name)]
            attributes.append(attribute)
        return head, ".".join(attributes)

    def _leaf(self, head: Path) -> _Leaf:
        node: _Node | _Leaf = self._root
        for name in head:
            assert isinstance(node, _Node)  # noqa: S101 - a head ends at its leaf
            node = node.children[str(name)][1]
        assert isinstance(node, _Leaf)  # noqa: S101
        return node


def _encoded(values: Sequence[Any]) -> bytes:
    try:
        return _ENCODER.encode(values)
    except OverflowError:  # an integer of more than 64 bits
        return repr(values).encode()


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return NonScalar("an array", json=b"[%b]" % b",".join(value))
    return value


class _Follower:
    """Follows paths in an item's JSON; an array is decoded once for all of its paths."""

    def __init__(self) -> None:
        self._raw: msgspec.Raw | None = None
        self._array: list[msgspec.Raw] = []

    def __call__(self, raw: msgspec.Raw, path: Path) -> Any:
        """Return the scalar or NonScalar at a path, or None."""
        index = path[0] if path else None
        if not isinstance(index, int):
            return _follow(raw, path)
        if raw is not self._raw:  # another item
            self._raw, self._array = raw, array_of(raw) or []
        return _follow(self._array[index], path[1:]) if index < len(self._array) else None


def _follow(raw: msgspec.Raw, path: Path) -> Any:
    found = raw_at(raw, path)
    return None if found is None else scalar_of(found)


def _array(raw: msgspec.Raw, path: Path) -> Any:
    found = raw_at(raw, path)
    array = None if found is None else array_of(found)
    return _follow(raw, path) if array is None else array


def _heads(paths: Iterable[Path]) -> list[Path]:
    """Return the heads of paths, the names before an index; of nested heads, the shortest."""
    heads = dict.fromkeys(map(_names, paths))
    return [head for head in heads if not any(head[:end] in heads for end in range(1, len(head)))]


def _names(path: Path) -> Path:
    end = next((place for place, step in enumerate(path) if not isinstance(step, str)), len(path))
    return path[:end]


def _type_of(head: Path, ids: Collection[Path], sized: Collection[Path]) -> Any:
    if head in sized:
        return _Countable
    return _Id if head in ids else Scalar


def _node(types: dict[Path, Any], *, keyed: bool = False) -> _Node:
    """Make the struct of relative paths."""
    below: dict[Step, dict[Path, Any]] = {}
    for path, type_ in types.items():
        below.setdefault(path[0], {})[path[1:]] = type_
    children: dict[str, tuple[str, _Node | _Leaf]] = {}
    fields: list[tuple[str, Any, Any]] = [(_KEY, Scalar, None)] if keyed else []
    names = {_KEY: Mark.KEY.value}
    for number, (step, inner) in enumerate(below.items()):
        attribute = f"f{number}"
        names[attribute] = str(step)
        if () in inner:
            leaf = _Leaf(inner[()])
            children[str(step)] = attribute, leaf
            fields.append((attribute, leaf.type, _NULL if leaf.type is msgspec.Raw else None))
        else:
            child = _node(inner)
            children[str(step)] = attribute, child
            fields.append((attribute, child.struct, child.struct()))
    struct = msgspec.defstruct(
        "Item" if keyed else "Part", fields, rename=names.get, frozen=not keyed, gc=False
    )
    return _Node(struct, children)


def _lenient(node: _Node, members: dict[str, msgspec.Raw]) -> Any:
    found = {}
    for name, (attribute, child) in node.children.items():
        if name not in members:  # the struct has a default
            continue
        raw = members[name]
        if isinstance(child, _Node):
            found[attribute] = _lenient(child, members_of(raw) or {})
        elif child.type is msgspec.Raw:
            found[attribute] = raw
        else:
            values = array_of(raw) if child.type == _Countable else None
            found[attribute] = scalar_of(raw) if values is None else values
    return node.struct(**found)
