"""Deduplication keys: 64 bits per identity, unpredictable without the ledger's secret.

A key is the SipHash-2-4 of the identity. The hash key is derived by BLAKE2b from the secret and the
scope, so that a sender cannot cause collisions among its own deliveries or with those of another
sender. The probability that any two of n keys are equal is n² / 2⁶⁵: 1 in 37 million for a million
keys, 1 in 37 for a billion.
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
"""Number of derived hash keys in the cache, one per credential, channel and code."""

_NONE: list[list["Key"]] = []
_CONTENT = b"content"
_OLD_KEY = b"old key"


def new_secret() -> bytes:
    """Generate the secret of a new ledger."""
    return secrets.token_bytes(SECRET_BYTES)


class Key(NamedTuple):
    """The deduplication key of an identity."""

    key: int
    content: int = 0
    """The hash of the delivery's content, 0 if it cannot conflict."""


class Keys:
    """Makes keys with one secret."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._hash = lru_cache(_CACHED_SCOPES)(self._derive)

    def of(self, delivery: Delivery) -> list[int]:
        """Return the keys of a delivery, in the order of its identities."""
        assert delivery.scope is not None  # noqa: S101 - there are identities
        hashed = self._hash(delivery.scope)
        try:
            return list(map(hashed, delivery.identities))  # type: ignore[arg-type] # see `except`
        except (TypeError, UnicodeEncodeError):
            return list(map(hashed, map(_as_bytes, delivery.identities)))

    def of_request(self, delivery: Delivery) -> Key:
        """Return the key of a delivery with content."""
        [key] = self.of(delivery)
        assert delivery.content is not None  # noqa: S101 - the caller's condition
        hashed = self._hash(_CONTENT)
        return Key(key, hashed(key.to_bytes(8, "little") + delivery.content) or 1)

    def of_old(self, numbers: Iterable[int]) -> list[int]:
        """Return keys derived from XXH3 keys, which a sender could predict."""
        hashed = self._hash(_OLD_KEY)
        return [hashed(number.to_bytes(8, "little")) for number in numbers]

    def _derive(self, purpose: Scope | bytes) -> Callable[[str | bytes], int]:
        data = purpose if isinstance(purpose, bytes) else msgspec.json.encode(purpose)
        return partial(siphash, blake2b(data, digest_size=16, key=self.secret).digest())


class EarlierKeys(NamedTuple):
    """Keys made with another secret or algorithm, which are looked up for one window."""

    secret: bytes
    """The secret of a ledger copied into this one, or the one applied to XXH3 keys, if any."""
    xxh3: bool
    """Whether the keys are derived from XXH3 keys, which had no secret."""
    since: float
    """Unix time in seconds since which no such keys are made."""


class Keyring:
    """Makes the current keys of deliveries, and their earlier keys during one window."""

    def __init__(self, secret: bytes, earlier: Sequence[EarlierKeys] = ()) -> None:
        self.current = Keys(secret)
        self._earlier: dict[EarlierKeys, Keys] = {}
        self.set_earlier(earlier)

    def set_earlier(self, earlier: Sequence[EarlierKeys]) -> None:
        """Replace the kinds of earlier keys."""
        self._earlier = {kind: self._earlier.get(kind) or Keys(kind.secret) for kind in earlier}

    def kinds(self, now: float) -> list[EarlierKeys]:
        """Return all kinds of keys as earlier keys, for a ledger into which this one is copied."""
        return [EarlierKeys(self.current.secret, False, now), *self._earlier]

    def expire(self, oldest: float) -> None:
        """Drop the kinds of earlier keys made before a time."""
        if self._earlier:
            self.set_earlier([kind for kind in self._earlier if kind.since > oldest])

    def earlier(self, delivery: Delivery) -> list[list[Key]]:
        """Return a delivery's earlier keys: a list per kind, in the order of its identities."""
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
    """Derive keys from XXH3 keys in the format of a store: 8 bytes each in native byte order."""
    return array("Q", Keys(secret).of_old(array("Q", numbers))).tobytes()


def _as_bytes(identity: Identity) -> bytes:
    if isinstance(identity, bytes):
        return identity
    return str(identity).encode("utf-8", "surrogatepass")
