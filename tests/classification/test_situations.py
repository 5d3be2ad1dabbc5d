"""One situation, one treatment: the same trouble is classified alike whoever's code it is."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import pytest

from exporter.classification.tables import load_tables
from exporter.results import Category, Retry, Severity

TABLES = load_tables()
ROWS = [
    (channel, code, row) for channel, table in TABLES.items() for code, row in table.codes.items()
]


class Situation(NamedTuple):
    """What happened, how it is treated, and the codes that say so."""

    name: str
    severity: str
    category: str
    retry: str
    codes: dict[str, str]
    exceptions: Mapping[str, str] = MappingProxyType({})
    """Codes that are treated differently in one field or more, as `channel/code`, and why."""


SITUATIONS = [
    Situation(
        "access token expired",
        "error",
        "auth",
        "after_refresh",
        {
            "apns": "ExpiredProviderToken",
            "huawei": "102 80200001 80200003 80200005 401",
            "harmonyos": "80200001 80200005 401",
            "honor": "403",
            "mipush": "21302",
            "oppo": "11 29",
            "vivo": "10000",
            "fcm": "UNAUTHENTICATED 90000401",
        },
        {
            "fcm/90000401": "MPS renews the access token itself; what it reports is a "
            "wrong key, and v1's UNAUTHENTICATED stands for the expired token",
        },
    ),
    Situation(
        "wrong secret or key",
        "critical",
        "auth",
        "no",
        {
            "apns": "2013 2014 InvalidProviderToken MissingProviderToken "
            "BadEnvironmentKeyIdInToken",
            "huawei": "101 107",
            "mipush": "21301 22007 22008",
            "oppo": "14 15 16",
            "vivo": "10202 10206",
            "fcm": "90000401 THIRD_PARTY_AUTH_ERROR",
        },
    ),
    Situation(
        "wrong clock",
        "critical",
        "auth",
        "no",
        {"huawei": "109", "honor": "10207", "mipush": "10037", "oppo": "19", "vivo": "10207"},
        {"mipush/10037": "it may be one request that waited too long; a dead channel pages anyway"},
    ),
    Situation(
        "app uninstalled, token no longer registered",
        "info",
        "unregistered",
        "no",
        {
            "apns": "2011 ExpiredToken 410",
            "huawei": "80000004",
            "vivo": "10302",
            "fcm": "90000003 NOT_FOUND",
            "huawei-receipts": "2",
            "harmonyos-receipts": "2",
            "honor-receipts": "40000003",
            "oppo-receipts": "regid_invalid",
            "getui": "110030 330030 180003 140001",
        },
        {
            "vivo/10302": "it stands for a bad regId and an unpublished app, too",
            "fcm/NOT_FOUND": "the project in the URL may be wrong, too",
        },
    ),
    Situation(
        "token of another app",
        "warning",
        "token_invalid",
        "no",
        {
            "apns": "2010",
            "huawei": "80300002",
            "harmonyos": "80300002",
            "fcm": "SENDER_ID_MISMATCH",
        },
        {
            "huawei/80300002": "the app lacks a right; a foreign token is one reason",
            "harmonyos/80300002": "as huawei/80300002",
        },
    ),
    Situation(
        "bad token",
        "warning",
        "token_invalid",
        "no",
        {
            "apns": "2009 2016",
            "huawei": "80100000 80300007 82000010",
            "harmonyos": "80100000 80300007 82500006",
            "honor": "80100000 80300007",
            "mipush": "66007",
            "oppo": "10000",
            "vivo": "10302",
            "fcm": "90000002",
            "huawei-receipts": "5",
            "harmonyos-receipts": "5",
            "honor-receipts": "40000004",
            "vivo-receipts": "102.20002 104.2183",
            "mipush-receipts": "16 16.1 16.2 16.3",
            "getui": "401 110060 330060 180004 120020",
        },
        {
            "huawei/80300007": "all tokens of a request failed, mostly because of a setting",
            "harmonyos/80300007": "as huawei/80300007",
            "honor/80300007": "as huawei/80300007",
        },
    ),
    Situation(
        "daily quota used up",
        "error",
        "quota",
        "next_window",
        {
            "honor": "80200047",
            "mipush": "10034 200001",
            "oppo": "33 34 42",
            "vivo": "10070 10073 10252 10254",
            "huawei-receipts": "202 256",
            "harmonyos-receipts": "256 262",
            "honor-receipts": "40000009",
            "oppo-receipts": "user_daily_limit",
            "vivo-receipts": "100.11001",
            "mipush-receipts": "128",
            "getui": "110256 140002 140003",
        },
        {
            "honor/80200047": "test messages only",
            "oppo/34": "pictures only",
            "huawei-receipts/256": "one device's share",
            "harmonyos-receipts/256": "one device's share",
            "harmonyos-receipts/262": "one card's share",
            "honor-receipts/40000009": "one device's share",
            "oppo-receipts/user_daily_limit": "one device's share",
            "getui/110256": "one device's share",
            "getui/140002": "one device's share",
        },
    ),
    Situation(
        "rate limit",
        "warning",
        "throttled",
        "backoff",
        {
            "apns": "2018 TooManyProviderTokenUpdates",
            "huawei": "80100017 80300029 503 111",
            "harmonyos": "80300029 503",
            "honor": "503",
            "mipush": "10022 10023 10024 10027 200002 22101 26004 10009",
            "oppo": "-2 13 55 69",
            "vivo": "10040 10072 10250",
            "fcm": "QUOTA_EXCEEDED DeviceMessageRateExceeded TopicsMessageRateExceeded",
            "harmonyos-receipts": "102",
            "huawei-receipts": "102",
            "vivo-receipts": "100.12000",
            "getui": "110102",
        },
        {
            "apns/TooManyProviderTokenUpdates": "pushes fail until the sender stops making tokens",
            "huawei/111": "the server is busy, whoever it was",
            "mipush/10009": "the system is busy, whoever it was",
            "huawei-receipts/102": "one device's share of a day",
            "vivo-receipts/100.12000": "one device's share of a day",
            "getui/110102": "one device's share of a day",
        },
    ),
    Situation(
        "app in review, unpublished, barred or disabled",
        "critical",
        "permission",
        "no",
        {
            "huawei": "106 80300037",
            "harmonyos": "80300037",
            "mipush": "10026 10031 22002",
            "oppo": "28 30",
            "vivo": "10043 10045",
            "fcm": "PERMISSION_DENIED",
        },
    ),
    Situation(
        "one function not allowed",
        "error",
        "permission",
        "no",
        {
            "apns": "FeatureNotEnabled",
            "huawei": "80300011",
            "honor": "80200022",
            "mipush": "10005 10014 10033 10036 10038",
            "oppo": "27 59",
            "vivo": "10082",
        },
    ),
    Situation(
        "sending failed, the answer says why",
        "error",
        "unknown",
        "no",
        {"mipush": "20301 22102", "getui": "400"},
    ),
    Situation(
        "request built wrong by the gateway",
        "error",
        "payload",
        "no",
        {
            "apns": "2012 2017 InvalidPushType MissingPushType",
            "huawei": "100 80100001 80100003",
            "harmonyos": "80100001 80100003",
            "honor": "400 80100003 10001",
            "mipush": "10008 10012 10016 10017 21305",
            "oppo": "12 17 18 20 21 22 23 24 40",
            "vivo": "10054 10151 10203 10204 10352",
            "fcm": "INVALID_ARGUMENT InvalidParameters",
        },
        {
            "oppo/17": "the auth call: everything fails",
            "oppo/18": "the auth call: everything fails",
            "vivo/10203": "the auth call: everything fails",
            "vivo/10204": "the auth call: everything fails",
            "honor/10001": "each call is signed with it: everything fails",
        },
    ),
    Situation(
        "empty target",
        "warning",
        "target",
        "no",
        {
            "apns": "2008",
            "huawei": "82000003 82000008 82000011",
            "honor": "10300",
            "mipush": "65012 65016",
            "vivo": "10050 10150",
            "fcm": "MissingRegistration",
        },
    ),
    Situation(
        "content refused",
        "error",
        "policy",
        "no",
        {
            "huawei": "80100016 80100022",
            "harmonyos": "80100016 80100022",
            "honor": "80200056",
            "mipush": "10041 26006",
            "oppo": "41",
            "vivo": "10085 10101 10103 10104",
            "harmonyos-receipts": "259",
            "vivo-receipts": "101",
            "getui": "150101",
        },
        {
            "mipush/26006": "held until it is reviewed, not refused",
            "oppo/41": "any argument, seldom the text",
        },
    ),
    Situation(
        "outage",
        "error",
        "vendor_outage",
        "backoff",
        {
            "apns": "2020 2021 2022 500 503",
            "huawei": "110 111 500 80600003 81000001",
            "harmonyos": "500 81000001",
            "honor": "500",
            "mipush": "1 1001 10001 10002 10003 10009 20607 26003 65029",
            "oppo": "-1",
            "vivo": "10102",
            "fcm": "90000011 UNAVAILABLE",
            "huawei-receipts": "14",
            "harmonyos-receipts": "14",
            "getui": "500",
        },
        {
            "apns/2020": "one server shuts down: the next connection works",
            "huawei/111": "busy passes by itself",
            "mipush/10009": "busy passes by itself",
        },
    ),
]

CASES = [
    (situation, channel, code)
    for situation in SITUATIONS
    for channel, codes in situation.codes.items()
    for code in codes.split()
]


@pytest.mark.parametrize(
    ("situation", "channel", "code"), CASES, ids=lambda value: getattr(value, "name", value)
)
def test_one_situation_has_one_treatment(situation: Situation, channel: str, code: str) -> None:
    """A code is treated as its situation is, or is an exception that says why."""
    row = TABLES[channel].codes[code]
    expected = (situation.severity, situation.category, situation.retry)
    as_expected = (row.severity, row.category, row.retry) == expected
    assert as_expected == (f"{channel}/{code}" not in situation.exceptions), (row, expected)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_exceptions_are_of_their_situation(situation: Situation) -> None:
    """Each exception is one of the situation's codes."""
    codes = {f"{channel}/{code}" for one, channel, code in CASES if one is situation}
    assert situation.exceptions.keys() <= codes


