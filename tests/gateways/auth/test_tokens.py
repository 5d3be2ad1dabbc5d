"""Bearer tokens."""

from pathlib import Path

import pytest

from tests.support.authentication import (
    any_of,
    bearer,
    load_bearer_token,
    refusal,
)


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ("Bearer one", None),
        ("bearer one", None),
        ("BEARER two", None),
        ("Bearer  three ", None),
        ("Bearer 密码", None),
        ("Bearer on", "bad_signature"),
        ("Bearer onee", "bad_signature"),
        ("Bearer One", "bad_signature"),
        ("Bearer one two", "bad_signature"),
        ("Bearer 密", "bad_signature"),
        ("Bearer \udcff\udc80", "bad_signature"),
        ("Bearer ", "missing_credentials"),
        ("Bearer", "missing_credentials"),
        ("", "missing_credentials"),
        ("one", "missing_credentials"),
        ("Basic one", "missing_credentials"),
        ("Bearer:one", "missing_credentials"),
        ("Bearer\tone", "missing_credentials"),
        ("Bearer # a comment", "bad_signature"),
        ("密码", "missing_credentials"),
    ],
)
def test_bearer_token(tmp_path: Path, authorization: str, reason: str | None) -> None:
    """Any complete token of any file is accepted, `Bearer` in any case, and nothing else is."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("\ufeffone\n# a comment\n  two  \r\n", "utf-8")
    second.write_text("three\n密码", "utf-8")
    scheme = load_bearer_token([first, second])
    assert refusal(scheme, headers={"Authorization": authorization}) == reason


def test_no_authorization_header() -> None:
    """A request without the header has no credentials."""
    assert refusal(any_of(bearer(b"one"))) == "missing_credentials"


def test_token_is_not_read_from_the_query() -> None:
    """A token in the URL, where logs would contain it, is ignored."""
    scheme = any_of(bearer(b"one"))
    query = {"authorization": "Bearer one", "access_token": "one"}
    assert refusal(scheme, query) == "missing_credentials"
