"""The bound on the labels of codes that no table has, whatever is sent."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.ledger.store import Count
from exporter.metrics.results import UNKNOWN_CODE_SECONDS
from exporter.results import Series
from exporter.runtime.snapshot import load_snapshot
from exporter.runtime.unknown_codes import MAX_HINTS, MAX_OTHERS, UnknownCodes
from tests.support.exporter import MakeSettings

FIRST = [str(number) for number in range(4000, 4020)]
"""As many codes as a channel may have of its own."""


def admit(
    unknown: UnknownCodes, code: str, channel: str = "vivo", message: str | None = None
) -> str:
    """Admit an unknown code; return the code that it is counted under."""
    label = unknown.admit(Series(channel, code, ""), message)
    assert (label.channel, label.table) == (channel, "")
    return label.code


def empty() -> UnknownCodes:
    """Return an empty memory of unknown codes, with an empty ledger."""
    return UnknownCodes(dict)


def restored(*codes: str, channel: str = "vivo", age: float = 0) -> UnknownCodes:
    """Give a memory after a start with a ledger that counted codes so many seconds ago."""
    counts = {Series(channel, code, ""): Count(1, time.time() - age) for code in codes}
    unknown = UnknownCodes(lambda: counts)
    unknown.restore()
    return unknown


@pytest.fixture
def full() -> UnknownCodes:
    """Give a memory in which channel `vivo` has reached its bound."""
    unknown = empty()
    for code in FIRST:
        admit(unknown, code, message=f"about {code}")
    return unknown


def test_the_first_twenty_keep_their_label() -> None:
    """The first 20 unknown codes of a channel are counted under their own code."""
    unknown = empty()
    assert [admit(unknown, code) for code in FIRST] == FIRST


@pytest.mark.parametrize("code", ["4020", "UNREGISTERED", "-7", "other"])
def test_the_next_is_other(full: UnknownCodes, code: str) -> None:
    """From the 21st on, a new code of the channel is counted under `other`."""
    assert [admit(full, code), admit(full, code)] == ["other", "other"]
    assert {code.code for code in full.labelled} == set(FIRST)


def test_an_admitted_code_stays(full: UnknownCodes) -> None:
    """A code that had a label before the bound was reached keeps it."""
    admit(full, "4020")
    assert [admit(full, code) for code in FIRST] == FIRST


def test_the_bound_is_each_channels_own(full: UnknownCodes) -> None:
    """A full channel takes nothing from another one, not even the same code."""
    assert admit(full, "4020") == "other"
    assert [admit(full, code, "oppo") for code in [*FIRST[1:], "4020"]] == [*FIRST[1:], "4020"]
    assert admit(full, "4021", "oppo") == "other"


def test_restored_codes_keep_their_label() -> None:
    """After a restart the codes counted before it keep their label and use up the bound."""
    unknown = restored(*FIRST)
    assert admit(unknown, "4020") == "other"
    assert [admit(unknown, code) for code in FIRST] == FIRST


def test_restored_codes_have_not_been_seen_yet() -> None:
    """A restored code has no message and no time until it is repeated."""
    unknown = restored("4000")
    assert [
        (unknown_code.channel, unknown_code.code, unknown_code.message, unknown_code.seen)
        for unknown_code in unknown.labelled
    ] == [("vivo", "4000", None, False)]
    before = time.time()
    admit(unknown, "4000", message="too hot")
    (unknown_code,) = unknown.labelled
    assert unknown_code.message == "too hot"
    assert unknown_code.seen
    assert before <= unknown_code.last_used <= time.time()


def test_the_restored_label_other_is_not_a_code() -> None:
    """The label `other` of the ledger does not count among the 20."""
    unknown = restored("other", *FIRST[1:])
    assert admit(unknown, FIRST[0]) == FIRST[0]
    assert admit(unknown, "4020") == "other"


def test_a_code_known_by_now_is_dropped(
    full: UnknownCodes, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """A code that a reloaded table has, as a code or alias, is dropped, and its place is free."""
    own = tmp_path / "own.toml"
    own.write_text(
        'channel = "vivo"\n[codes.4003]\nname = "New"\naliases = ["4005"]\ndescription = "New."\n'
        'severity = "error"\ncategory = "auth"\nretry = "no"\naction = "Look."\n'
    )
    full.update(load_snapshot(make_settings(code_table_files=[own])))
    assert {code.code for code in full.labelled} == {*FIRST} - {"4003", "4005"}
    assert admit(full, "4021") == "4021"
    assert admit(full, "4020") == "4020"
    assert admit(full, "4022") == "other"


def test_details_of_an_unknown_code() -> None:
    """An unknown code has channel, code, the latest message and its time in Unix seconds."""
    unknown = empty()
    before = time.time()
    admit(unknown, "4242", message="cold")
    admit(unknown, "4242", message="hot")
    (unknown_code,) = unknown.labelled
    assert (unknown_code.channel, unknown_code.code, unknown_code.message) == (
        "vivo",
        "4242",
        "hot",
    )
    assert unknown_code.seen
    assert before <= unknown_code.last_used <= time.time()


@pytest.mark.parametrize(
    ("length", "kept"), [(0, None), (1, 1), (200, 200), (201, 200), (10**6, 200)]
)
def test_a_long_message_is_cut(length: int, kept: int | None) -> None:
    """At most 200 characters of a message are kept; an empty one counts as absent."""
    unknown = empty()
    admit(unknown, "4242", message=("word " * length)[:length])
    (unknown_code,) = unknown.labelled
    assert unknown_code.message == (None if kept is None else ("word " * kept)[:kept])


def test_a_code_is_logged_once_without_its_message() -> None:
    """The first sight of a code logs its channel and code, and never what the sender wrote."""
    unknown = empty()
    with capture_logs() as logs:
        for channel in ("vivo", "oppo", "vivo"):
            admit(unknown, "4242", channel, "token=a-secret")
    assert logs == [
        {"event": "unknown code", "log_level": "warning", "channel": channel, "code": "4242"}
        for channel in ("vivo", "oppo")
    ]


def test_a_restored_code_is_not_logged_again() -> None:
    """A code that was logged before a restart is not logged after it."""
    unknown = restored("4242")
    with capture_logs() as logs:
        admit(unknown, "4242")
    assert logs == []


def test_codes_past_the_bound_are_remembered(full: UnknownCodes) -> None:
    """The last codes under `other` are remembered with their messages, and logged once each."""
    with capture_logs() as logs:
        for _ in range(3):
            admit(full, "4020", message="brand new failure")
            admit(full, "4021")
    assert [(code.code, code.message) for code in full.others] == [
        ("4020", "brand new failure"),
        ("4021", None),
    ]
    assert [line["code"] for line in logs] == ["4020", "4021"]


def test_a_flood_of_codes_is_bounded_everywhere(full: UnknownCodes) -> None:
    """Of a flood past the bound the last codes are remembered, and only some are logged."""
    with capture_logs() as logs:
        for number in range(1000):
            admit(full, f"flood-{number}")
    assert [code.code for code in full.others] == [
        f"flood-{number}" for number in range(1000 - MAX_OTHERS, 1000)
    ]
    assert len(logs) <= 40  # two hours, if one ends meanwhile


@pytest.mark.parametrize("age", [UNKNOWN_CODE_SECONDS + 10, UNKNOWN_CODE_SECONDS - 10])
def test_places_that_nothing_used_for_long_are_free(age: float) -> None:
    """A code that no result had for 30 days gives its place to a new one, and may come back."""
    unknown = restored(*FIRST, age=age)
    free = age > UNKNOWN_CODE_SECONDS
    assert admit(unknown, "4020") == ("4020" if free else "other")
    assert admit(unknown, FIRST[0]) == FIRST[0]


def test_a_place_becomes_free_while_the_exporter_runs() -> None:
    """A running exporter frees a place in the same way."""
    unknown = restored(*FIRST, age=UNKNOWN_CODE_SECONDS - 0.2)
    assert admit(unknown, "4020") == "other"
    assert admit(unknown, FIRST[0]) == FIRST[0]
    time.sleep(0.3)
    assert admit(unknown, "4020") == "4020"
    assert {unknown_code.code for unknown_code in unknown.labelled} == {FIRST[0], "4020"}


channels = st.sampled_from(["vivo", "oppo", "other"])
few_or_many = st.integers(0, 60).map(str) | st.just("other") | st.text(max_size=64)


@given(
    restored=st.sets(st.tuples(channels, st.integers(0, 19).map(str)), max_size=20),
    sent=st.lists(st.tuples(channels, few_or_many, st.none() | st.text()), max_size=120),
)
def test_labels_are_bounded(
    restored: set[tuple[str, str]], sent: list[tuple[str, str, str | None]]
) -> None:
    """A channel has at most 20 labels and `other`, and a label never changes its code."""
    counts = {Series(channel, code, ""): Count(1, time.time()) for channel, code in restored}
    unknown = UnknownCodes(lambda: counts)
    unknown.restore()
    labels: dict[str, set[str]] = {}
    for channel, code in restored:
        labels.setdefault(channel, set()).add(code)
    for channel, code, message in sent:
        label = admit(unknown, code, channel, message)
        assert label in (code, "other")
        assert label == code or code not in labels.get(channel, set())
        labels.setdefault(channel, set()).add(label)
    assert all(len(found) <= 21 for found in labels.values())
    assert len(list(unknown.labelled)) <= 20 * len(labels)


@pytest.mark.parametrize(
    "token",
    [
        "0123456789abcdef" * 4,
        "CN_" + "a1" * 16,
        "15513410784181118114099",
        "dK:APA91b" + "x-_" * 30,
    ],
)
def test_a_token_in_a_message_is_not_kept(token: str) -> None:
    """What may be a device token is left out of the message that the status page shows."""
    unknown = empty()
    admit(unknown, "4242", message=f"device {token} is not registered")
    (unknown_code,) = unknown.labelled
    assert unknown_code.message == "device … is not registered"


def note(unknown: UnknownCodes, hint: str | None, code: str = "2", channel: str = "other") -> None:
    """Admit a result that came with a hint."""
    unknown.admit(Series(channel, code, ""), None, hint)


def test_an_unknown_hint_is_remembered() -> None:
    """An unknown hint has the latest code that came with it, and its time."""
    unknown = empty()
    before = time.time()
    for hint, code in (("VIVOPUSH", "1"), (" vivopush ", "2"), ("VIVO PUSH", "3")):
        note(unknown, hint, code)
    (found,) = unknown.hints
    assert (found.hint, found.code) == ("VIVOPUSH", "3")
    assert before <= found.last_seen <= time.time()


@pytest.mark.parametrize(
    ("hint", "channel"),
    [(None, "other"), ("", "other"), (" \t", "other"), ("OTHER", "other"), ("vivo", "vivo")],
)
def test_hints_that_are_not_kept(hint: str | None, channel: str) -> None:
    """Absent, blank and known hints are not kept."""
    unknown = empty()
    note(unknown, hint, channel=channel)
    assert unknown.hints == []


def test_an_unknown_hint_is_logged_once_with_its_remedy() -> None:
    """The first sight of a hint logs it, and the lines that would make it an alias."""
    unknown = empty()
    with capture_logs() as logs:
        for code in ("1", "2"):
            note(unknown, "VIVOPUSH", code)
    assert [line for line in logs if line["event"] == "unknown hint"] == [
        {
            "event": "unknown hint",
            "log_level": "warning",
            "hint": "VIVOPUSH",
            "toml": 'channel = "?"\naliases = ["VIVOPUSH"]\n',
        }
    ]


def test_unknown_hints_are_bounded() -> None:
    """The last hints stay, however many and however long are sent, and the log is bounded too."""
    unknown = empty()
    with capture_logs() as logs:
        for number in range(1000):
            note(unknown, f"flood-{number} " + "word " * 1000)
    assert [hint.hint.split()[0] for hint in unknown.hints] == [
        f"flood-{n}" for n in range(1000 - MAX_HINTS, 1000)
    ]
    assert max(len(hint.hint) for hint in unknown.hints) <= 64
    assert len([line for line in logs if line["event"] == "unknown hint"]) == MAX_HINTS


def test_a_token_in_a_hint_is_not_shown() -> None:
    """What may be a device token is left out of a hint."""
    unknown = empty()
    note(unknown, "apns " + "0123456789abcdef" * 4)
    (found,) = unknown.hints
    assert found.hint == "apns \u2026"


def test_a_hint_that_is_an_alias_by_now_is_dropped(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """A hint that a reloaded table lists is dropped, and others stay."""
    unknown = empty()
    note(unknown, "VIVOPUSH")
    note(unknown, "pigeon")
    own = tmp_path / "own.toml"
    own.write_text('channel = "vivo"\naliases = ["VIVOPUSH"]\n')
    unknown.update(load_snapshot(make_settings(code_table_files=[own])))
    assert [hint.hint for hint in unknown.hints] == ["pigeon"]
