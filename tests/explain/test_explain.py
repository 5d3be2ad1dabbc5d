"""Explanations of codes and payloads: as structure, and each kind as a text."""

import json
import re
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.configuration.settings import load_settings
from exporter.errors import ConfigurationError, RequestError
from exporter.explain.codes import ExplainedCode, Why, explain_code
from exporter.explain.payloads import Explanation, Payload, explain_payload
from exporter.explain.text import MAX_REJECTED, render_json, render_text
from exporter.gateways.registry import find_gateway
from tests.support.explanations import (
    CLASSIFIER,
    GATEWAYS,
    GOLDEN,
    TABLES,
    VALID,
    explained,
    explanations,
    golden,
)

KINDS = explanations()


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_each_kind(kind: str) -> None:
    """Each kind of explanation reads as its golden text; `make renderings` writes them."""
    assert render_text(KINDS[kind]) + "\n" == golden(kind).read_text("utf-8")


def test_every_golden_text_is_of_a_kind() -> None:
    """No golden text is left from a kind that no longer exists."""
    assert {*GOLDEN.iterdir()} == {golden(kind) for kind in KINDS}


def names(meanings: list[ExplainedCode]) -> list[str]:
    """Return channel, code and name of each meaning."""
    return [f"{meaning.channel} {meaning.code} {meaning.name}" for meaning in meanings]


def codes(explanation: Explanation) -> list[str]:
    """Return channel and code of each meaning."""
    return [f"{meaning.channel} {meaning.code}" for meaning in explanation.meanings]


def rejected(explanation: Explanation) -> list[tuple[int, str]]:
    """Return index and reason of each rejected item."""
    return [(item.index, item.reason) for item in explanation.rejected]


def rules(item: dict[str, object]) -> Why:
    """Explain an item; return the rules that were applied."""
    [meaning] = explained(body(item)).meanings
    assert meaning.why
    return meaning.why


def body(*items: object) -> bytes:
    """Encode one item, or several as an array."""
    return json.dumps(items[0] if len(items) == 1 else items).encode()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("2009", ["apns 2009 BadDeviceToken", "umeng 2009 AliasOrFileIdMissing"]),
        (" +2009 ", ["apns 2009 BadDeviceToken", "umeng 2009 AliasOrFileIdMissing"]),
        ("99999999", ["mps 99999999 NONE"]),
        (
            "2",
            [
                "mps 2 Acked",
                "jpush-receipts 2 ForeignRegistrationId",
                "huawei-receipts 2 AppUninstalled",
                "harmonyos-receipts 2 AppUninstalled",
                "mipush-receipts 2 Clicked",
                "meizu-receipts 2 Clicked",
            ],
        ),
        ("-2", ["oppo -2 Service in Flow Control"]),
        (
            "-1",
            [
                "mps -1 WaitingForVerify",
                "mipush -1 UnknownError",
                "oppo -1 Service Currently Unavailable",
            ],
        ),
        (
            "10000",
            [
                "oppo 10000 Invalid RegistrationId",
                "vivo 10000 PermissionAuthenticationFailed",
                "getui 10000 Displayed",
            ],
        ),
        ("BadDeviceToken", ["apns 2009 BadDeviceToken"]),
        ("messaging/registration-token-not-registered", ["fcm NOT_FOUND NOT_FOUND"]),
    ],
)
def test_a_code_alone_is_explained_wherever_it_exists(code: str, expected: list[str]) -> None:
    """Without a channel each table that has the code gives its meaning."""
    assert names(explain_code(CLASSIFIER, code)) == expected


