"""The canonical form of codes, and of what cannot be one."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.results import canonical_code, text_of_code

CANONICAL = re.compile(r"-?[0-9]+|[A-Za-z0-9_.-]{1,64}", re.ASCII)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
near_codes = st.text(alphabet="0123456789+-._ \t\nAZaz\0\u0664\u00b2\uff12", max_size=70)
big_integers = st.integers(min_value=-(10**70), max_value=10**70)


@pytest.mark.parametrize(
    ("code", "canonical"),
    [
        (2, "2"),
        ("2", "2"),
        (2.0, "2"),
        (" 2 ", "2"),
        ("\t2\n", "2"),
        ("+2", "2"),
        ("2.0", "2"),
        ("2.000", "2"),
        ("007", "7"),
        ("0", "0"),
        ("-0", "0"),
        ("+0", "0"),
        ("-0.0", "0"),
        (-0.0, "0"),
        (-1, "-1"),
        ("-1", "-1"),
        (-1.0, "-1"),
        ("-01", "-1"),
        (1e22, "10000000000000000000000"),
        (10**63, "1" + "0" * 63),
        ("9" * 64, "9" * 64),
        ("0" * 63 + "2", "2"),
        (1 - 10**63, "-" + "9" * 63),
    ],
)
def test_integers_have_one_spelling(code: object, canonical: str) -> None:
    """An integer becomes plain decimal digits, however it was written."""
    assert canonical_code(code) == canonical


@pytest.mark.parametrize(
    "name", ["UNREGISTERED", "Unregistered", "x", "a.b_c-d", "E2", "1e5", "a" * 64]
)
def test_names_keep_their_spelling(name: str) -> None:
    """A name of up to 64 letters, digits, `_`, `.` and `-` stays as it is, its case included."""
    assert canonical_code(name) == name
    assert canonical_code(f" {name}\n") == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "messaging/registration-token-not-registered",
            "messaging_registration-token-not-registered",
        ),
        ("Service Currently Unavailable", "Service_Currently_Unavailable"),
        ("a b", "a_b"),
        ("a \t/ b", "a_b"),
        ("1 2", "1_2"),
        ("a{b}", "a_b_"),
        ('2"', "2_"),
        ("2\x00", "2_"),
        ("\x002", "_2"),
        ("\x1b[31m2", "_31m2"),
        ("2\u200b", "2_"),
        ("caf\u00e9", "caf_"),
        ("\u6743\u9650", "_"),
        ("\u0662", "_"),
        ("\uff12", "_"),
        ("\ud800", "_"),
        ("+", "_"),
        ("+-2", "_-2"),
        ("1/2", "1_2"),
        ("x" * 63 + "\u200b", "x" * 63 + "_"),
    ],
)
def test_other_characters_become_an_underscore(text: str, name: str) -> None:
    """Each run of characters that a name has not is one `_`; only ASCII digits are numbers."""
    assert canonical_code(text) == name
    assert canonical_code(f" {text}\n") == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a" * 65, "a" * 64),
        ("a/" * 33, "a_" * 32),
        ("x" * 1_000_000, "x" * 64),
        (" " * 2000 + "2", "2"),
        ("0" * 70 + "x", "_"),
        ("2 " * 40, "2_" * 32),
        (
            "The cloud service did not present a valid authentication ticket. It may be invalid.",
            "The_cloud_service_did_not_present_a_valid_authentication_ticket.",
        ),
    ],
    ids=lambda text: text[:24],
)
def test_a_long_text_is_cut(text: str, name: str) -> None:
    """A sentence in place of a code costs its end, and never the item."""
    assert canonical_code(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"Invalid token: {'a1' * 32} (400)", "Invalid_token_400_"),
        (f"{'x ' * 10}{'a1b2:' * 50}", "x_" * 9 + "x"),
        (f"{'APA91b-_:' * 20}", "_"),
        ("a1" * 32, "_"),
        ("0b9a7d3e-51c4-4e0a-9f0e-2d6a8c7b1f35", "_"),
        ("PushService.0x80070005_E_ACCESSDENIED_2", "PushService.0x80070005_E_ACCESSDENIED_2"),
        ("Error404DeviceTokenNotForTopicException", "Error404DeviceTokenNotForTopicException"),
        ("regId 15513410784181118114099 is invalid", "regId_is_invalid"),
        (
            "POST https://push.example/3/device/shop/" + "a1" * 32,
            "POST_https_push.example_device_shop_",
        ),
        ("projects/shop/messages/0:1500415314455276%31bd1c96", "projects_shop_messages_31bd1c96"),
        (
            "ResponseEntityIsNotWhatItWasExpectedToBe, sorry",
            "ResponseEntityIsNotWhatItWasExpectedToBe_sorry",
        ),
    ],
)
def test_a_text_loses_its_tokens(text: str, name: str) -> None:
    """A code becomes a label, so the tokens and ids of a sentence are left out of it."""
    assert canonical_code(text) == name


@pytest.mark.parametrize(
    ("code", "first"),
    [
        (["Unregistered", 1700000000], "Unregistered"),
        (("BadDeviceToken",), "BadDeviceToken"),
        ([410, "Gone"], "410"),
        ([2.0], "2"),
        ("('Unregistered', '1700000000')", "Unregistered"),
        ("('Unregistered',)", "Unregistered"),
        ("(410, 'Gone')", "410"),
        ('["BadDeviceToken", {"a": [1]}]', "BadDeviceToken"),
        ("[b'InternalServerError']", "InternalServerError"),
        ('("it\'s gone", 1)', "it_s_gone"),
        ("('invalid_grant: Bad', {'error': 'x" + "y" * 1000 + "'})", "invalid_grant_Bad"),
        ("(null)", "_null_"),
        ("[object Object]", "_object_Object_"),
        ("()", "_"),
        ("(404) Not Found", "_404_Not_Found"),
    ],
    ids=lambda code: str(code)[:32],
)
def test_the_first_element_of_a_sequence_is_the_code(code: object, first: str) -> None:
    """Of a list or tuple, and of the text of one, the first element counts."""
    assert canonical_code(code) == first


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (2, None),
        (" 2 ", None),
        ("2.0", None),
        ("+2", None),
        ("BadDeviceToken", None),
        (" BadDeviceToken\n", None),
        ("", None),
        (["Unregistered", 1], None),
        ("Requested entity was not found.", "Requested entity was not found."),
        ("  鉴权失败 ", "鉴权失败"),
        ("('Unregistered', 1)", "('Unregistered', 1)"),
    ],
)
def test_the_text_of_a_code_that_loses_something(code: object, text: str | None) -> None:
    """A sentence keeps its text in addition to its canonical form; a code needs none."""
    assert text_of_code(code) == text


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        1.5,
        math.nan,
        math.inf,
        -math.inf,
        1e300,
        10**64,
        -(10**63),
        pytest.param(10**5000, id="5001 digits"),
        pytest.param("9" * 1_000_000, id="a million digits"),
        "9" * 65,
        "",
        " ",
        "\n\t",
        [],
        [[2]],
        [True],
        [None],
        {},
        {"code": 2},
        b"2",
    ],
    ids=repr,
)
def test_impossible_codes(value: object) -> None:
    """Booleans, fractions, objects, null and numbers of more than 64 digits are not codes."""
    assert canonical_code(value) is None


@given(json_values | near_codes | big_integers)
def test_every_value_has_an_answer(value: object) -> None:
    """Any JSON value at all gives a canonical code or None, never an exception."""
    code = canonical_code(value)
    assert code is None or CANONICAL.fullmatch(code)
    assert code is None or len(code) <= 64


@pytest.mark.parametrize(
    "text",
    [
        "1" * 64 + "x",
        "1" * 70 + " x",
        "12 " + "0a" * 30,
        "5." + "0" * 62 + "1",
        "4" * 15 + "\u0664",
    ],
)
def test_part_of_a_text_is_not_an_integer(text: str) -> None:
    """The digits of a longer text do not become an integer, which would be another code."""
    assert not re.fullmatch(r"-?[0-9]+", str(canonical_code(text)))


@given(json_values | near_codes | big_integers)
def test_canonical_is_final(value: object) -> None:
    """A canonical code is its own canonical form."""
    code = canonical_code(value)
    assert code is None or canonical_code(code) == code


@given(st.integers(min_value=1 - 10**63, max_value=10**64 - 1))
def test_an_integer_and_its_text_are_the_same(code: int) -> None:
    """An integer counts the same as a number, as text, padded, signed, and with a `.0`."""
    text = str(code)
    signed = text if code < 0 else f"+{text}"
    spellings: list[int | str] = [code, text]
    if len(text) <= 60:
        spellings += [f" {text}\n", signed, f"{text}.0"]
    assert {canonical_code(spelling) for spelling in spellings} == {text}
