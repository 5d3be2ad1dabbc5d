"""One situation, one treatment: the same trouble is classified alike whoever's code it is."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import pytest

from exporter.classification.schema import SUCCESS
from exporter.classification.tables import load_tables
from exporter.results import Category, Retry, Severity

TABLES = load_tables()
ROWS = [
    (channel, code, row) for channel, table in TABLES.items() for code, row in table.codes.items()
]


class Situation(NamedTuple):
    """A situation, its treatment, and its codes."""

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
            "apns": "ExpiredProviderToken 403",
            "huawei": "102 80200001 80200003 80200005",
            "harmonyos": "80200001 80200005",
            "honor": "403",
            "mipush": "21302",
            "oppo": "11 29",
            "vivo": "10000",
            "fcm": "UNAUTHENTICATED third-party-auth-error 90000401",
            "wns": "401",
            "adm": "AccessTokenExpired",
            "sns": "ExpiredToken",
        },
        {
            "fcm/90000401": "MPS renews the access token itself; what it reports is a "
            "wrong key, and v1's UNAUTHENTICATED stands for the expired token",
        },
    ),
    Situation(
        "HTTP 401",
        "error",
        "auth",
        "after_refresh",
        {
            "huawei": "401",
            "harmonyos": "401",
            "fcm": "401",
            "wns": "401",
            "adm": "401",
            "webpush": "401",
            "expo": "401",
            "jpush": "401",
            "azure": "401",
        },
        {
            "webpush/401": "a VAPID token is made for each push: a refused one means key or clock",
            "expo/401": "an access token of Expo does not expire",
            "jpush/401": "the request carries the secret itself",
            "azure/401": "a SAS token is made from the key: a refused one means key or clock",
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
            "fcm": "90000401 THIRD_PARTY_AUTH_ERROR invalid-credential",
            "webpush": "401 BadJwtToken BadVapidPublicKey VapidKeyMissing",
            "expo": "InvalidCredentials UNAUTHORIZED",
            "wns": "AccessTokenRefused",
            "adm": "AuthenticationFailed",
            "jpush": "1004 1008 401",
            "umeng": "1000 2006 2007 2021 2027 2032 2034 4003 5001 5007 5008 5009",
            "sns": "InvalidSecurity NoCredentials PlatformApplicationDisabled",
            "azure": "InvalidCredentials 401",
            "meizu": "1006 110001",
        },
    ),
    Situation(
        "credentials that fit some targets only",
        "error",
        "auth",
        "no",
        {
            "apns": "TopicMismatch",
            "fcm": "third-party-auth-error",
            "webpush": "403 VapidPkHashMismatch UnauthorizedRegistration MismatchSenderId",
            "expo": "MismatchSenderId",
            "wns": "403",
            "umeng": "2033 2035",
        },
        {"fcm/third-party-auth-error": "an expired access token is the other cause"},
    ),
    Situation(
        "wrong clock",
        "critical",
        "auth",
        "no",
        {
            "huawei": "109",
            "honor": "10207",
            "mipush": "10037",
            "oppo": "19",
            "vivo": "10207",
            "umeng": "2028",
        },
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
            "fcm": "90000003 NOT_FOUND 404",
            "webpush": "404 410",
            "expo": "DeviceNotRegistered",
            "wns": "410",
            "adm": "Unregistered",
            "sns": "EndpointDisabled",
            "azure": "ExpiredChannel",
            "huawei-receipts": "2",
            "harmonyos-receipts": "2",
            "honor-receipts": "40000003",
            "getui": "110030 330030 180003 1102012",
        },
        {
            "vivo/10302": "it stands for a bad regId and an unpublished app, too",
            "fcm/NOT_FOUND": "the project in the URL may be wrong, too",
            "fcm/404": "as fcm/NOT_FOUND",
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
            "fcm": "SENDER_ID_MISMATCH 90000004 mismatched-credential",
            "umeng": "4014",
            "azure": "WrongChannel",
            "jpush-receipts": "2",
        },
        {
            "huawei/80300002": "the app lacks a right; a foreign token is one reason",
            "harmonyos/80300002": "as huawei/80300002",
            "fcm/mismatched-credential": "as huawei/80300002, for the sender",
        },
    ),
    Situation(
        "bad token: malformed, unknown, or dead by one of several causes",
        "warning",
        "token_invalid",
        "no",
        {
            "apns": "2009 2016 404",
            "huawei": "80100000 82000010",
            "harmonyos": "80100000 82500006",
            "honor": "80100000",
            "mipush": "66007",
            "oppo": "10000",
            "vivo": "10302",
            "fcm": "90000002",
            "webpush": "InvalidSubscription",
            "expo": "InvalidPushToken",
            "wns": "404",
            "adm": "InvalidRegistrationId",
            "umeng": "4010 4020 4026 5000 5005",
            "sns": "EndpointNotFound",
            "azure": "BadChannel WrongToken",
            "meizu": "110002 110003",
            "huawei-receipts": "5",
            "harmonyos-receipts": "5",
            "honor-receipts": "40000004",
            "oppo-receipts": "regid_invalid",
            "vivo-receipts": "102.20002 104.2183",
            "mipush-receipts": "16 16.1 16.2 16.3",
            "getui": "401 110019 110060 1102010 330060 180004 120020 140001 1502183 15020002 "
            "190020 310001",
        },
    ),
    Situation(
        "all tokens of a request failed, mostly because of a setting",
        "error",
        "token_invalid",
        "no",
        {"huawei": "80300007", "harmonyos": "80300007", "honor": "80300007", "umeng": "4025"},
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
            "umeng": "2012",
            "azure": "403",
            "meizu": "110053",
            "huawei-receipts": "202 256",
            "harmonyos-receipts": "256 262",
            "honor-receipts": "40000009",
            "oppo-receipts": "user_daily_limit",
            "vivo-receipts": "100.11001",
            "mipush-receipts": "128",
            "getui": "110256 120050 140002 140003 180009 330256 15011001",
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
            "getui/180009": "one device's share",
            "getui/330256": "one device's share",
        },
    ),
    Situation(
        "rate limit",
        "warning",
        "throttled",
        "backoff",
        {
            "apns": "2018 429 TooManyProviderTokenUpdates",
            "huawei": "80100017 80300029 503",
            "harmonyos": "80300029 503",
            "honor": "503",
            "mipush": "10022 10023 10024 10027 200002 22101 26004",
            "oppo": "-2 13 55 69",
            "vivo": "10040 10072 10250",
            "fcm": "QUOTA_EXCEEDED DeviceMessageRateExceeded TopicsMessageRateExceeded 429",
            "webpush": "406 429",
            "expo": "TOO_MANY_REQUESTS MessageRateExceeded 429",
            "wns": "406 429 channelthrottled",
            "adm": "MaxRateExceeded 429",
            "jpush": "2002 2005 429",
            "umeng": "2026",
            "sns": "Throttling KMSThrottling 429",
            "azure": "Throttled ChannelThrottled 429",
            "meizu": "110010 518 520",
            "harmonyos-receipts": "102",
            "huawei-receipts": "102",
            "vivo-receipts": "100.12000",
            "getui": "110102 330102 15012000",
        },
        {
            "apns/TooManyProviderTokenUpdates": "pushes fail until the sender stops making tokens",
            "jpush/2005": "one target's share of a day",
            "huawei-receipts/102": "one device's share of a day",
            "vivo-receipts/100.12000": "one device's share of a day",
            "getui/110102": "one device's share of a day",
            "getui/15012000": "one device's share of a day",
        },
    ),
    Situation(
        "busy, which passes by itself",
        "warning",
        "vendor_outage",
        "backoff",
        {"huawei": "111", "mipush": "10002 10009", "umeng": "4001 4009", "meizu": "1003"},
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
            "wns": "DomainBlocked",
            "jpush": "2003",
            "umeng": "1018 2000 4012 4024",
            "sns": "AuthorizationError OptInRequired KMSAccessDenied 403",
            "meizu": "110009",
        },
    ),
    Situation(
        "the sender's IP address is not allowed",
        "critical",
        "permission",
        "no",
        {"mipush": "10004", "oppo": "26", "jpush": "2004", "umeng": "2004"},
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
            "jpush": "2006 2007",
            "expo": "403",
            "meizu": "201",
        },
    ),
    Situation(
        "the app or hub does not exist, or the address is wrong",
        "critical",
        "config",
        "no",
        {
            "apns": "2003 2004",
            "huawei": "404",
            "harmonyos": "404",
            "honor": "404 10205",
            "mipush": "22000 22001 22006",
            "vivo": "10094 10205",
            "umeng": "4015",
            "azure": "404",
            "meizu": "110000",
            "jpush": "404",
            "wns": "404",
            "webpush": "404",
            "fcm": "404",
            "sns": "404",
        },
        {
            "jpush/404": "one wrong call of several; 1020 gives it, too",
            "wns/404": "the address is that of the channel",
            "webpush/404": "the address is that of the subscription",
            "fcm/404": "a dead token gives it, too",
            "sns/404": "the address is that of the endpoint",
        },
    ),
    Situation(
        "sending failed, the answer tells why",
        "error",
        "unknown",
        "no",
        {"mipush": "20301 22102", "getui": "400"},
    ),
    Situation(
        "the sender hides the reason",
        "warning",
        "unknown",
        "no",
        {
            "apns": "Unexplained",
            "fcm": "Unexplained UNSPECIFIED_ERROR",
            "webpush": "Unexplained",
            "expo": "Unexplained error",
            "wns": "Unexplained",
            "adm": "Unexplained",
            "jpush": "Unexplained",
            "umeng": "Unexplained",
            "sns": "Unexplained",
            "azure": "UnknownError Dropped",
        },
    ),
    Situation(
        "request built wrong",
        "error",
        "payload",
        "no",
        {
            "apns": "2012 2017 InvalidPushType MissingPushType 400 405",
            "huawei": "100 80100001 80100003 400",
            "harmonyos": "80100001 80100003 400",
            "honor": "400 80100003 10001",
            "mipush": "10008 10012 10016 10017 21305",
            "oppo": "12 17 18 20 21 22 23 24 40",
            "vivo": "10054 10151 10203 10204 10352",
            "fcm": "INVALID_ARGUMENT InvalidParameters 400",
            "webpush": "400 BadTtl BadUrgency BadWebPushTopic BadWebPushRequest",
            "expo": "VALIDATION_ERROR PUSH_TOO_MANY_NOTIFICATIONS 400",
            "wns": "400 405",
            "adm": "InvalidData InvalidType 400",
            "jpush": "1001 1002 1003 1009 1020 400 405",
            "umeng": "1001 1004 1016 1019 2008 400",
            "sns": "InvalidParameter ValidationException InvalidBatch 400",
            "azure": "InvalidNotificationFormat 400",
            "meizu": "1005 110004 110032",
            "honor-receipts": "40000008",
            "getui": "180008 110200",
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
        "message too large",
        "error",
        "payload",
        "no",
        {
            "apns": "2002 413",
            "huawei": "80300008",
            "harmonyos": "80300008",
            "honor": "80300008",
            "mipush": "10018 65009",
            "vivo": "10056 10058",
            "fcm": "90000007",
            "webpush": "413",
            "expo": "MessageTooBig 413",
            "wns": "413",
            "adm": "MessageTooLarge 413",
            "jpush": "1005",
            "umeng": "2022",
            "azure": "InvalidNotificationSize 413",
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
            "jpush": "1011",
            "umeng": "1015 2010",
            "sns": "NotFound 404",
            "azure": "NoTargets",
            "meizu": "110005",
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
            "huawei": "110 500 80600003 81000001",
            "harmonyos": "500 81000001",
            "honor": "500",
            "mipush": "1 1001 10001 10003 20607 26003 65029",
            "oppo": "-1",
            "vivo": "10102",
            "fcm": "90000011 UNAVAILABLE FCMServerError unable-to-parse-response 500 503",
            "webpush": "500 503",
            "expo": "ExpoError ProviderError HTTPError 500 503",
            "wns": "500 503",
            "adm": "500 503",
            "jpush": "1000 1030 500 503",
            "umeng": "2020 2023 2038 3000 3004 4000 4013 4021 4023 4027 500 503",
            "sns": "InternalError ServiceUnavailable 500 503",
            "azure": "PnsServerError PnsUnavailable PnsInterfaceError 500 503",
            "meizu": "500 1001 501 513 519",
            "jpush-receipts": "4",
            "huawei-receipts": "14",
            "harmonyos-receipts": "14",
            "getui": "500 110150 330150",
        },
        {"apns/2020": "one server shuts down: the next connection works"},
    ),
    Situation(
        "HTTP 502 and 504: a proxy got no answer",
        "error",
        "vendor_outage",
        "backoff",
        {
            "apns": "502 504",
            "huawei": "502",
            "harmonyos": "502",
            "honor": "502",
            "fcm": "502 504",
            "webpush": "502 504",
            "expo": "502 504",
            "jpush": "502 504",
        },
        {
            "apns/502": "APNs has no proxy: it is the sender's",
            "apns/504": "APNs has no proxy: it is the sender's",
            "huawei/502": "by Huawei's word the connection failed, and the next try works",
            "harmonyos/502": "as huawei/502",
            "honor/502": "as huawei/502",
        },
    ),
    Situation(
        "the service was not reached",
        "error",
        "connection",
        "backoff",
        {
            "apns": "2024 2025",
            "fcm": "network-error",
            **{
                channel: "ConnectionError"
                for channel, table in TABLES.items()
                if "ConnectionError" in table.codes
            },
            "azure": "PnsUnreachable ConnectionError",
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
    """A code is treated like its situation, or is an exception with a reason."""
    row = TABLES[channel].codes[code]
    expected = (situation.severity, situation.category, situation.retry)
    as_expected = (row.severity, row.category, row.retry) == expected
    assert as_expected == (f"{channel}/{code}" not in situation.exceptions), (row, expected)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_exceptions_are_of_their_situation(situation: Situation) -> None:
    """Each exception is one of the situation's codes."""
    codes = {f"{channel}/{code}" for case, channel, code in CASES if case is situation}
    assert situation.exceptions.keys() <= codes