@pytest.mark.parametrize(
    ("code", "channel", "expected"),
    [
        ("10000", "vivo", "vivo 10000 PermissionAuthenticationFailed"),
        ("10000", "OPPO", "oppo 10000 Invalid RegistrationId"),
        ("10027", "XIAOMI", "mipush 10027 AppFrequencyLimit"),
        ("10027", "miui", "mipush 10027 AppFrequencyLimit"),
        ("110", " hms ", "huawei 110 InterfaceInternalException"),
        ("-2", "oppo", "oppo -2 Service in Flow Control"),
        ("-1", "oppo", "oppo -1 Service Currently Unavailable"),
        ("-1", "ANDROID", "mps -1 WaitingForVerify"),
        ("2", "IOS", "apns 2 Acked"),
        ("2", "honor", "honor 2 Acked"),
    ],
)
def test_a_code_on_a_channel_has_one_meaning(code: str, channel: str, expected: str) -> None:
    """With a channel, by any of its names, the code's meaning there is explained."""
    assert names(explain_code(CLASSIFIER, code, channel)) == [expected]


@pytest.mark.parametrize("channel", [None, "apns"])
def test_explanation_has_every_field(channel: str | None) -> None:
    """An explanation has description, severity, category, retry, action, source and origin."""
    [meaning] = explain_code(CLASSIFIER, "2014", channel)
    row = TABLES["apns"].codes["2014"]
    assert (meaning.name, meaning.severity) == (row.name, row.severity.value)
    assert meaning.row
    fields = msgspec.structs.asdict(meaning.row)
    assert fields.pop("retry_means")
    assert fields == {
        "table": "apns",
        "description": row.description,
        "category": row.category.value,
        "retry": row.retry.value,
        "action": row.action,
        "source": row.source,
        "origin": row.origin,
    }


@pytest.mark.parametrize("channel", [channel for channel in TABLES if TABLES[channel].common_codes])
@pytest.mark.parametrize("code", ["0", "2", "99999999"])
def test_common_code_has_the_common_table(channel: str, code: str) -> None:
    """On a vendor's channel a common code is distinguished from the vendor's own."""
    [meaning] = explain_code(CLASSIFIER, code, channel)
    assert (meaning.channel, meaning.code) == (channel, code)
    assert meaning.row
    assert meaning.row.table == "mps"


def test_a_code_of_no_table_is_explained() -> None:
    """An unknown code is no error: the explanation has the severity that it is counted with."""
    assert explain_code(CLASSIFIER, "4242") == []
    [meaning] = explain_code(CLASSIFIER, "4242", "vivo")
    assert (meaning.channel, meaning.code, meaning.severity) == ("vivo", "4242", "unknown")
    assert meaning.row is None


@pytest.mark.parametrize("channel", ["pigeon", "other", "", "  ", "x" * 65])
def test_an_unknown_channel_is_an_error_that_lists_the_known(channel: str) -> None:
    """A channel that no table lists is refused by name, with those that are known."""
    with pytest.raises(ConfigurationError, match="unknown channel") as caught:
        explain_code(CLASSIFIER, "2", channel)
    assert repr(channel) in str(caught.value)
    assert [name for name in TABLES if name not in str(caught.value)] == []


def test_an_operators_channel_is_among_the_known(tmp_path: Path) -> None:
    """The list of known channels includes those of the operator's own tables."""
    own = tmp_path / "own.toml"
    own.write_text('channel = "acme"\n[codes]\n')
    with pytest.raises(ConfigurationError, match="acme"):
        explain_code(Classifier(load_tables([own])), "2", "pigeon")


