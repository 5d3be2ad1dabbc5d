"""The rules of classification, one by one, and over anything that may arrive."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.classification.classifier import Classifier
from exporter.classification.tables import COMMON_CHANNEL, load_tables
from exporter.results import (
    Category,
    ClassifiedResult,
    PushResult,
    Retry,
    Series,
    Severity,
    canonical_code,
)

TABLES = load_tables()
CLASSIFIER = Classifier(TABLES)
KNOWN = list(CLASSIFIER.known())
CHANNELS = [channel for channel, table in TABLES.items() if table.common_codes]
"""The channels on which MPS reports its common codes."""
VENDORS = [channel for channel in CHANNELS if channel != "mps"]

WAITING = "WaitingForVerify"
UNAVAILABLE = "Service Currently Unavailable"


def series(
    code: str, hint: str | None = None, message: str | None = None, *, ios: bool = False
) -> tuple[str, ...]:
    """Classify a result; return its channel, its code and the table of its row."""
    result = PushResult(code, hint=hint, message=message, ios=ios)
    return tuple(CLASSIFIER.classify(result).series)[:3]


@pytest.mark.parametrize(
    ("word", "channel"),
    [
        *((channel, channel) for channel in CHANNELS),
        ("IOS", "apns"),
        ("APPLE", "apns"),
        ("HMS", "huawei"),
        ("HARMONY", "harmonyos"),
        ("MIUI", "mipush"),
        ("XIAOMI", "mipush"),
        ("FIREBASE", "fcm"),
        ("gcm", "fcm"),
        ("firebase-admin", "fcm"),
        ("accs", "mps"),
        *((channel, channel) for channel in TABLES if TABLES[channel].hint_only),
        ("webPush", "webpush"),
        ("web", "webpush"),
        ("web-push", "webpush"),
        ("exponent", "expo"),
        ("jiguang", "jpush"),
        ("flyme", "meizu"),
        ("azure-notification-hubs", "azure"),
    ],
)
@pytest.mark.parametrize(
    "written",
    [str, str.lower, str.upper, str.title, "  {}\t".format, "\n{}\n".format, " ".join],
    ids=["as is", "lower", "upper", "title", "padded", "newlines", "spaced out"],
)
def test_a_hint_is_a_name_or_alias_in_any_spelling(
    word: str, channel: str, written: Callable[[str], str]
) -> None:
    """A channel is known by its name and aliases, without regard to case and white space."""
    assert CLASSIFIER.channel(written(word).strip()) == channel
    assert series("424242", written(word)) == (channel, "424242", "")


@pytest.mark.parametrize(
    ("word", "channel"),
    [("ANDROID", "mps"), (" ANDROID\n", "mps"), ("android", "other"), ("Android", "other")],
)
def test_an_exact_alias_is_a_hint_as_it_is_spelled(word: str, channel: str) -> None:
    """The name that MPS uses for its own channel counts in upper case only."""
    assert series("2", word)[0] == channel


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (PushResult("2009", hint="IOS"), ("apns", "2009", "apns")),
        (PushResult("10072", hint="vivo"), ("vivo", "10072", "vivo")),
        (PushResult("10000", hint="vivo"), ("vivo", "10000", "vivo")),
        (PushResult("10000", hint="oppo"), ("oppo", "10000", "oppo")),
        (PushResult("10000", hint="vivo", message="Invalid RegistrationId"),
         ("vivo", "10000", "vivo")),
        (PushResult("2", hint="vivo"), ("vivo", "2", "mps")),
        (PushResult("99999999", hint="HMS"), ("huawei", "99999999", "mps")),
        (PushResult("-1", hint="vivo", message=UNAVAILABLE), ("vivo", "-1", "mps")),
        (PushResult("2", hint="honor"), ("honor", "2", "mps")),
        (PushResult("2", hint="vivo", ios=True), ("vivo", "2", "mps")),
        (PushResult("2", hint="ANDROID", ios=True), ("mps", "2", "mps")),
        (PushResult("2009", hint="vivo"), ("vivo", "2009", "")),
        (PushResult("2009", hint="mps"), ("mps", "2009", "")),
        (PushResult("SOMETHING_NEW", hint="fcm"), ("fcm", "SOMETHING_NEW", "")),
        (PushResult("2009", hint="vivo", message="BadDeviceToken"), ("vivo", "2009", "")),
    ],
)  # fmt: skip
def test_a_known_channel_has_its_row_then_the_common_row(
    result: PushResult, expected: tuple[str, ...]
) -> None:
    """Under a hint the vendor's row counts, else the common row, else the code is unknown there."""
    assert tuple(CLASSIFIER.classify(result).series)[:3] == expected