FIRST = re.compile(r"[Ii]f (?:many|all)|[Uu]nless|[Oo]nly|[Dd]elete nothing")
"""What is said before a token is deleted."""


def test_no_action_begins_with_deleting() -> None:
    """What to do if many fail at once comes first; nobody stops reading at "delete"."""
    begins = re.compile(r"(?:Delete(?! nothing)|Remove|Drop|Prune|Purge|Clear)\b")
    assert [one for one in ROWS if begins.match(one[2].action)] == []


def test_an_action_that_deletes_says_first_when_not_to() -> None:
    """Wherever an action deletes something, a condition stands before it."""
    for channel, code, row in ROWS:
        if deleting := re.search(r"(?i)\bdelete\b(?! nothing)", row.action):
            before = row.action[: deleting.start()]
            assert FIRST.search(before), (channel, code, row.action)


def test_many_bad_tokens_at_once_come_first() -> None:
    """The action of a bad token says first what it means if many fail at once."""
    for channel, code, row in ROWS:
        if row.category is Category.TOKEN_INVALID:
            before = row.action.partition("elete the")[0]
            assert re.search("If (?:many|all)", before), (channel, code, row.action)


def test_fields_of_a_row_fit_together() -> None:
    """Success is no trouble, what pages needs someone, and no credential repairs a clock."""
    success = {Category.ACCEPTED, Category.DELIVERED, Category.OPENED, Category.PENDING}
    for channel, code, row in ROWS:
        said = (channel, code, row)
        if row.category in success:
            assert row.severity is Severity.INFO, said
        if row.severity is Severity.CRITICAL:
            assert row.category in {Category.AUTH, Category.PERMISSION, Category.CONFIG}, said
            assert row.retry is Retry.NO, said
        if row.category is Category.QUOTA:
            assert row.retry is Retry.NEXT_WINDOW, said
        if row.action.startswith("Synchronise"):
            assert (row.category, row.retry) == (Category.AUTH, Retry.NO), said
