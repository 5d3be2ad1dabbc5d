"""Deduplication keys: different for different deliveries, and for whoever lacks the secret."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from siphashc import siphash

from exporter.ledger.keys import EarlierKeys, Keyring, Keys, new_secret
from exporter.results import Delivery, Identified, Identity, Scope
from tests.support.deliveries import SECRET, delivery, keys_of

REQUEST = Scope(1, Identified.REQUEST)

SCOPES = [
    REQUEST,
    Scope(2, Identified.REQUEST),
    Scope(1, Identified.RESULT),
    Scope(1, Identified.RESULT, "apns", "2"),
    Scope(1, Identified.RESULT, "apns2", ""),
    Scope(1, Identified.RESULT, "", "apns2"),
    Scope(1, Identified.RESULT, "'getui-\\ud83d'", "2"),
]


def test_siphash_is_siphash_2_4() -> None:
    """The function is the one of the paper, by its test vector."""
    assert siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5


def test_keys_differ_by_scope_identity_and_secret() -> None:
    """No two deliveries share a key, nor do two ledgers."""
    identities: list[Identity] = ["m1", "m2", "\x00m1", "", b"\xff", "half an emoji \ud83d"]
    made = [
        Keys(secret).of(delivery(*identities, scope=scope))
        for scope in SCOPES
        for secret in (SECRET, new_secret())
    ]
    assert len({key for keys in made for key in keys}) == len(identities) * len(made)
    assert all(0 <= key < 1 << 64 for keys in made for key in keys)


@given(st.lists(st.text() | st.integers() | st.binary()))
def test_keys_stay_the_same(identities: list[Identity]) -> None:
    """A key depends on its own identity alone, and integers are their digits."""
    alone = [keys_of(identity)[0] for identity in identities]
    assert keys_of(*identities) == alone
    digits = [str(identity) if isinstance(identity, int) else identity for identity in identities]
    assert keys_of(*digits) == alone


def test_keys_are_those_of_earlier_releases() -> None:
    """A ledger is read by later releases: the way to make keys does not change."""
    assert keys_of("m-17", b"\x00", 5) == KNOWN
    assert tuple(Keys(SECRET).of_request(request(b"id", b"body"))) == KNOWN_REQUEST


KNOWN = [6012994655894497399, 16325185584956732660, 161118164317801314]
KNOWN_REQUEST = (5254019597039420393, 18205628445825748661)


def request(identity: bytes, content: bytes, credential: int = 1) -> Delivery:
    """Make a delivery that may conflict."""
    return Delivery({}, 1, Scope(credential, Identified.REQUEST), (identity,), content)


def test_contents_differ_by_scope_identity_and_content() -> None:
    """The hash of a content stands for the identity, too, and is never 0."""
    made = {
        parts: Keys(SECRET).of_request(request(*parts))
        for parts in [
            (identity, content, credential)
            for identity in (b"a", b"b")
            for content in (b"", b"a", b"x" * 1000)
            for credential in (1, 2)
        ]
    }
    for (name, first), (other, second) in combinations(made.items(), 2):
        same = (name[0], name[2]) == (other[0], other[2])
        assert (first.key == second.key) == same
        assert first.content != second.content
    assert all(key.content for key in made.values())


@pytest.mark.parametrize("xxh3", [False, True])
def test_earlier_keys_end_with_their_window(xxh3: bool) -> None:
    """Keys of before an upgrade or a copy are made until a window later, and no longer."""
    keyring = Keyring(SECRET, [EarlierKeys(new_secret(), xxh3, 1000.0)])
    keyring.expire(999.0)
    [[first, second]] = keyring.earlier(delivery("a", "b"))
    assert first.key != second.key
    assert keyring.current.of(delivery("a", "b")) == keys_of("a", "b")
    keyring.expire(1000.0)
    assert keyring.earlier(delivery("a", "b")) == []