@pytest.mark.parametrize(
    ("message", "table"),
    [
        (WAITING, "mps"),
        ("waiting for verify", "mps"),
        ("Waiting for verification.", "mps"),
        ("status: WAITING-FOR-VERIFY, retried", "mps"),
        (UNAVAILABLE, "oppo"),
        ("service currently unavailable", "oppo"),
        ("The service is unavailable; try again later.", "oppo"),
        (None, "oppo"),
        ("", "oppo"),
        ("something else", "oppo"),
        (f"{WAITING}; {UNAVAILABLE}", "oppo"),
    ],
)
@pytest.mark.parametrize("hint", ["oppo", "OPPO"])
def test_minus_one_under_oppo_depends_on_its_message(
    hint: str, message: str | None, table: str
) -> None:
    """`-1` under OPPO belongs to MPS if the message matches, otherwise to OPPO."""
    assert series("-1", hint, message) == ("oppo", "-1", table)


def test_both_meanings_of_minus_one_keep_their_own_severity() -> None:
    """The two meanings of `-1` under OPPO differ in name and severity, not in channel and code."""
    own = CLASSIFIER.classify(PushResult("-1", hint="oppo", message=UNAVAILABLE))
    common = CLASSIFIER.classify(PushResult("-1", hint="oppo", message=WAITING))
    assert (own.name, own.severity, own.category) == (
        UNAVAILABLE,
        Severity.ERROR,
        Category.VENDOR_OUTAGE,
    )
    assert (common.name, common.severity, common.category) == (
        WAITING,
        Severity.INFO,
        Category.PENDING,
    )


@pytest.mark.parametrize("code", ["-1", "0", "1", "2", "3", "99999999"])
@pytest.mark.parametrize("message", [None, "anything", UNAVAILABLE, "OPPO"])
def test_a_common_code_without_a_hint_is_the_gateways(code: str, message: str | None) -> None:
    """Without a hint a common code belongs to `mps`, or to `apns` on iOS, whatever its message."""
    assert series(code, None, message) == ("mps", code, "mps")
    assert series(code, None, message, ios=True) == ("apns", code, "mps")


@pytest.mark.parametrize(
    ("code", "channel"),
    [
        ("2009", "apns"),
        ("80000003", "huawei"),
        ("10027", "mipush"),
        ("-2", "oppo"),
        ("10302", "vivo"),
        ("90000003", "fcm"),
    ],
)
@pytest.mark.parametrize("message", [None, "Invalid RegistrationId"])
@pytest.mark.parametrize("ios", [False, True])
def test_a_code_of_one_table_needs_no_hint(
    code: str, channel: str, message: str | None, *, ios: bool
) -> None:
    """Without a hint a code that one table alone has belongs to it, whatever the message."""
    assert series(code, None, message, ios=ios) == (channel, code, channel)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Invalid RegistrationId", ("oppo", "10000", "oppo")),
        ("invalid registration_id", ("oppo", "10000", "oppo")),
        ("Error 10000: registration_id is in incorrect format", ("oppo", "10000", "oppo")),
        ("Permission authentication failed", ("vivo", "10000", "vivo")),
        ("permission authentication failed (authToken expired)", ("vivo", "10000", "vivo")),
        ("\u6743\u9650\u8ba4\u8bc1\u5931\u8d25", ("vivo", "10000", "vivo")),
        (None, ("other", "10000", "")),
        ("", ("other", "10000", "")),
        ("   ", ("other", "10000", "")),
        ("...", ("other", "10000", "")),
        ("System error", ("other", "10000", "")),
        ("Invalid", ("other", "10000", "")),
        ("Invalid RegistrationId; permission authentication failed", ("other", "10000", "")),
    ],
)
def test_a_code_of_several_tables_is_never_guessed(
    message: str | None, expected: tuple[str, ...]
) -> None:
    """`10000` without a hint belongs to the one vendor whose words are in the message, or none."""
    assert series("10000", None, message) == expected


@pytest.mark.parametrize("code", ["4242", "SOMETHING_NEW", "other", "410", "503"])
@pytest.mark.parametrize("ios", [False, True])
def test_a_code_of_no_table_and_no_hint_is_other(code: str, *, ios: bool) -> None:
    """A code that no table has, without a hint, is unknown on channel `other`."""
    assert series(code, ios=ios) == ("other", code, "")


@pytest.mark.parametrize(
    "hint",
    [
        "pigeon",
        "other",
        "OTHER",
        "ios2",
        "apns/vivo",
        "\u200bapns",
        "x" * 65,
        "x" * 1_000_000,
        "\0",
    ],
    ids=lambda hint: repr(hint)[:16],
)
@pytest.mark.parametrize("code", ["2", "2009", "10000", "4242"])
def test_a_hint_that_no_table_knows_is_other(hint: str, code: str) -> None:
    """Under a hint that no table lists even a common code is unknown on channel `other`."""
    meaning = CLASSIFIER.classify(PushResult(code, hint=hint, message=UNAVAILABLE, ios=True))
    assert meaning == ClassifiedResult.unknown("other", code)
    assert not meaning.known


@pytest.mark.parametrize("hint", ["", " ", "\t\n ", "\u3000", " " * 1000])
def test_a_blank_hint_is_absent(hint: str) -> None:
    """A hint without a visible character counts as absent."""
    assert series("2009", hint) == ("apns", "2009", "apns")
    assert series("2", hint) == ("mps", "2", "mps")
    assert series("2", hint, ios=True) == ("apns", "2", "mps")
    assert series("4242", hint) == ("other", "4242", "")


