"""Deliveries of a request: what is one delivery, and what identifies it."""

import pytest

from exporter.gateways.gateway import Credential, RequestKey
from exporter.results import (
    ClassifiedResult,
    Delivery,
    Identified,
    PushResult,
    ResultGroup,
    Scope,
    results_of,
)
from exporter.webhooks.deliveries import SubmissionBuilder

CREDENTIAL = Credential(0x1234_5678_9ABC_DEF0)


def make_deliveries(
    classified: list[tuple[ResultGroup, ClassifiedResult]], key: RequestKey | None = None
) -> list[Delivery]:
    """Return the deliveries of a request with these groups."""
    builder = SubmissionBuilder("results", CREDENTIAL, key)
    for group, meaning in classified:
        builder.add(group, meaning)
    return builder.build().deliveries


def delivery_of(
    identity: str | int, hint: str | None = "apns", channel: str = "apns", code: str = "2"
) -> Delivery:
    """Return the delivery of one result with an id."""
    group = ResultGroup(PushResult(code, hint), 1, 0, [identity])
    [delivery] = make_deliveries([(group, ClassifiedResult.unknown(channel, code))])
    return delivery


def test_results_with_ids_share_a_delivery() -> None:
    """The results of a group are one delivery: each id counts what one of them stands for."""
    meaning = ClassifiedResult.unknown("apns", "2")
    group = ResultGroup(PushResult("2"), 3, 2, ["a", 5])
    anonymous, named = make_deliveries([(group, meaning)])
    assert anonymous == Delivery({meaning.series: 6}, 2)
    scope = Scope(CREDENTIAL.scope, Identified.RESULT, "apns", "2")
    assert named == Delivery({meaning.series: 3}, 1, scope, ["a", 5])
    assert results_of([anonymous, named]) == 4


@pytest.mark.parametrize(
    ("sent", "other"),
    [
        (("apns", "apns", "2"), ("apns", "apns", "3")),
        (("apns", "apns", "2"), ("vivo", "vivo", "2")),
        (("getui-x", "other", "2"), ("getui-y", "other", "2")),
        (("getui-x", "other", "2"), (None, "other", "2")),
    ],
)
def test_ids_are_scoped(
    sent: tuple[str | None, str, str], other: tuple[str | None, str, str]
) -> None:
    """Ids of different channels, codes, or hints that no table knows are not each other's."""
    assert delivery_of("m", *sent).scope != delivery_of("m", *other).scope


def test_code_is_scoped_as_it_was_sent() -> None:
    """A code that is counted as another one, an unknown one past the bound, keeps its scope."""
    group = ResultGroup(PushResult("4242", "vivo"), 1, 0, ["m"])
    [counted] = make_deliveries([(group, ClassifiedResult.unknown("vivo", "other"))])
    assert counted.scope == delivery_of("m", "vivo", "vivo", "4242").scope


def test_request_with_a_key_is_one_delivery() -> None:
    """It counts every push of its results, and has the identity and content of the request."""
    meaning = ClassifiedResult.unknown("apns", "2")
    groups = [
        (ResultGroup(PushResult("2"), 3, 1, ["a"]), meaning),
        (ResultGroup(PushResult("9"), 1, 0, ["b", "c"]), meaning),
    ]
    for key in (RequestKey(b"id"), RequestKey(b"id", b"body")):
        [delivery] = make_deliveries(groups, key)
        assert delivery.counts == {meaning.series: 8}
        assert results_of([delivery]) == 4
        assert (delivery.identities, delivery.content) == ((b"id",), key.content)
        assert delivery.scope == Scope(CREDENTIAL.scope, Identified.REQUEST)
    assert make_deliveries([], RequestKey(b"id", b"body")) == []