@pytest.mark.parametrize("code", ["", " ", "9" * 65])
@pytest.mark.parametrize("channel", [None, "apns"])
def test_an_impossible_code_is_an_error(code: str, channel: str | None) -> None:
    """Text that cannot be a code is refused, and quoted."""
    with pytest.raises(ConfigurationError, match="is not a valid code") as caught:
        explain_code(CLASSIFIER, code, channel)
    assert repr(code) in str(caught.value)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (body({"statusCode": "2009"}), ["apns 2009"]),
        (body({"statusCode": 2, "extInfo": {"osType": "iOS"}}), ["apns 2"]),
        (body({"statusCode": "2"}), ["mps 2"]),
        (body({"statusCode": "2"}, {"statusCode": "-2"}), ["mps 2", "oppo -2"]),
        (body({"statusCode": "2", "channel": "MIUI"}), ["mipush 2"]),
        (body({"statusCode": "2", "extInfo": {"channel": "HMS"}}), ["huawei 2"]),
        (body({"channel": "vivo", "code": 10072}), ["vivo 10072"]),
        (body({"code": 2009}, {"code": "4242", "channel": "fcm"}), ["apns 2009", "fcm 4242"]),
        (body({"results": [{"code": 2009}, {"code": -2}]}), ["apns 2009", "oppo -2"]),
        (body({"code": 2009}) + b"\n" + body({"code": -2}) + b"\n", ["apns 2009", "oppo -2"]),
        (b" \n" + body({"code": 2009}) + b"\n", ["apns 2009"]),
        (body({"code": 10000, "message": "Invalid RegistrationId"}), ["oppo 10000"]),
        (body({"code": 10000}), ["other 10000"]),
        (body({"code": -1, "channel": "oppo", "message": "WaitingForVerify"}), ["oppo -1"]),
    ],
)
def test_a_payload_of_any_format_is_explained(payload: bytes, expected: list[str]) -> None:
    """Each result of a callback, object, array, envelope or NDJSON body is explained in turn."""
    assert codes(explained(payload)) == expected


@pytest.mark.parametrize(
    ("item", "rule", "hint"),
    [
        ({"code": 2009, "channel": "IOS"}, "hint", "IOS"),
        ({"code": 2009, "channel": " IOS "}, "hint", " IOS "),
        ({"code": 2009, "channel": "pigeon"}, "unknown_hint", "pigeon"),
        ({"code": 2}, "common_code", None),
        ({"statusCode": 2, "extInfo": {"osType": "ios"}}, "ios", None),
        ({"code": 2009}, "only_table", None),
        ({"code": 2009, "channel": " "}, "only_table", None),
        ({"code": 10000, "message": "Invalid RegistrationId"}, "message", None),
        ({"code": 10000}, "nothing", None),
        ({"code": 4242}, "nothing", None),
    ],
)
def test_explanation_names_the_rule_of_the_channel(
    item: dict[str, object], rule: str, hint: str | None
) -> None:
    """An explanation has the rule by which the channel was found."""
    found = rules(item)
    assert (found.channel_by, found.hint) == (rule, hint)


def test_url_channel_takes_precedence() -> None:
    """The hint of a callback's URL is used as the exporter would use it."""
    payload = body({"statusCode": "10000", "channel": "OPPO"})
    assert codes(explained(payload, "VIVO")) == ["vivo 10000"]
    assert codes(explained(payload)) == ["oppo 10000"]


@pytest.mark.parametrize(
    ("payload", "results", "expected"),
    [
        (body({"channel": "vivo"}), [], (0, "code_missing")),
        (body({"code": True}), [], (0, "code_invalid")),
        (body({"statusCode": " "}), [], (0, "code_missing")),
        (body({"code": 2}, 5), ["mps 2"], (1, "not_an_object")),
        (body({"results": [{"code": 2, "count": 0}]}), [], (0, "count_invalid")),
        (body({"code": 2}) + b"\nnonsense\n", ["mps 2"], (1, "malformed_json")),
    ],
)
def test_rejected_item_has_its_reason(
    payload: bytes, results: list[str], expected: tuple[int, str]
) -> None:
    """An invalid item is listed with its index and the reason, in addition to the results."""
    explanation = explained(payload)
    assert (codes(explanation), rejected(explanation)) == (results, [expected])


