"""Codes and payloads in words."""

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.configuration.settings import load_settings
from exporter.errors import ConfigurationError, RequestError
from exporter.explain import codes as explain
from exporter.explain import payloads as trace
from exporter.explain.payloads import Explanation, Payload, SignatureCheck
from exporter.explain.text import render_json, render_text
from exporter.gateways.registry import find_gateway
from exporter.results import canonical_code
from tests.support.gateways import unsigned_gateways

GATEWAYS = unsigned_gateways()
TABLES = load_tables()
CLASSIFIER = Classifier(TABLES)


def explain_code(classifier: Classifier, code: str, channel: str | None = None) -> str:
    """Explain a code as a person reads it."""
    meanings = explain.explain_code(classifier, code, channel)
    return render_text(Explanation(meanings, code=canonical_code(code)))


def explained(
    payload: bytes, channel: str | None = None, signature: SignatureCheck | None = None
) -> Explanation:
    """Explain a payload."""
    return trace.explain_payload(CLASSIFIER, GATEWAYS, [Payload(payload, None, channel)], signature)


def explain_payload(payload: bytes, channel: str | None = None) -> str:
    """Explain a payload as a person reads it."""
    return render_text(explained(payload, channel))


def heads(text: str) -> list[str]:
    """Give the first line of each part."""
    return [part.splitlines()[0] for part in text.split("\n\n")]


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
    assert heads(explain_code(CLASSIFIER, code)) == expected


@pytest.mark.parametrize(
    ("code", "channel", "head"),
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
def test_a_code_on_a_channel_has_one_meaning(code: str, channel: str, head: str) -> None:
    """With a channel, by any of its names, the code's meaning there is explained."""
    (found,) = heads(explain_code(CLASSIFIER, code, channel))
    assert found == head


@pytest.mark.parametrize("channel", [None, "apns"])
def test_explanation_has_every_field(channel: str | None) -> None:
    """An explanation has description, severity, category, retry, action, source and origin."""
    text = explain_code(CLASSIFIER, "2014", channel)
    row = TABLES["apns"].codes["2014"]
    parts = (row.name, row.description, row.severity, row.category, row.action, row.source)
    assert [part for part in (*parts, row.origin, "does not help") if part not in text] == []


@pytest.mark.parametrize("channel", [one for one in TABLES if TABLES[one].common_codes])
@pytest.mark.parametrize("code", ["0", "2", "99999999"])
def test_common_code_is_named_as_such(channel: str, code: str) -> None:
    """On a vendor's channel a common code is distinguished from the vendor's own."""
    text = explain_code(CLASSIFIER, code, channel)
    assert text.startswith(f"{channel} {code} ")
    assert ("common code" in text) == (channel != "mps")


def test_a_code_of_no_table_is_explained() -> None:
    """An unknown code is no error: the explanation has how it is counted."""
    assert explain_code(CLASSIFIER, "4242") == "4242: no table has this code."
    text = explain_code(CLASSIFIER, "4242", "vivo")
    assert text.startswith("vivo 4242 ")
    assert "severity unknown" in text


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
def test_what_cannot_be_a_code_is_an_error(code: str, channel: str | None) -> None:
    """Text that is no code is refused by name."""
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
    parts = explain_payload(payload).split("\n\n")
    assert [" ".join(part.splitlines()[1].split()[:2]) for part in parts] == expected
    assert all(
        part.startswith(f"Channel {code.split()[0]}, ")
        for part, code in zip(parts, expected, strict=True)
    )


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"code": 2009, "channel": "IOS"}, "the hint 'IOS'"),
        ({"code": 2009, "channel": " IOS "}, "the hint ' IOS '"),
        ({"code": 2009, "channel": "pigeon"}, "by the unknown hint 'pigeon'"),
        ({"code": 2}, "no hint; a common code"),
        ({"statusCode": 2, "extInfo": {"osType": "ios"}}, "from an iOS device"),
        ({"code": 2009}, "only this table has the code"),
        ({"code": 2009, "channel": " "}, "only this table has the code"),
        (
            {"code": 10000, "message": "Invalid RegistrationId"},
            "the message matches only this table",
        ),
        ({"code": 10000}, "several tables (or none) have this code"),
        ({"code": 4242}, "several tables (or none) have this code"),
    ],
)
def test_explanation_names_the_rule_of_the_channel(item: dict[str, object], why: str) -> None:
    """The first line of each part gives the rule by which the channel was found."""
    assert why in explain_payload(body(item)).splitlines()[0]


def test_url_channel_takes_precedence() -> None:
    """The hint of a callback's URL is used as the exporter would use it."""
    payload = body({"statusCode": "10000", "channel": "OPPO"})
    assert explain_payload(payload, "VIVO").startswith("Channel vivo,")
    assert explain_payload(payload).startswith("Channel oppo,")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (body({"channel": "vivo"}), ["item 0 is rejected: code_missing"]),
        (body({"code": True}), ["item 0 is rejected: code_invalid"]),
        (body({"statusCode": " "}), ["item 0 is rejected: code_missing"]),
        (body({"code": 2}, 5), ["Channel mps", "item 1 is rejected: not_an_object"]),
        (body({"results": [{"code": 2, "count": 0}]}), ["item 0 is rejected: count_invalid"]),
        (body({"code": 2}) + b"\nnonsense\n", ["Channel mps", "item 1 is rejected: malformed"]),
    ],
)
def test_rejected_item_names_its_reason(payload: bytes, expected: list[str]) -> None:
    """An item that is not a result is named by its position and the reason, after the good ones."""
    lines = heads(explain_payload(payload))
    assert len(lines) == len(expected)
    assert all(line.startswith(start) for line, start in zip(lines, expected, strict=True))