def test_an_unknown_code_is_a_result() -> None:
    """A code that no table has gets severity and category `unknown` under its own code."""
    meaning = CLASSIFIER.classify(PushResult("4242", hint="vivo"))
    assert (meaning.severity, meaning.category) == (Severity.UNKNOWN, Category.UNKNOWN)
    assert meaning.retry is Retry.NO
    assert not meaning.known
    assert CLASSIFIER.row(meaning.series) is None


def test_a_result_has_the_meaning_of_its_row() -> None:
    """A classified result carries its row's name, severity, category and retry."""
    for meaning in KNOWN:
        row = TABLES[meaning.series.table].codes[meaning.series.code]
        assert meaning.known
        assert CLASSIFIER.row(meaning.series) == row
        assert (meaning.name, meaning.severity, meaning.category, meaning.retry) == (
            row.name,
            row.severity,
            row.category,
            row.retry,
        )


@pytest.mark.parametrize(
    ("hint", "code", "expected"),
    [
        ("apns", "BadDeviceToken", ("apns", "2009", "apns")),
        ("apns", "baddevicetoken", ("apns", "2009", "apns")),
        ("IOS", "BadEnvironmentKeyInToken", ("apns", "BadEnvironmentKeyIdInToken", "apns")),
        ("apns", "ExpiredProviderToken", ("apns", "ExpiredProviderToken", "apns")),
        ("apns", "expiredprovidertoken", ("apns", "ExpiredProviderToken", "apns")),
        ("apns", "UNREGISTERED", ("apns", "2011", "apns")),
        ("fcm", "UNREGISTERED", ("fcm", "90000003", "fcm")),
        ("fcm", "NotRegistered", ("fcm", "90000003", "fcm")),
        ("fcm", "messaging/internal-error", ("fcm", "90000011", "fcm")),
        ("fcm", "internal-error", ("fcm", "90000011", "fcm")),
        ("fcm", "MismatchSenderId", ("fcm", "SENDER_ID_MISMATCH", "fcm")),
        ("fcm", "Unavailable", ("fcm", "UNAVAILABLE", "fcm")),
        ("oppo", "Service Currently Unavailable", ("oppo", "-1", "oppo")),
        ("vivo", "Acked", ("vivo", "2", "mps")),
        ("vivo", "BadDeviceToken", ("vivo", "BadDeviceToken", "")),
        ("huawei-receipts", "Acked", ("huawei-receipts", "Acked", "")),
        ("vivo-receipts", "104/2183", ("vivo-receipts", "104.2183", "vivo-receipts")),
        (None, "BadDeviceToken", ("apns", "2009", "apns")),
        (None, "Unregistered", ("apns", "2011", "apns")),
        (None, "UNREGISTERED", ("fcm", "90000003", "fcm")),
        (None, "unregistered", ("other", "unregistered", "")),
        (None, "InternalServerError", ("other", "InternalServerError", "")),
        (None, "Acked", ("mps", "2", "mps")),
        (None, "JwtExpired", ("huawei", "80200005", "huawei")),
        (None, "HttpGone", ("apns", "410", "apns")),
        (None, "Forbidden", ("other", "Forbidden", "")),
        (None, "forbidden", ("other", "forbidden", "")),
        (None, "MethodNotAllowed", ("other", "MethodNotAllowed", "")),
        (None, "TooManyRequests", ("other", "TooManyRequests", "")),
        (None, "ServiceUnavailable", ("other", "ServiceUnavailable", "")),
        (None, "PayloadTooLarge", ("other", "PayloadTooLarge", "")),
        (None, "Not Found", ("other", "Not_Found", "")),
        (None, "NOT_FOUND", ("other", "NOT_FOUND", "")),
        (None, "OK", ("other", "OK", "")),
        (None, "200", ("other", "200", "")),
        (None, "sent", ("other", "sent", "")),
        (None, "ECONNREFUSED", ("other", "ECONNREFUSED", "")),
        (None, "UnregisteredError", ("fcm", "90000003", "fcm")),
        ("apns", "Forbidden", ("apns", "2015", "apns")),
        ("apns", "Gone", ("apns", "410", "apns")),
        ("fcm", "Unauthorized", ("fcm", "401", "fcm")),
        ("fcm", "Bad Gateway", ("fcm", "502", "fcm")),
        ("vivo", "Bad Gateway", ("vivo", "Bad_Gateway", "")),
        ("apns", "200", ("apns", "2", "mps")),
        ("honor", "200", ("honor", "200", "honor")),
        ("vivo", "ok", ("vivo", "2", "mps")),
        ("vivo", "Success", ("vivo", "Success", "vivo")),
        ("huawei", "SUCCESS", ("huawei", "2", "mps")),
        ("apns", "BadDeviceTokenException", ("apns", "2009", "apns")),
        ("apns", "UnheardOfError", ("apns", "UnheardOfError", "")),
        ("fcm", "projects/p/messages/0:15%31", ("fcm", "2", "mps")),
        ("fcm", "projects/p", ("fcm", "projects_p", "")),
        (None, "projects/p/messages/1", ("other", "projects_p_messages_1", "")),
    ],
)
def test_a_name_or_alias_is_counted_under_its_rows_code(
    hint: str | None, code: str, expected: tuple[str, ...]
) -> None:
    """Names and aliases are codes; case matters only where two of them differ by it."""
    assert series(canonical_code(code) or "", hint) == expected


