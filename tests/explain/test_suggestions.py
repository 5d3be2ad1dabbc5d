"""Codes that `explain` suggests."""

import pytest

from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.explain.suggestions import suggest

TABLES = load_tables()
CLASSIFIER = Classifier(TABLES)


@pytest.mark.parametrize(
    ("code", "channel", "first"),
    [
        ("2009", "mps", ("apns", "2009")),
        ("BadDeviceToken", "huawei", ("apns", "2009")),
        ("10072", "OPPO", ("vivo", "10072")),
        ("BadDeviceTokn", None, ("apns", "2009")),
        ("baddevicetoken", "apns", ("apns", "2009")),
        ("adDeviceTok", None, ("apns", "2009")),
        ("UNREGISTEREDD", "fcm", ("fcm", "90000003")),
    ],
)
def test_intended_code_comes_first(code: str, channel: str | None, first: tuple[str, str]) -> None:
    """A code of another channel, a part of a name or a misspelt name leads to the row."""
    found = suggest(CLASSIFIER, TABLES, code, channel)
    assert (found[0].channel, found[0].code) == first
    assert len(found) <= 5


def test_word_of_a_category_leads_to_its_rows() -> None:
    """A word that no name contains is looked up in categories and descriptions."""
    found = suggest(CLASSIFIER, TABLES, "throttl", None)
    assert found
    assert {TABLES[suggestion.channel].codes[suggestion.code].category for suggestion in found} == {
        "throttled"
    }


def test_names_of_the_channel_take_precedence() -> None:
    """Where a channel was given, its own rows are suggested if one is similar."""
    found = suggest(CLASSIFIER, TABLES, "token", "huawei")
    assert {suggestion.channel for suggestion in found} == {"huawei"}


@pytest.mark.parametrize("code", ["123456789", "-77", "xyzzyq"])
def test_nothing_is_guessed(code: str) -> None:
    """A number is near no other number, and a word that is nowhere gets no suggestion."""
    assert suggest(CLASSIFIER, TABLES, code, None) == []