@pytest.mark.parametrize("payload", [b"", b" \n", b"[]", b'{"results": []}'])
def test_body_without_results(payload: bytes) -> None:
    """A body that holds nothing gets a sentence, not silence."""
    assert explain_payload(payload) == "The body contains no results."


@pytest.mark.parametrize(
    "payload",
    [
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
def test_what_is_no_payload_is_refused(payload: bytes) -> None:
    """A body in neither format is refused as malformed."""
    with pytest.raises(RequestError) as caught:
        explain_payload(payload)
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
    text = explain_payload(payload)
    assert "BadDeviceToken" in text
    assert "secret" not in text


def test_explanation_names_the_rule_of_the_row() -> None:
    """Where a channel has a row of its own and a common one, the first line says how it chose."""
    own = {"code": -1, "channel": "oppo"}
    assert "the message matches neither" in explain_payload(body(own)).splitlines()[0]
    said = explain_payload(body(own | {"message": "WaitingForVerify"}))
    assert "the message matches this row" in said.splitlines()[0]


@pytest.mark.parametrize(
    ("code", "channel", "alerts"),
    [
        ("2009", "apns", ["PushBadDeviceTokenSpike", "PushInvalidTokenRatioHigh"]),
        ("4242", "apns", ["PushUnknownCode"]),
        ("2", "apns", []),
    ],
)
def test_a_code_names_the_alerts_that_watch_it(code: str, channel: str, alerts: list[str]) -> None:
    """Each alert that a code can raise is a line with the address of its runbook's page."""
    lines = explain_code(CLASSIFIER, code, channel).splitlines()
    explanation = [line for line in lines if line.startswith("  Alert: ")]
    assert [line.split()[1].rstrip(",") for line in explanation] == alerts
    assert all(
        line.endswith(f"/runbooks/{name}") for line, name in zip(explanation, alerts, strict=True)
    )


def test_colour_is_the_only_difference() -> None:
    """In colour the words are the same, and without it there is no escape sequence."""
    explanation = explained(
        body({"code": 2009}, {"code": 4242}, {}), signature=SignatureCheck(True, "")
    )
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
    assert [one["reason"] for one in rest["rejected"]] == ["code_missing"]


def test_json_over_several_lines_is_one_payload() -> None:
    """What is wrong with it is that of the whole, not of its first line."""
    one = find_gateway("huawei-receipts", {}, load_settings(allow_unsigned=True))
    text = json.dumps({"nothing": "of it"}, indent=2).encode()
    with pytest.raises(RequestError, match="'statuses'"):
        trace.explain_payload(CLASSIFIER, {one.name: one}, [Payload(text)])


def test_captured_lines_are_explained_together() -> None:
    """A file for `replay`, of callbacks, results and other lines, is explained line by line."""
    callback, result = body({"statusCode": "2009"}), body({"code": 10072})
    lines = [callback, callback, b'{"statusCode": ', b"", result, body({"code": True})]
    explanation = explained(b"\n".join(lines))
    assert [(one.channel, one.why and one.why.results) for one in explanation.meanings] == [
        ("apns", 2),
        ("vivo", 1),
    ]
    assert [(one.index, one.reason) for one in explanation.rejected] == [
        (2, "malformed_body"),
        (4, "code_invalid"),
    ]


def test_payloads_say_how_they_came() -> None:
    """A body that came through a gateway is read as that gateway does, with the URL's hint."""
    payloads = [
        Payload(body({"statusCode": "10000"}), "mps", "VIVO"),
        Payload(body({"code": 2009}), "results"),
        Payload(b"{", "mps"),
    ]
    explanation = trace.explain_payload(CLASSIFIER, GATEWAYS, payloads)
    assert [line[:12] for line in heads(render_text(explanation))] == [
        "Channel vivo",
        "Channel apns",
        "item 2 is re",
    ]


def test_identical_results_are_explained_once() -> None:
    """Identical results are one part, with their number and that of their pushes."""
    items = [{"code": 2009}, {"code": 2009, "id": "a"}, {"code": 2009, "count": 40}]
    assert heads(explain_payload(body(*items[:2]))) == [
        "Channel apns, no hint; only this table has the code (2 results)."
    ]
    assert heads(explain_payload(body(*items))) == [
        "Channel apns, no hint; only this table has the code (3 results for 42 pushes)."
    ]


def test_a_long_list_of_rejections_is_cut() -> None:
    """A hundred rejected items are listed and the rest is counted."""
    parts = explain_payload(body(*[{}] * 250)).split("\n\n")
    assert len(parts) == 101
    assert parts[-1] == "and 150 more rejected items"


def test_a_hint_may_be_a_token() -> None:
    """What a sender wrote for a channel is not repeated if it may be a token."""
    assert "0123456789abcdef" not in explain_payload(
        body({"code": 2, "channel": "0123456789abcdef" * 2})
    )


fields = st.dictionaries(
    st.sampled_from(
        ["statusCode", "code", "channel", "message", "count", "id", "extInfo", "record"]
    ),
    st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["IOS", "-1", "10000"]),
)
pieces = st.binary(max_size=20) | st.lists(fields | st.integers()).map(lambda x: body(*x, {}))


@given(st.lists(pieces | fields.map(body), max_size=4).map(b"\n".join))
def test_any_payload_is_explained_or_refused(payload: bytes) -> None:
    """Whatever the bytes, there is an answer in both forms or a refusal, and nothing else."""
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