@pytest.mark.parametrize(
    ("hint", "code", "message", "counted"),
    [
        ("apns", "410", "Unregistered", "2011"),
        ("apns", "410", "ExpiredToken", "ExpiredToken"),
        ("apns", "410", None, "410"),
        ("apns", "410", "gone", "410"),
        ("apns", "400", "BadDeviceToken", "2009"),
        ("apns", "400", "baddevicetoken", "2009"),
        ("apns", "400", "The token is bad", "400"),
        ("apns", "400", None, "400"),
        ("apns", "400", "not a BadDeviceToken", "400"),
        ("apns", "400", "BadDeviceToken or Unregistered", "400"),
        ("apns", "500", "ok", "500"),
        ("webpush", "500", "Accepted", "500"),
        ("webpush", "500", "Created", "500"),
        ("apns", "503", "Shutdown", "2020"),
        ("apns", "200", "BadDeviceToken", "2"),
        ("apns", "600", "BadDeviceToken", "600"),
        ("apns", "418", "BadDeviceToken", "2009"),
        ("apns", "418", None, "418"),
        ("apns", "2014", "BadDeviceToken", "2014"),
        ("fcm", "404", "UNREGISTERED", "90000003"),
        ("huawei", "503", None, "503"),
        ("honor", "400", "IllegalPayload", "80100003"),
    ],
)
def test_the_message_of_an_http_status_may_be_a_name(
    hint: str, code: str, message: str | None, counted: str
) -> None:
    """Under an HTTP status from 400 to 599, a message that is a row's name or alias decides."""
    assert series(code, hint, message)[:2] == (hint, counted)


def test_an_operators_row_takes_precedence_over_the_message_of_an_http_status(
    tmp_path: Path,
) -> None:
    """The code of an operator's row decides, unless the row declares itself a bare HTTP status."""
    own = tmp_path / "own.toml"
    row = 'name = "Mine"\ndescription = "Mine."\nseverity = "error"\ncategory = "auth"\n'
    row += 'retry = "no"\naction = "Look."\n'
    own.write_text(f'channel = "apns"\n[codes.418]\n{row}')
    classifier = Classifier(load_tables([own]))
    results = [
        PushResult("418", hint="apns", message="TooManyRequests"),
        PushResult("418", message="TooManyRequests"),
    ]
    assert {tuple(classifier.classify(result).series)[:3] for result in results} == {
        ("apns", "418", "apns")
    }


@pytest.mark.parametrize(
    ("hint", "code", "message", "expected"),
    [
        ("mipush", "-1", None, ("mipush", "-1", "mps")),
        ("mipush", "-1", "anything", ("mipush", "-1", "mps")),
        ("mipush", "-1", "未知错误", ("mipush", "-1", "mipush")),
        ("mipush", "-1", "Unknown error.", ("mipush", "-1", "mipush")),
        ("mipush", "-1", "code-1未知错误, 请重试", ("mipush", "-1", "mipush")),
        ("mipush", "1", None, ("mipush", "1", "mps")),
        ("mipush", "1", "NoBindInfo", ("mipush", "1", "mps")),
        ("mipush", "1", "内部错误, retry", ("mipush", "1", "mipush")),
        ("mipush", "0", None, ("mipush", "0", "mps")),
        ("mipush", "0", "DeviceNotOnlineOrNoResponse", ("mipush", "0", "mps")),
        ("mipush", "0", "成功", ("mipush", "Success", "mipush")),
        ("vivo", "0", "请求成功", ("vivo", "Success", "vivo")),
        ("vivo", "0", "success", ("vivo", "Success", "vivo")),
        ("vivo", "0", "unsuccessful", ("vivo", "0", "mps")),
        ("oppo", "0", "Success", ("oppo", "Success", "oppo")),
        ("oppo", "0", None, ("oppo", "0", "mps")),
        ("huawei", "0", "Success", ("huawei", "0", "mps")),
        ("fcm", "INVALID_ARGUMENT", None, ("fcm", "INVALID_ARGUMENT", "fcm")),
        ("fcm", "INVALID_ARGUMENT", "Invalid JSON payload", ("fcm", "INVALID_ARGUMENT", "fcm")),
        (
            "fcm",
            "INVALID_ARGUMENT",
            "The registration token is not a valid FCM registration token",
            ("fcm", "90000002", "fcm"),
        ),
        (None, "invalid-argument", "Invalid registration token", ("fcm", "90000002", "fcm")),
        ("fcm", "PERMISSION_DENIED", "SenderId mismatch", ("fcm", "SENDER_ID_MISMATCH", "fcm")),
        ("fcm", "PERMISSION_DENIED", "senderid MISMATCH!", ("fcm", "SENDER_ID_MISMATCH", "fcm")),
        ("fcm", "PERMISSION_DENIED", "no SenderId mismatch", ("fcm", "PERMISSION_DENIED", "fcm")),
        (
            "fcm",
            "PERMISSION_DENIED",
            "isn't a SenderId mismatch",
            ("fcm", "PERMISSION_DENIED", "fcm"),
        ),
        (
            "fcm",
            "PERMISSION_DENIED",
            "SenderId mismatch: false",
            ("fcm", "PERMISSION_DENIED", "fcm"),
        ),
        ("fcm", "PERMISSION_DENIED", "SenderId mismatches", ("fcm", "PERMISSION_DENIED", "fcm")),
        ("fcm", "NOT_FOUND", "token not registered", ("fcm", "NOT_FOUND", "fcm")),
        ("fcm", "NOT_FOUND", "NOT_FOUND", ("fcm", "NOT_FOUND", "fcm")),
        ("fcm", "NOT_FOUND", "errorCode: UNREGISTERED", ("fcm", "90000003", "fcm")),
        (
            "fcm",
            "INVALID_ARGUMENT",
            "Message is too large; TTL must be a non-negative integer",
            ("fcm", "INVALID_ARGUMENT", "fcm"),
        ),
        ("vivo", "0", "not success", ("vivo", "0", "mps")),
        ("vivo", "0", "success: false", ("vivo", "0", "mps")),
        ("vivo", "0", "未成功", ("vivo", "0", "mps")),
        ("vivo", "0", "不成功", ("vivo", "0", "mps")),
        ("vivo", "0", "操作成功", ("vivo", "Success", "vivo")),
        ("wns", "410", "Domain Blocked", ("wns", "DomainBlocked", "wns")),
        (
            "sns",
            "InvalidParameter",
            "Reason: No endpoint found for the target arn specified",
            ("sns", "EndpointNotFound", "sns"),
        ),
    ],
)
def test_the_message_selects_the_meaning_of_a_code(
    hint: str | None, code: str, message: str | None, expected: tuple[str, ...]
) -> None:
    """The message selects one of several meanings; a negated text selects none."""
    assert series(code, hint, message) == expected