FIRST = re.compile(r"[Ii]f (?:many|all)|[Oo]nly|[Dd]elete nothing")
"""What stands before the deletion of a token."""

GUARD = re.compile(r"If (?:many|all) fail at once(?:, [^:]*)?, delete nothing: |Delete nothing")
"""How an action begins where scripts delete by the code, or where it hides several causes."""


def test_no_action_begins_with_deleting() -> None:
    """The action begins with the case of many failures, never with "delete"."""
    begins = re.compile(r"(?:Delete(?! nothing)|Remove|Drop|Prune|Purge|Clear)\b")
    assert [row for row in ROWS if begins.match(row[2].action)] == []


def test_an_action_that_deletes_begins_with_a_condition() -> None:
    """Wherever an action deletes something, a condition stands before it."""
    for channel, code, row in ROWS:
        if deleting := re.search(r"(?i)\bdelete\b(?! nothing)", row.action):
            before = row.action[: deleting.start()]
            assert FIRST.search(before), (channel, code, row.action)


def test_a_row_by_which_scripts_delete_begins_with_the_guard() -> None:
    """Dead and bad tokens come in crowds from a mistake: the action begins with what not to do."""
    for channel, code, row in ROWS:
        if row.category in {Category.TOKEN_INVALID, Category.UNREGISTERED}:
            assert GUARD.match(row.action), (channel, code, row.action)


