"""The format of a gateway's items: how they are decoded, and what they mean."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from exporter.gateways.values import ItemError
from exporter.results import Identity, PushResult

Item = TypeVar("Item")

Facts = tuple[Any, ...]
"""The values of an item without its identity: equal for identical items."""

ItemJson = bytes | msgspec.Raw
"""One item as JSON."""


class ItemResult(msgspec.Struct, frozen=True, gc=False):
    """The result of an item, and its number of pushes."""

    result: PushResult
    pushes: int = 1
    defaulted: bool = False
    """Whether the code is the description's default."""


class ItemFormat(ABC, Generic[Item]):
    """The format of a gateway's items."""

    item: type[Item]
    """The struct of a regular item, decoded by msgspec."""
    facts: Callable[[Item], Facts]
    identity: Callable[[Item], Identity | None]
    exemplar: Callable[[Item], Identity | None] | None = None
    """The message id for exemplars, if it is not the identity."""

    @abstractmethod
    def lenient(self, text: ItemJson) -> Item:
        """Decode an irregular item; ItemError if it is not an object, or a field is invalid."""

    def check(self, item: Item) -> None:
        """Raise ItemError if the id of an item that is not skipped is invalid."""

    @abstractmethod
    def result(self, facts: Facts) -> ItemResult | None:
        """Return the result of an item; None if it is skipped, ItemError if it is invalid."""

    @abstractmethod
    def explain_missing_code(self, text: ItemJson) -> ItemError:
        """Return an error with the expected fields and the item's fields."""