@pytest.mark.parametrize(
    ("hint", "sentence", "row"),
    [
        ("apns", "APNS Error: 410 - Unregistered", "2011"),
        ("apns", "One or more errors failed with errors: Unregistered", "2011"),
        ("apns", "Unregistered: None", "2011"),
        ("apns", '{"reason": "Unregistered", "timestamp": 1}', "2011"),
        ("apns", "BadDeviceToken (Unregistered before)", "2009"),
        ("apns", "not Unregistered", None),
        ("apns", "neither BadDeviceToken nor anything", None),
        ("apns", "BadDeviceToken: false", None),
        ("apns", "BadDeviceToken, then DeviceTokenNotForTopic", None),
        ("apns", "Unregistered devices were found", None),
        ("apns", "partial_Success", None),
        ("apns", "Acked: no error", None),
        ("apns", "Error 500, stream ended unexpectedly", "2021"),
        ("apns", "unexpected status 503 and no body", "503"),
        ("apns", "HTTP/2 429", "429"),
        ("apns", "410 Gone", "410"),
        ("apns", "410 tokens were sent to", "410"),
        ("apns", "sent to 410 tokens", None),
        ("apns", "status 299", None),
        ("apns", "error code 2", None),
        ("apns", "error code 2009", "2009"),
        ("apns", "connect ECONNREFUSED 17.188.0.1:443", "2025"),
        ("apns", "HTTPError: 403 Client Error", "403"),
        ("apns", "HTTPError: of some kind", "Unexplained"),
        ("fcm", "Requested entity was not found", "NOT_FOUND"),
        ("fcm", "REQUESTED ENTITY WAS NOT FOUND!", "NOT_FOUND"),
        ("fcm", "Failed: requested entity was not found.", "NOT_FOUND"),
        ("fcm", "Error: SENDER_ID_MISMATCH", "SENDER_ID_MISMATCH"),
        ("fcm", "NOT_FOUND: UNREGISTERED", "90000003"),
        ("fcm", "x.y.UnregisteredError", "90000003"),
        ("fcm", "com.google.UnregisteredException: gone", "90000003"),
        ("fcm", "SomethingUnheardOfError: what?", None),
        ("adm", "ADM authentication failed: connect ETIMEDOUT", "ConnectionError"),
        ("adm", "ADM authentication failed: invalid_client.", "AuthenticationFailed"),
        ("vivo", "鉴权失败", "10000"),
        ("vivo", "错误: 鉴权失败, 请重试", "10000"),
        ("vivo", "没有鉴权失败", None),
        ("umeng", "签名不正确", "2027"),
        ("umeng", "数据库错误", None),
        ("vivo", '{"result": 10302, "desc": "x"}', "10302"),
        ("oppo", '{"code":11,"message":"x"}', "11"),
        ("oppo", "in 11 seconds", None),
        ("mipush-receipts", "failed on 16/1", None),
    ],
)
def test_a_sentence_names_one_row(hint: str, sentence: str, row: str | None) -> None:
    """A text in place of a code counts under the one row that it names, else under its own name."""
    code = canonical_code(sentence)
    assert code
    for message in {sentence, None} if sentence.isascii() else {sentence}:
        meaning = CLASSIFIER.classify(PushResult(code, hint=hint, message=message))
        if message or row is None or not _needs_its_text(sentence):
            assert (meaning.series.code if meaning.known else None) == row, message


