"""Deduplication keys: 64 bits for each identity, which nobody can compute without the secret.

A key is a SipHash-2-4 of the identity. Its hash key is derived by BLAKE2b from the secret of the
ledger and the scope, so that neither can a sender make two deliveries collide, nor one of his own
with another sender's. By chance two of n keys are equal with a probability of n² / 2⁶⁵: one in
37 million for a million keys, one in 37 for a billion.
"""

import secrets
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from typing import NamedTuple

import msgspec
from siphashc import siphash

from exporter.ledger.old_keys import old_keys_of
from exporter.results import Delivery, Identity, Scope

SECRET_BYTES = 32

_CACHED_SCOPES = 4096
"""Derived hash keys that are kept; a scope is a channel and a code of a credential."""

_NONE: list[list["Key"]] = []
_CONTENT = b"content"
_OLD_KEY = b"old key"


def new_secret() -> bytes:
    """Make the secret of a new ledger."""
    return secrets.token_bytes(SECRET_BYTES)


class Key(NamedTuple):
    """What the store keeps of an identity."""

    key: int
    content: int = 0
    """The hash of the content under this key, 0 where there can be no conflict."""


class Keys:
    """The keys that one secret makes."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._hash = lru_cache(_CACHED_SCOPES)(self._derive)

    def of(self, delivery: Delivery) -> list[int]:
        """Return a key for each identity of a delivery, in their order."""
        assert delivery.scope is not None  # noqa: S101 - there are identities
        hashed = self._hash(delivery.scope)
        try:
            return list(map(hashed, delivery.identities))  # type: ignore[arg-type] # tried
        except (TypeError, UnicodeEncodeError):
            return list(map(hashed, map(_as_bytes, delivery.identities)))

    def of_request(self, delivery: Delivery) -> Key:
        """Return the key of a delivery with a content."""
        [key] = self.of(delivery)
        assert delivery.content is not None  # noqa: S101 - that is what tells it from others
        hashed = self._hash(_CONTENT)
        return Key(key, hashed(key.to_bytes(8, "little") + delivery.content) or 1)

    def of_old(self, numbers: Iterable[int]) -> list[int]:
        """Return keys made of XXH3 keys, which a sender could choose."""
        hashed = self._hash(_OLD_KEY)
        return [hashed(number.to_bytes(8, "little")) for number in numbers]

    def _derive(self, purpose: Scope | bytes) -> Callable[[str | bytes], int]:
        data = purpose if isinstance(purpose, bytes) else msgspec.json.encode(purpose)
        return partial(siphash, blake2b(data, digest_size=16, key=self.secret).digest())


class EarlierKeys(NamedTuple):
    """Keys that were made in another way, which matter for one window from then on."""

    secret: bytes
    """Of another ledger that was copied into this one; or what hides XXH3 keys, if anything."""
    xxh3: bool
    """Whether they are made of XXH3 keys, which had no secret."""
    since: float
    """Unix time in seconds at which the last of them was made, or later."""


class Keyring:
    """All keys under which a delivery may be known: one in use, others for a window."""

    def __init__(self, secret: bytes, earlier: Sequence[EarlierKeys] = ()) -> None:
        self.current = Keys(secret)
        self._earlier: dict[EarlierKeys, Keys] = {}
        self.set_earlier(earlier)

    def set_earlier(self, earlier: Sequence[EarlierKeys]) -> None:
        """Replace the kinds of earlier keys."""
        self._earlier = {kind: self._earlier.get(kind) or Keys(kind.secret) for kind in earlier}

    def kinds(self, now: float) -> list[EarlierKeys]:
        """Return all of them as earlier keys, for the ledger into which this one is copied."""
        return [EarlierKeys(self.current.secret, False, now), *self._earlier]

    def expire(self, oldest: float) -> None:
        """Drop the kinds of earlier keys that were made before a time."""
        if self._earlier:
            self.set_earlier([kind for kind in self._earlier if kind.since > oldest])

    def earlier(self, delivery: Delivery) -> list[list[Key]]:
        """Return for each kind of earlier keys those of a delivery, in the order of identities."""
        if not self._earlier:
            return _NONE
        return [_keys(kind, made, delivery) for kind, made in self._earlier.items()]


def _keys(kind: EarlierKeys, made: Keys, delivery: Delivery) -> list[Key]:
    if not kind.xxh3:
        if delivery.content is not None:
            return [made.of_request(delivery)]
        return [Key(key) for key in made.of(delivery)]
    old = old_keys_of(delivery)
    if not kind.secret:
        return [Key(*pair) for pair in old]
    keys = made.of_old([key for key, _ in old])
    contents = made.of_old([content for _, content in old])
    if delivery.content is None:
        return list(map(Key, keys))
    return list(map(Key, keys, contents))


def hide_old_keys(numbers: bytes, secret: bytes) -> bytes:
    """Make keys of XXH3 keys, as a store has them: 8 bytes each in the machine's order."""
    return array("Q", Keys(secret).of_old(array("Q", numbers))).tobytes()


def _as_bytes(identity: Identity) -> bytes:
    if isinstance(identity, bytes):
        return identity
    return str(identity).encode("utf-8", "surrogatepass")