@pytest.mark.parametrize("payload", [b"[]", b'{"results": []}'])
def test_body_without_results(payload: bytes) -> None:
    """An empty list has an explanation, without results."""
    explanation = explained(payload)
    assert (codes(explanation), rejected(explanation)) == ([], [])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" \n",
        b"\xff{}",
        b'{"statusCode": ',
        b'{"statusCode": \n{"statusCode": ',
        b'["statusCode"',
        b"nonsense",
        b"null",
        b"[[[",
        b"<a>",
    ],
)
def test_a_body_that_is_not_a_payload_is_refused(payload: bytes) -> None:
    """A body in no known format is refused as malformed."""
    with pytest.raises(RequestError) as caught:
        explained(payload)
    assert caught.value.reason == "malformed_body"


def test_secrets_of_a_payload_are_not_repeated() -> None:
    """Tokens and target ids of a callback are not in its explanation."""
    payload = body(
        {
            "statusCode": "2009",
            "targetId": "target-secret",
            "extInfo": {"adToken": "token-secret", "osType": "ios"},
        }
    )
    text = render_text(explained(payload))
    assert "BadDeviceToken" in text
    assert "secret" not in text


def test_explanation_names_the_rule_of_the_row() -> None:
    """Where the channel and the common table have the code, the message decides, if it can."""
    item = {"code": -1, "channel": "oppo"}
    assert rules(item).row_by == "own_row"
    assert rules(item | {"message": "WaitingForVerify"}).row_by == "message"


@pytest.mark.parametrize(
    ("code", "channel", "alerts"),
    [
        ("2009", "apns", ["PushBadDeviceTokenSpike", "PushInvalidTokenRatioHigh"]),
        ("4242", "apns", ["PushUnknownCode"]),
        ("2", "apns", []),
    ],
)
def test_a_code_names_the_alerts_that_watch_it(code: str, channel: str, alerts: list[str]) -> None:
    """An explanation has each alert that the code can raise."""
    [meaning] = explain_code(CLASSIFIER, code, channel)
    assert [alert.name for alert in meaning.alerts] == alerts


def test_colour_is_the_only_difference() -> None:
    """Colour adds escape sequences and changes no word."""
    found = explained(body({"code": 2009}, {"code": 4242}, {}))
    explanation = msgspec.structs.replace(found, signature=VALID)
    plain, coloured = render_text(explanation), render_text(explanation, colour=True)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain != coloured


def test_json_has_all_that_the_text_has() -> None:
    """The JSON for scripts holds the same answer, field by field."""
    explanation = explained(body({"code": 2009, "channel": "IOS"}, {}))
    [meaning] = json.loads(render_json(explanation))["meanings"]
    row = meaning.pop("row")
    assert row.pop("description") == TABLES["apns"].codes["2009"].description
    assert (row["table"], row["retry"], row["origin"]) == ("apns", "no", "status-page")
    assert [alert["name"] for alert in meaning.pop("alerts")] == [
        "PushBadDeviceTokenSpike",
        "PushInvalidTokenRatioHigh",
    ]
    assert meaning == {
        "channel": "apns",
        "code": "2009",
        "name": "BadDeviceToken",
        "severity": "warning",
        "why": {
            "channel_by": "hint",
            "row_by": "one_row",
            "hint": "IOS",
            "results": 1,
            "pushes": 1,
            "app": None,
        },
    }
    rest = json.loads(render_json(explanation))
    assert (rest["source"], rest["code"], rest["signature"]) == ("results", None, None)
    assert [item["reason"] for item in rest["rejected"]] == ["code_missing"]


def test_json_over_several_lines_is_one_payload() -> None:
    """The error is about the whole document, not about its first line."""
    gateway = find_gateway("huawei-receipts", {}, load_settings(allow_unsigned=True))
    text = json.dumps({"nothing": "of it"}, indent=2).encode()
    with pytest.raises(RequestError, match="'statuses'"):
        explain_payload(CLASSIFIER, {gateway.name: gateway}, [Payload(text)])