def _needs_its_text(sentence: str) -> bool:
    """Whether the canonical form of the sentence loses a distinction that punctuation made."""
    return sentence.startswith(("Unregistered:", "{")) or "-" in sentence


@pytest.mark.parametrize(
    ("code", "hint", "message", "row"),
    [
        ("410", "apns", "Unregistered", "2011"),
        ("PERMISSION_DENIED", "fcm", "SenderId mismatch", "SENDER_ID_MISMATCH"),
        ("10000", None, "Invalid RegistrationId", "10000"),
    ],
)
def test_a_long_message_means_what_a_short_one_does(
    code: str, hint: str | None, message: str, row: str
) -> None:
    """Text after the vendor's own text in a message changes nothing."""
    for text in (message, f"{message} " + "." * 300):
        meaning = CLASSIFIER.classify(PushResult(code, hint=hint, message=text))
        assert (meaning.known, meaning.series.code) == (True, row)


def test_a_sentence_needs_a_hint() -> None:
    """Without a hint a sentence has no channel, since any service may use it."""
    sentence = "APNS Error: 410 - Unregistered"
    code = canonical_code(sentence) or ""
    assert series(code, None, sentence) == ("other", code, "")


def test_vendors_own_success_is_accepted() -> None:
    """A vendor's own 0, known by its message, is accepted, although MPS's 0 is pending."""
    for hint in ("mipush", "oppo", "vivo"):
        own, common = (
            CLASSIFIER.classify(PushResult("0", hint=hint, message=message))
            for message in ("success", None)
        )
        assert (own.category, common.category) == (Category.ACCEPTED, Category.PENDING)


@pytest.mark.parametrize(
    ("channel", "code", "category"),
    [
        ("huawei-receipts", "0", Category.DELIVERED),
        ("huawei-receipts", "2", Category.UNREGISTERED),
        ("harmonyos-receipts", "0", Category.DELIVERED),
        ("honor-receipts", "40000007", Category.OPENED),
        ("oppo-receipts", "push_arrive", Category.DELIVERED),
        ("vivo-receipts", "0", Category.DELIVERED),
        ("mipush-receipts", "1", Category.DELIVERED),
        ("mipush-receipts", "2", Category.OPENED),
        ("meizu-receipts", "1", Category.DELIVERED),
        ("meizu-receipts", "2", Category.OPENED),
        ("getui", "10010", Category.OPENED),
    ],
)
def test_receipts_never_meet_the_common_codes(channel: str, code: str, category: Category) -> None:
    """The numbers of receipts are a space of their own."""
    meaning = CLASSIFIER.classify(PushResult(code, hint=channel))
    assert (meaning.series.table, meaning.category) == (channel, category)
    unknown = [common for common in TABLES["mps"].codes if common not in TABLES[channel].codes]
    assert unknown
    for common in unknown:
        assert series(common, channel) == (channel, common, "")


HINTLESS = [channel for channel in VENDORS if not TABLES[channel].hint_only]


def test_codes_stay_unambiguous_without_a_hint() -> None:
    """Only these codes are of several tables that take part without a hint."""
    owners = Counter(
        code
        for channel in HINTLESS
        for code, row in TABLES[channel].codes.items()
        if code not in TABLES["mps"].codes and not row.http_status
    )
    ambiguous = {code for code, times in owners.items() if times > 1}
    assert ambiguous == {"10000", "Success", "ConnectionError", "Unexplained"}


@pytest.mark.parametrize("channel", [channel for channel in TABLES if TABLES[channel].hint_only])
def test_a_table_may_need_the_hint(channel: str) -> None:
    """The codes of HarmonyOS, Honor and all receipts are not looked up without a hint."""
    assert channel not in HINTLESS
    found = {series(code)[0] for code in TABLES[channel].codes}
    assert channel not in found


def test_which_tables_need_the_hint() -> None:
    """New tables never make an old result ambiguous."""
    needing = {channel for channel, table in TABLES.items() if table.hint_only}
    assert TABLES.keys() - needing == set(CHANNELS) - {"honor", "harmonyos"}


