"""The keys of ledgers before format 3 (SQLite) and 2 (PostgreSQL): XXH3, without a secret.

They are looked up for one window after an upgrade, so that no earlier result is counted twice.
"""

from struct import pack

from xxhash import xxh3_64_intdigest

from exporter.results import Delivery, Identified, Identity, Scope

_REQUEST, _CONTENT, _RESULT = 1, 2, 3


def old_keys_of(delivery: Delivery) -> list[tuple[int, int]]:
    """Return the key of each identity, with the hash of its content or 0."""
    scope = delivery.scope
    assert scope is not None  # noqa: S101 - there are identities
    if scope.kind is Identified.REQUEST:
        return [
            _request(scope.credential, identity, delivery.content)
            for identity in delivery.identities
        ]
    return [(_result(scope, identity), 0) for identity in delivery.identities]


def _request(credential: int, identity: Identity, content: bytes | None) -> tuple[int, int]:
    assert isinstance(identity, bytes)  # noqa: S101 - a body, or the id in a header
    key = xxh3_64_intdigest(identity, credential)
    unique = xxh3_64_intdigest(pack("<Q", key), credential ^ _REQUEST)
    if content is None:
        return unique, 0
    fingerprint = xxh3_64_intdigest(content) or 1
    return unique, xxh3_64_intdigest(pack("<QQ", key, fingerprint), credential ^ _CONTENT)


def _result(scope: Scope, identity: Identity) -> int:
    number = xxh3_64_intdigest(identity) if isinstance(identity, bytes) else identity
    text = f"{scope.channel}\0{scope.code}\0{number}"
    return xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"), scope.credential ^ _RESULT)