def test_trace_of_empty_values(tmp_path: Path) -> None:
    """The trace of an item tells an empty value from an absent one."""
    file = tmp_path / "acme.toml"
    file.write_text('[content]\nformat = "ndjson"\n[fields]\ncode = "code"\n')
    gateway = find_gateway(str(file), {}, load_settings(allow_unsigned=True))
    body = b'{"code": ""}\n{}\n{"code": "200"}'
    items = explain_payload(CLASSIFIER, {gateway.name: gateway}, [Payload(body)]).items
    values = [{found.field: found.value for found in item.found} for item in items]
    assert [value["code"] for value in values] == ["empty", "absent", "'200'"]


def test_captured_lines_are_explained_together() -> None:
    """A file for `replay`, of callbacks, results and other lines, is explained line by line."""
    callback, result = body({"statusCode": "2009"}), body({"code": 10072})
    lines = [callback, callback, b'{"statusCode": ', b"", result, body({"code": True})]
    explanation = explained(b"\n".join(lines))
    assert [
        (meaning.channel, meaning.why and meaning.why.results) for meaning in explanation.meanings
    ] == [
        ("apns", 2),
        ("vivo", 1),
    ]
    assert [(item.index, item.reason) for item in explanation.rejected] == [
        (2, "malformed_body"),
        (4, "code_invalid"),
    ]


def test_payloads_are_read_by_their_gateways() -> None:
    """A body that came through a gateway is read as that gateway does, with the URL's hint."""
    payloads = [
        Payload(body({"statusCode": "10000"}), "mps", "VIVO"),
        Payload(body({"code": 2009}), "results"),
        Payload(b"{", "mps"),
    ]
    explanation = explain_payload(CLASSIFIER, GATEWAYS, payloads)
    assert codes(explanation) == ["vivo 10000", "apns 2009"]
    assert rejected(explanation) == [(2, "malformed_body")]


def test_identical_results_are_explained_once() -> None:
    """Identical results have one explanation, with their number and that of their pushes."""
    items = [{"code": 2009}, {"code": 2009, "id": "a"}, {"code": 2009, "count": 40}]
    for number, pushes in ((2, 2), (3, 42)):
        [meaning] = explained(body(*items[:number])).meanings
        assert meaning.why
        assert (meaning.why.results, meaning.why.pushes) == (number, pushes)


def test_a_long_list_of_rejections_is_cut() -> None:
    """The text lists the first rejected items and counts the rest."""
    explanation = explained(body(*[{}] * 250))
    assert len(explanation.rejected) == 250
    *listed, last = render_text(explanation).split("\n\n")
    assert len(listed) == MAX_REJECTED
    assert re.findall(r"\d+", last) == [str(250 - MAX_REJECTED)]


def test_a_hint_may_be_a_token() -> None:
    """The sender's word for a channel is not repeated if it may be a token."""
    token = "0123456789abcdef" * 2
    assert token not in str(rules({"code": 2, "channel": token}).hint)


fields = st.dictionaries(
    st.sampled_from(
        ["statusCode", "code", "channel", "message", "count", "id", "extInfo", "record"]
    ),
    st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["IOS", "-1", "10000"]),
)
pieces = st.binary(max_size=20) | st.lists(fields | st.integers()).map(lambda x: body(*x, {}))


@given(st.lists(pieces | fields.map(body), max_size=4).map(b"\n".join))
def test_any_payload_is_explained_or_refused(payload: bytes) -> None:
    """Any bytes are explained as text and as JSON, or refused."""
    with suppress(RequestError):
        explanation = explained(payload)
        assert render_text(explanation)
        assert json.loads(render_json(explanation))["code"] is None


def test_a_gateway_is_found_by_its_name() -> None:
    """A name of a gateway that is there comes first; the generic format claims no body itself."""
    settings = load_settings(allow_unsigned=True)
    for name, gateway in GATEWAYS.items():
        assert find_gateway(name, GATEWAYS, settings) is gateway
    assert not GATEWAYS["results"].recognizes(b'{"code": 2}')