@pytest.mark.parametrize(
    ("channel", "codes"),
    [
        ("fcm", "NOT_FOUND mismatched-credential third-party-auth-error FCMServerError"),
        ("fcm", "INVALID_ARGUMENT UNSPECIFIED_ERROR PERMISSION_DENIED UNAUTHENTICATED"),
        ("fcm", "400 401 403 404 Unexplained"),
        ("apns", "400 403 Unexplained"),
        ("webpush", "400 401 403 Unexplained"),
        ("expo", "error HTTPError PushServerError Unexplained"),
        ("jpush", "400 403 Unexplained"),
        ("wns", "403 Unexplained"),
        ("adm", "400 Unexplained"),
        ("umeng", "400 Unexplained"),
        ("sns", "InvalidParameter 400 Unexplained"),
    ],
)
def test_a_code_that_hides_several_causes_deletes_nothing(channel: str, codes: str) -> None:
    """Where a library or a bare status merges causes, the action begins with "Delete nothing"."""
    for code in codes.split():
        action = TABLES[channel].codes[code].action
        assert action.startswith("Delete nothing"), (channel, code, action)


def test_fields_of_a_row_fit_together() -> None:
    """Severity, category, retry and action of a row are consistent."""
    for channel, code, row in ROWS:
        where = (channel, code, row)
        if row.category in SUCCESS:
            assert row.severity is Severity.INFO, where
        if row.severity is Severity.CRITICAL:
            assert row.category in {Category.AUTH, Category.PERMISSION, Category.CONFIG}, where
            assert row.retry is Retry.NO, where
        if row.category is Category.QUOTA:
            assert row.retry is Retry.NEXT_WINDOW, where
        if row.action.startswith("Synchronise"):
            assert (row.category, row.retry) == (Category.AUTH, Retry.NO), where