@pytest.mark.parametrize(
    ("counted", "now"),
    [
        (Series("apns", "2009", "apns"), Series("apns", "2009", "apns")),
        (Series("vivo", "2", "mps"), Series("vivo", "2", "mps")),
        (Series("oppo", "-1", "mps"), Series("oppo", "-1", "mps")),
        (Series("oppo", "-1", "oppo"), Series("oppo", "-1", "oppo")),
        (Series("mps", "-1", "mps"), Series("mps", "-1", "mps")),
        (Series("vivo", "10302", ""), Series("vivo", "10302", "vivo")),
        (Series("vivo", "3", ""), Series("vivo", "3", "mps")),
        (Series("vivo", "4242", ""), Series("vivo", "4242", "")),
        (Series("vivo", "4242", "vivo"), Series("vivo", "4242", "")),
        (Series("vivo", "4242", "mps"), Series("vivo", "4242", "")),
        (Series("vivo", "other", ""), Series("vivo", "other", "")),
        (Series("other", "10000", ""), Series("other", "10000", "")),
        (Series("other", "2", ""), Series("other", "2", "")),
        (Series("gone", "5", "gone"), Series("gone", "5", "")),
        (Series("gone", "2", "mps"), Series("gone", "2", "")),
        (Series("fcm", "UNREGISTERED", ""), Series("fcm", "90000003", "fcm")),
        (Series("fcm", "messaging_internal-error", ""), Series("fcm", "90000011", "fcm")),
        (Series("mipush", "-1", ""), Series("mipush", "-1", "mps")),
        (Series("mipush", "0", "mps"), Series("mipush", "0", "mps")),
        (Series("mipush", "1", "mipush"), Series("mipush", "1", "mipush")),
        (Series("huawei-receipts", "2", ""), Series("huawei-receipts", "2", "huawei-receipts")),
        (Series("huawei-receipts", "2", "mps"), Series("huawei-receipts", "2", "mps")),
    ],
)
def test_a_counted_series_has_the_meaning_of_the_current_tables(
    counted: Series, now: Series
) -> None:
    """A series of the ledger keeps its channel and code, and takes its meaning from the tables."""
    meaning = CLASSIFIER.current(counted)
    assert meaning.series == now
    assert (meaning.severity is Severity.UNKNOWN) == (now.table == "")


@pytest.mark.parametrize("meaning", KNOWN, ids=lambda meaning: "/".join(meaning.series))
def test_a_known_series_keeps_its_meaning(meaning: ClassifiedResult) -> None:
    """Every series that classification produces keeps its meaning when read from the ledger."""
    assert CLASSIFIER.current(meaning.series) == meaning


def test_known_has_every_pair_that_can_arise() -> None:
    """Known pairs are every table's rows and, on every channel of sending, the common codes."""
    own = {(channel, code, channel) for channel, table in TABLES.items() for code in table.codes}
    common = {(channel, code, "mps") for channel in VENDORS for code in TABLES["mps"].codes}
    found = [tuple(meaning.series)[:3] for meaning in KNOWN]
    assert set(found) == own | common
    assert len(found) == len(set(found))


def test_no_two_known_pairs_have_the_same_labels() -> None:
    """Each known pair has its own channel, code and severity, so that `push_code_info` can join."""
    labels = [(*meaning.series[:2], meaning.severity) for meaning in KNOWN]
    assert len(labels) == len(set(labels))


def test_channels_are_the_labels_of_the_contract() -> None:
    """The label `channel` takes the channels of the tables, in reading order, and `other`."""
    assert CLASSIFIER.channels() == [*TABLES, "other"]


@pytest.mark.parametrize(
    ("code", "channels"),
    [
        ("-1", ["mps", "mipush", "oppo"]),
        ("10000", ["oppo", "vivo", "getui"]),
        ("2009", ["apns", "umeng"]),
        ("BadDeviceToken", ["apns"]),
        ("baddevicetoken", ["apns"]),
        ("UNREGISTERED", ["fcm"]),
        ("unregistered", ["apns", "fcm", "webpush", "adm"]),
        ("InternalServerError", ["apns", "fcm", "webpush", "wns", "adm"]),
        ("4242", []),
    ],
)
def test_meanings_list_the_tables_that_have_a_code(code: str, channels: list[str]) -> None:
    """A code's meanings are one for each table that has it as a code, name or alias."""
    assert [meaning.series.channel for meaning in CLASSIFIER.meanings(code)] == channels


def test_an_operators_row_takes_part(tmp_path: Path) -> None:
    """A row of the operator's makes its code known, or ambiguous if another table has it."""
    own = tmp_path / "own.toml"
    own.write_text(
        'channel = "acme"\ntitle = "Acme"\n[codes.2009]\nname = "TooHot"\n'
        'description = "Hot."\nseverity = "warning"\ncategory = "target"\nretry = "no"\n'
        'action = "Wait."\n'
    )
    classifier = Classifier(load_tables([own]))
    results = [
        PushResult("2009", hint="ACME"),
        PushResult("2009", message="too hot"),
        PushResult("2009", message="BadDeviceToken"),
        PushResult("2009"),
    ]
    found = [tuple(classifier.classify(result).series)[:3] for result in results]
    assert found == [
        ("acme", "2009", "acme"),
        ("acme", "2009", "acme"),
        ("apns", "2009", "apns"),
        ("other", "2009", ""),
    ]


def test_a_row_without_a_letter_is_in_no_message(tmp_path: Path) -> None:
    """Texts of which nothing is left to compare match no message, rather than every one."""
    own = tmp_path / "own.toml"
    own.write_text(
        'channel = "acme"\n[codes.10000]\nname = "10000"\ndescription = "!?"\nseverity = "error"\n'
        'category = "auth"\nretry = "no"\naction = "Look."\n'
    )
    classifier = Classifier(load_tables([own]))
    found = classifier.classify(PushResult("10000", message="Invalid RegistrationId"))
    assert found.series.channel == "oppo"
    assert not classifier.classify(PushResult("10000", message="10000 !?")).known


anything = st.text(st.characters(), max_size=80)
codes = st.sampled_from([meaning.series.code for meaning in KNOWN])
spellings = st.sampled_from(
    [
        canonical_code(word) or ""
        for table in TABLES.values()
        for row in table.codes.values()
        for word in (row.name, row.name.upper(), *row.aliases)
    ]
)
statuses = st.sampled_from(["400", "403", "404", "410", "413", "429", "500", "503"])
words = [word for table in TABLES.values() for word in (table.channel, *table.aliases)]
messages = st.sampled_from([row.name for table in TABLES.values() for row in table.codes.values()])
arbitrary = st.builds(
    PushResult,
    code=codes | spellings | statuses | anything,
    hint=st.none() | st.sampled_from(words) | anything,
    message=st.none() | messages | st.lists(messages, max_size=3).map(" ".join) | anything,
    ios=st.booleans(),
)


@given(arbitrary)
def test_every_result_has_a_known_channel(result: PushResult) -> None:
    """Any result at all is classified: under its own code, or under that of a row."""
    meaning = CLASSIFIER.classify(result)
    assert meaning.series.channel in CLASSIFIER.channels()
    assert meaning.known or meaning.series.code == result.code


@given(arbitrary)
def test_every_result_is_a_known_pair_or_unknown(result: PushResult) -> None:
    """A result is one of the known pairs, or severity `unknown` in no table."""
    meaning = CLASSIFIER.classify(result)
    if meaning.known:
        assert meaning in KNOWN
        assert meaning.severity is not Severity.UNKNOWN
    else:
        assert meaning == ClassifiedResult.unknown(meaning.series.channel, result.code)


@given(arbitrary)
def test_classification_is_pure(result: PushResult) -> None:
    """The same result always means the same, and a known one is the very same object."""
    first = CLASSIFIER.classify(result)
    second = CLASSIFIER.classify(result)
    other = Classifier(TABLES).classify(result)
    assert first == second == other
    assert first is second or not first.known


@given(arbitrary, st.sampled_from(words))
def test_a_code_of_the_hinted_table_is_never_unknown(result: PushResult, word: str) -> None:
    """Under a known hint, a code of that channel's table or a common one is known there."""
    channel = CLASSIFIER.channel(word)
    assert channel
    result = msgspec.structs.replace(result, hint=word)
    meaning = CLASSIFIER.classify(result)
    assert meaning.series.channel == channel
    common = TABLES[COMMON_CHANNEL].codes if TABLES[channel].common_codes else {}
    assert meaning.known or result.code not in {*TABLES[channel].codes, *common}


@pytest.mark.parametrize(
    ("result", "channel", "rules"),
    [
        (PushResult("2", hint="IOS"), "apns", ("hint", "one_row")),
        (PushResult("4242", hint="IOS"), "apns", ("hint", "one_row")),
        (PushResult("2", hint="pigeon"), "other", ("unknown_hint", "one_row")),
        (PushResult("BadDeviceToken", hint="IOS"), "apns", ("hint", "name")),
        (PushResult("BadDeviceToken"), "apns", ("only_table", "name")),
        (PushResult("Acked", ios=True), "apns", ("ios", "name")),
        (PushResult("ok", hint="IOS"), "apns", ("hint", "name")),
        (PushResult("error_BadDeviceToken", hint="IOS"), "apns", ("hint", "sentence")),
        (
            PushResult("410", hint="IOS", message="APNS Error: 410 - Unregistered"),
            "apns",
            ("hint", "http_message"),
        ),
        (PushResult("NOT_FOUND", hint="fcm", message="UNREGISTERED"), "fcm", ("hint", "message")),
        (PushResult("410", hint="IOS", message="Unregistered"), "apns", ("hint", "http_message")),
        (PushResult("410", hint="IOS"), "apns", ("hint", "one_row")),
        (PushResult("-1", hint="mipush"), "mipush", ("hint", "common_row")),
        (PushResult("2", ios=True), "apns", ("ios", "one_row")),
        (PushResult("2"), "mps", ("common_code", "one_row")),
        (PushResult("2009", hint=" "), "apns", ("only_table", "one_row")),
        (PushResult("10000", message="Invalid RegistrationId"), "oppo", ("message", "one_row")),
        (PushResult("10000"), "other", ("nothing", "one_row")),
        (PushResult("4242"), "other", ("nothing", "one_row")),
        (PushResult("-1", hint="oppo", message=WAITING), "oppo", ("hint", "message")),
        (PushResult("-1", hint="oppo", message=UNAVAILABLE), "oppo", ("hint", "message")),
        (PushResult("-1", hint="oppo"), "oppo", ("hint", "own_row")),
    ],
)
def test_a_decision_names_its_rules(
    result: PushResult, channel: str, rules: tuple[str, str]
) -> None:
    """The classifier returns the rules by which it chose the channel and the row."""
    meaning, *by = CLASSIFIER.decide(result)
    assert (meaning.series.channel, tuple(by)) == (channel, rules)
    assert meaning == CLASSIFIER.classify(result)
