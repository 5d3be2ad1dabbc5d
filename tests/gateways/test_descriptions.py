"""Descriptions: loading, errors, fields, bounds."""

import gzip
import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.commands.main import main
from exporter.configuration.settings import load_settings
from exporter.errors import ConfigurationError, ItemReason, RequestError
from exporter.explain.payloads import Payload, explain_payload
from exporter.explain.text import render_json, render_text
from exporter.gateways.described.files import shipped
from exporter.gateways.described.values import MAX_PATHS
from exporter.gateways.gateway import Credential, Gateway, ReceivedRequest
from exporter.gateways.items import MAX_REJECTED
from exporter.gateways.registry import channels_of, find_gateway, load_gateways
from exporter.gateways.steps import ITEMS_PER_STEP
from exporter.results import DecodedItems
from exporter.runtime.snapshot import load_snapshot
from tests.support.gateways import decoded
from tests.support.senders import RECIPES, hmac

SECRET = "the-secret-of-the-descriptions"
"""No base64, and long enough."""

CODE = '[fields]\ncode = "code"\n'
HMAC = '[auth]\nscheme = "hmac"\nsecrets = ["secret"]\nsignature = "{header:X}"\n'


def load(folder: Path, text: str, name: str = "acme") -> Gateway:
    """Write a description and load it."""
    (folder / "secret").write_text(f"{SECRET}\n")
    file = folder / f"{name}.toml"
    file.write_text(text, "utf-8")
    found = load_gateways(load_settings(gateway_files=[file]))
    return found[name]


def decode(gateway: Gateway, value: Any) -> DecodedItems:
    """Decode a JSON value."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return decoded(gateway, ReceivedRequest(body))


MISTAKES = {
    "unknown-key": (f'titel = "x"\n{CODE}', "titel: unknown key; did you mean 'title'?"),
    "unknown-field": ('[fields]\ncod = "x"', "fields.cod: unknown key; did you mean 'code'?"),
    "unknown-key-of-value": ('[fields]\ncode = { jion = ["x"] }', "did you mean 'join'?"),
    "unknown-scheme": (
        f'[auth]\nscheme = "hmca"\n{CODE}',
        "auth: unknown scheme 'hmca'; known are",
    ),
    "no-scheme": (f'[auth]\nsecrets = ["secret"]\n{CODE}', "auth: the key 'scheme' is missing"),
    "unknown-digest": (
        f'{HMAC.replace("hmac", "digest")}signed = "{{secret}}"\nhash = "sha3"\n{CODE}',
        "'sha3'; known are blake2b",
    ),
    "impossible-code": (f'{CODE}[default]\ncode = "{"9" * 65}"\n', "is not a valid code"),
    "no-code": ('[fields]\nid = "x"', "fields.code"),
    "path-without-a-name": ('[fields]\ncode = "a..b"', "fields.code: invalid path 'a..b' at '..b'"),
    "path-that-is-a-number": ("[fields]\ncode = 5", "fields.code: a path: expected a string"),
    "path-with-a-filter": (
        '[fields]\ncode = "a[?x]"',
        "fields.code: invalid path 'a[?x]' at '[?x]'",
    ),
    "path-with-a-star": ('[fields]\ncode = "a.*"', "only items.path may have '*'"),
    "star-within": (f'[items]\npath = "*.a"\n{CODE}', "items.path"),
    "path-too-long": (f'[fields]\ncode = "{".".join("a" * 17)}"', "more than 16 steps"),
    "too-many-paths": (f"[fields]\ncode = {['x'] * (MAX_PATHS + 1)}", "1 to 8 paths"),
    "too-many-paths-in-all": (
        "[fields]\n"
        + "\n".join(f"{name} = {['x'] * 7}" for name in ("code", "id", "message", "channel")),
        "fields: 28 paths",
    ),
    "unknown-slot": (
        f'{HMAC}signed = "{{hedaer:X}}"\n{CODE}',
        "auth.signed: unknown slot {hedaer:X}",
    ),
    "slot-with-a-bad-path": (f'{HMAC}signed = "{{body:a..b}}"\n{CODE}', "auth.signed"),
    "slot-with-an-index-first": (
        f'{HMAC}signed = "{{body:[0].sign}}"\n{CODE}',
        "auth.signed: {body:[0].sign}: the path starts with a name",
    ),
    "brace": (f'{HMAC}signed = "{{body"\n{CODE}', "auth.signed"),
    "part-of-no-header": (f'{HMAC}signed = "{{part:x}}"\n{CODE}', "'header' and 'parts'"),
    "no-signature": (f'[auth]\nscheme = "hmac"\n{CODE}', "auth.signature: Field required"),
    "key-of-another-scheme": (
        f'[auth]\nscheme = "bearer"\nhash = "md5"\n{CODE}',
        "auth.hash: unknown key",
    ),
    "weak-hmac": (f'{HMAC}hash = "md5"\n{CODE}', "auth.hash: Input should be 'sha256'"),
    "field-of-json": (f'[content]\nfield = "data"\n{CODE}', "'field' requires format"),
    "unknown-use": (f'use = "huawei"\n{CODE}', "use: unknown description 'huawei'"),
    "bad-channel": (f'channel = "A B"\n{CODE}', "acme.toml: channel or map.channel: 'A B'"),
    "digest-without-a-secret": (
        f'{HMAC.replace("hmac", "digest")}signed = "{{body}}"\n{CODE}',
        "signed: without {secret}",
    ),
    "name-of-no-header": (
        f'[auth]\nscheme = "header"\nname = "X Y"\n{CODE}',
        "'X Y' is not a valid header name",
    ),
    "slot-of-no-header": (f'{HMAC}signed = "{{header:X Y}}"\n{CODE}', "auth.signed: 'X Y'"),
    "text-for-a-list": (
        f'[require]\nquery = {{ a = "b" }}\n{CODE}',
        "require.query.a: Input should be an array",
    ),
    "text-for-a-list-of-a-path": (
        f'[items]\nonly = {{ "a.b" = "c" }}\n{CODE}',
        "items.only: a.b: Input should be an array",
    ),
    "no-toml": ("title = ", "acme.toml"),
    "missing-secret": (
        HMAC.replace('["secret"]', '["gone"]') + CODE,
        "acme.toml: auth.secrets: secret file",
    ),
    "answer-too-long": (f'answer = "{"x" * 1001}"\n{CODE}', "answer"),
    "bad-count": ('[fields]\ncode = "c"\ncount = { size = "a", separator = 1 }', "fields.count"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_named_by_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    """The error for an invalid description names the file and the key."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    file = tmp_path / "acme.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_snapshot(load_settings(gateway_files=[file]))
    assert message in str(caught.value)
    assert file.name in str(caught.value)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("vivo-receipts", 'write a file with use = "vivo-receipts" and its secrets'),
        ("vivo-receipts.toml", 'write a file with use = "vivo-receipts" and its secrets'),
        ("no-such-receipts", "No such file"),
        ("nowhere/vivo-receipts.toml", "No such file"),
    ],
)
def test_shipped_description_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, message: str
) -> None:
    """The error for a shipped description's name in place of a file says how to use it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        load_snapshot(load_settings(gateway_files=[Path(file)]))
    assert message in str(caught.value)


def test_file_may_have_the_name_of_a_shipped_description(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is read by its own name, and a mistake in it is reported as such."""
    monkeypatch.chdir(tmp_path)
    Path("vivo-receipts.toml").write_text("title = ")
    with pytest.raises(ConfigurationError, match=r"vivo-receipts\.toml: Invalid value"):
        load_snapshot(load_settings(gateway_files=[Path("vivo-receipts.toml")]))


@pytest.mark.parametrize("name", ["mps", "results", "unknown", "A", "a b", "x" * 33])
def test_name_of_a_file_is_a_path(tmp_path: Path, name: str) -> None:
    """A gateway's name makes a path and a label, and is not another gateway's."""
    with pytest.raises(ConfigurationError, match=r"name"):
        load(tmp_path, CODE, name)


def test_byte_order_mark_and_comments_are_skipped(tmp_path: Path) -> None:
    """A description may begin with a byte order mark."""
    assert load(tmp_path, "\ufeff# mine\n" + CODE).title == "acme"


@pytest.mark.parametrize("name", shipped())
def test_use_goes_key_by_key(tmp_path: Path, name: str) -> None:
    """Keys next to `use` replace single keys, and another scheme replaces the whole of [auth]."""
    bearer = '[auth]\nscheme = "bearer"\nsecrets = ["secret"]\n'
    ours = load(tmp_path, f'use = "{name}"\nchannel = "mine"\n{bearer}[map.code]\n0 = "zero"\n')
    assert ours.channels == {"mine"}
    token = ReceivedRequest(b"", {"Authorization": f"Bearer {SECRET}"})
    assert ours.authenticate(token).proven


READINGS: dict[str, tuple[str, Any, list[tuple[str, str | None, int]], list[str]]] = {
    "first-that-is-there": (
        'code = ["a", "b.c", "d"]',
        [{"a": None, "b": {"c": 5}}, {"b": [], "d": "x"}, {"a": 0, "d": 1}],
        [("5", None, 1), ("x", None, 1), ("0", None, 1)],
        [],
    ),
    "four-ways-to-be-no-code": (
        'code = "a.b"',
        [{}, {"a": {}}, {"a": {"b": None}}, {"a": {"b": []}}, {"a": {"b": True}}, 5],
        [],
        ["code_missing", "code_missing", "code_null", "code_invalid", "code_invalid",
         "not_an_object"],
    ),
    "joined": (
        'code = { join = ["a", "b"], with = "." }',
        [{"a": 1, "b": "x"}, {"a": 1}, {"b": "x"}, {"a": {}, "b": 1}, {}],
        [("1.x", None, 1), ("1", None, 1), ("x", None, 1)],
        ["code_invalid", "code_missing"],
    ),
    "index-and-quoted-name": (
        'code = "a[1].\\"b.c\\""',
        [{"a": [0, {"b.c": 7}]}, {"a": [0]}, {"a": 5}],
        [("7", None, 1)],
        ["code_missing", "code_missing"],
    ),
    "several-paths-of-one-array": (
        'code = ["l[1].a", "l[0].a", "m.l[0]"]\nchannel = "l[0].c"',
        [{"l": [{"a": 1, "c": "x"}]}, {"l": [{"a": 2}, {"a": 3}]}, {"l": {}, "m": {"l": [4]}},
         {"l": [], "m": {"l": 5}}],
        [("1", "x", 1), ("3", None, 1), ("4", None, 1)],
        ["code_missing"],
    ),
    "an-array-and-its-first-element": (
        'code = ["c", "c[0]", "o.c", "o"]',
        [{"c": 1}, {"c": [2]}, {"o": {"c": 3}}, {"o": 4}, {}],
        [("1", None, 1), ("2", None, 1), ("3", None, 1), ("4", None, 1)],
        ["code_missing"],
    ),
    "mapped": (
        """code = "a"
channel = "c"
[map]
code = { 1 = "one", true = "yes", "*other" = "rest" }
channel = { 3 = "three", "*missing" = "none", "*other" = "unlisted" }""",
        [{"a": "1", "c": 3}, {"a": True}, {"a": 9, "c": "x"}],
        [("one", "three", 1), ("yes", "none", 1), ("rest", "unlisted", 1)],
        [],
    ),
    "mapped-as-written": (
        'code = "a"\n[map.code]\n"成功" = "200"\n"a b" = "x"\n1 = "one"\n"1.0" = "two"',
        [{"a": "成功"}, {"a": "未注册"}, {"a": " a b"}, {"a": "a/b"},
         {"a": "01"}, {"a": 1.0}, {"a": "1.0"}, {"a": [5]}],
        [("5", None, 1), ("200", None, 1), ("_", None, 1), ("x", None, 1), ("a_b", None, 1),
         ("one", None, 1), ("two", None, 1)],
        [],
    ),
    "yields-to-the-next-path": (
        'code = ["ok", "error.code"]\n[map.code]\ntrue = "2"\nfalse = ""',
        [{"ok": False, "error": {"code": "UNAVAILABLE"}}, {"ok": True}, {"ok": False}],
        [("UNAVAILABLE", None, 1), ("2", None, 1)],
        ["code_invalid"],
    ),
    "default": ('code = "a"\n[default]\ncode = 0', [{}, {"a": 1}], [("0", None, 1),
                                                                   ("1", None, 1)], []),
    "counted": (
        'code = "a"\ncount = "n"',
        [{"a": 1, "n": 3}, {"a": 1, "n": "4"}, {"a": 1}, {"a": 1, "n": 0}, {"a": 1, "n": "x"}],
        [("1", None, 3), ("1", None, 4), ("1", None, 1)],
        ["count_invalid", "count_invalid"],
    ),
    "sized": (
        'code = "a"\ncount = { size = "n", separator = "," }',
        [{"a": 1, "n": ["x", "y"]}, {"a": 1, "n": "x, y,z,"}, {"a": 1, "n": []}, {"a": 1, "n": 2}],
        [("1", None, 2), ("1", None, 3)],
        ["count_invalid", "count_invalid"],
    ),
    "sized-text-of-json": (
        'code = "a"\ncount = { size = "n", separator = ";" }',
        [{"a": 1, "n": '["x", "y"]'}, {"a": 1, "n": "[x;y;z]"}, {"a": 1, "n": ""}],
        [("1", None, 2), ("1", None, 3), ("1", None, 1)],
        [],
    ),
    "sized-by-a-space": (
        'code = "a"\ncount = { size = "n", separator = " " }',
        [{"a": 1, "n": " x  y z "}],
        [("1", None, 3)],
        [],
    ),
    "sized-by-lines": (
        'code = "a"\ncount = { size = "n", separator = "\\n" }',
        [{"a": 1, "n": "x y\n\n \n z\n"}],
        [("1", None, 2)],
        [],
    ),
    "sized-behind-an-index": (
        'code = "a"\ncount = { size = "l[0].n" }',
        [{"a": 1, "l": [{"n": [1, 2]}]}, {"a": 1, "l": []}, {"a": 1, "l": [{"n": "text"}]},
         {"a": True, "l": [{"n": [1]}]}],
        [("1", None, 2), ("1", None, 1)],
        ["count_invalid", "code_invalid"],
    ),
    "texts": (
        'code = "a"\nchannel = "c"\nmessage = "m"\nid = "i"',
        [{"a": 1, "c": []}, {"a": 1, "m": {}}, {"a": 1, "i": 1.5}, {"a": 1, "c": "", "m": 5}],
        [("1", None, 1)],
        ["channel_invalid", "message_invalid", "id_invalid"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "items", "results", "rejected"), READINGS.values(), ids=READINGS)
def test_fields(
    tmp_path: Path,
    text: str,
    items: list[Any],
    results: list[tuple[str, str | None, int]],
    rejected: list[str],
) -> None:
    """Fields are read alike in a batch and in a single item."""
    gateway = load(tmp_path, f"[fields]\n{text}\n")
    batch = decode(gateway, items)
    found = [(group.result.code, group.result.hint, group.count) for group in batch.groups]
    assert sorted(map(repr, found)) == sorted(map(repr, results))
    assert [item.reason.value for item in batch.rejected] == rejected
    for item in [item for item in items if isinstance(item, dict)]:
        assert decode(gateway, item).rejected == decode(gateway, [item]).rejected


def test_key_of_an_item_may_list_devices(tmp_path: Path) -> None:
    """A count is also the number of values in the item's key."""
    size = '[fields]\ncode = "c"\ncount = { size = "@key", separator = "," }\n'
    gateway = load(tmp_path, f'[items]\npath = "*"\n{size}')
    counts = [group.count for group in decode(gateway, {"a,b": {"c": 1}, "d": {"c": 2}}).groups]
    assert counts == [2, 1]


def test_other_items_are_skipped(tmp_path: Path) -> None:
    """`only` compares as text: numbers and booleans, too."""
    only = '[items]\npath = "x.y"\nonly = { kind = ["push", 2, true] }\n'
    gateway = load(tmp_path, only + CODE)
    kinds = ["push", 2, True, "mail", None, [], "2"]
    batch = decode(gateway, {"x": {"y": [{"code": 1, "kind": kind} for kind in kinds]}})
    assert (sum(group.items for group in batch.groups), batch.skipped) == (4, 3)


@pytest.mark.parametrize("value", [{"a": 1}, 1.5, "x" * 300])
def test_fields_of_other_items_do_not_matter(tmp_path: Path, value: Any) -> None:
    """A skipped item may have an invalid id; other items are rejected for it."""
    only = '[items]\nonly = { kind = ["push"] }\n[fields]\ncode = "c"\nid = "i"\n'
    gateway = load(tmp_path, only)
    items = [{"kind": "mail", "i": value}, {"kind": "push", "c": 1, "i": value}]
    batch = decode(gateway, items)
    assert (batch.groups, batch.skipped) == ([], 1)
    assert [(item.index, item.reason) for item in batch.rejected] == [(1, "id_invalid")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "it has no 'x'"),
        ({"x": {}}, "it has no 'x.y'"),
        ({"x": None}, "'x' is null"),
        ({"x": {"y": 5}}, "neither an array nor an object"),
        (b"data=1", "malformed"),
    ],
)
def test_body_without_its_items(tmp_path: Path, body: Any, message: str) -> None:
    """The error names the end of the path to the items."""
    gateway = load(tmp_path, f'[items]\npath = "x.y"\n{CODE}')
    with pytest.raises(RequestError) as caught:
        decode(gateway, body)
    assert caught.value.reason == "malformed_body"
    assert message in caught.value.detail


def test_several_values_identify_an_item(tmp_path: Path) -> None:
    """`dedupe` identifies an item by values of any type, and shows none of them."""
    text = '[fields]\ncode = "c"\nid = "i"\ndedupe = ["t", "n.x"]\n'
    gateway = load(tmp_path, text)
    values: list[Any] = ["a", "b", ["p", "q"], ["p", "r"], {"k": 1}, True, 1, 10**30, None]
    batch = decode(gateway, [{"c": 1, "i": "m", "t": value} for value in values])
    [group] = batch.groups
    assert len(set(group.ids)) == len(values) - 1
    assert group.anonymous == 1  # nothing to tell it by
    assert all(isinstance(key, bytes) for key in group.ids)
    assert group.exemplar == "m"
    assert decode(gateway, [{"c": 1, "t": value} for value in values]).groups[0].exemplar is None


@pytest.mark.parametrize("identity", ['["a", "b"]', '{ join = ["a", "b"] }'])
def test_all_values_identify_an_item(identity: str, tmp_path: Path) -> None:
    """`dedupe` is all of its values, though the id is the first of the same, or their join."""
    fields = f'[fields]\ncode = "c"\nid = {identity}\ndedupe = ["a", "b"]\n'
    items = [{"c": 1, "a": a, "b": b} for a, b in (("x", "yz"), ("x", "z"), ("xy", "z"))]
    [group] = decode(load(tmp_path, fields), items).groups
    assert len(set(group.ids)) == 3


def test_text_of_a_code_is_its_message(tmp_path: Path) -> None:
    """A sentence in place of a code is the message of the result, unless it is mapped."""
    gateway = load(tmp_path, '[fields]\ncode = "c"\n[map.code]\n"all well" = "2"\n')
    items = [{"c": text} for text in ("all well", "not so well", "FINE")]
    results = [group.result for group in decode(gateway, items).groups]
    assert [(result.code, result.message) for result in results] == [
        ("2", None),
        ("not_so_well", "not so well"),
        ("FINE", None),
    ]


@pytest.mark.parametrize("path", ["t", "n.t", "l[0]", "l[1].t"])
def test_items_without_the_value_have_no_identity(path: str, tmp_path: Path) -> None:
    """Items differ by the only value of `dedupe`; items without it have no identity."""
    gateway = load(tmp_path, f'[fields]\ncode = "c"\ndedupe = ["{path}"]\n')
    with_value = [
        {"c": 1, "t": value, "n": {"t": value}, "l": [value, {"t": value}]}
        for value in ("a", 1, True)
    ]
    [group] = decode(gateway, [*with_value, {"c": 1}, {"c": 1, "l": []}]).groups
    assert len(set(group.ids)) == len(with_value)
    assert group.anonymous == 2


def test_weak_authentication_is_warned_of(tmp_path: Path) -> None:
    """`check-config` warns of a weak scheme."""
    expected = {
        "none": (f'[auth]\nscheme = "none"\n{CODE}', "anyone"),
        "absent": (CODE, "no [auth]"),
        "no-secrets": (f'[auth]\nscheme = "bearer"\n{CODE}', "auth.secrets is missing"),
        "unsigned-body": (f'{HMAC}signed = "{{header:T}}"\n{CODE}', "without {body}"),
        "digest": (f'{HMAC.replace("hmac", "digest")}signed = "{{body}}{{secret}}"\n{CODE}',
                   "weaker"),
    }  # fmt: skip
    for text, message in expected.values():
        assert message in " ".join(load(tmp_path, text).warnings)
    assert not load(tmp_path, HMAC + CODE).warnings


def test_check_config_prints_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A weak scheme and a channel without a table are warnings, not errors."""
    file = tmp_path / "acme.toml"
    file.write_text(f'channel = "acme"\n[auth]\nscheme = "none"\n{CODE}[map.channel]\nx = "IOS"\n')
    assert main(["check-config", "--gateway-files", str(file)]) == 0
    out = capsys.readouterr().err
    assert "'none' lets anyone send results" in out
    assert "the channel 'acme' has no code table" in out
    assert "'IOS'" not in out


@pytest.mark.parametrize("sent", ["Zm9v+YmFy/c2VjcmV0=", "Zm9v YmFy/c2VjcmV0=", "no secret"])
def test_secret_in_the_query_may_have_a_plus(tmp_path: Path, sent: str) -> None:
    """A `+` in a secret may be escaped or not: unescaped, it arrives as a space."""
    text = f'[auth]\nscheme = "query"\nname = "key"\nprefix = "k "\nsecrets = ["mine"]\n{CODE}'
    (tmp_path / "mine").write_text("Zm9v+YmFy/c2VjcmV0=\n")
    request = ReceivedRequest(b"", {}, {"key": f"k {sent}"})
    gateway = load(tmp_path, text)
    if sent == "no secret":
        with pytest.raises(RequestError):
            gateway.authenticate(request)
    else:
        assert gateway.authenticate(request).proven


def test_required_parameters(tmp_path: Path) -> None:
    """A parameter in [require] must be present and have a listed value."""
    rules = '[require]\nquery = { app = ["1", "2"] }\nheader = { X = ["y"] }\n'
    text = f'[auth]\nscheme = "none"\n{rules}{CODE}'
    gateway = load(tmp_path, text)
    cases = [({"app": "1"}, None), ({"app": "3"}, "bad_signature"), ({}, "missing_credentials")]
    for query, reason in cases:
        found = None
        try:
            gateway.authenticate(ReceivedRequest(b"", {"X": "y"}, query))
        except RequestError as refusal:
            found = refusal.reason.value
        assert found == reason
    with pytest.raises(RequestError, match="header"):
        gateway.authenticate(ReceivedRequest(b"", {}, {"app": "1"}))


def test_explain_shows_the_value_of_each_path(tmp_path: Path) -> None:
    """For each item: its outcome, and at each path a value, null or nothing; no token."""
    text = (
        'channel = "acme"\n[items]\nonly = { kind = ["push"] }\n[fields]\ncode = ["a", "b"]\n'
        'count = { size = "targets", separator = "," }\ndedupe = ["token"]\n'
    )
    gateway = load(tmp_path, text)
    items = [
        {"kind": "push", "a": None, "b": 7, "targets": "tok1,tok2", "token": "tok3"},
        {"kind": "mail"},
        {"kind": "push"},
        {"kind": "push", "a": [1, 2], "b": {"x": 1}},
    ]
    classifier = Classifier(load_tables((), {"acme": "acme"}))
    explanation = explain_payload(
        classifier, {"acme": gateway}, [Payload(json.dumps(items).encode())]
    )
    shown = render_text(explanation)
    for line in (
        "item 0: counted as acme 7 Unknown (unknown), for 2 pushes",
        "  code = a: null",
        "  code = b: '7'",
        "  count = targets: a text of 2",
        "  dedupe = token: present (only hashed)",
        "item 1: skipped by items.only",
        "item 2: rejected: code_missing",
        "  code = a: an array of 2",
        "  code = b: an object",
        "1 skipped",
    ):
        assert line in shown
    assert "tok1" not in shown + render_json(explanation)
    assert "tok3" not in shown + render_json(explanation)


def test_explain_reads_the_keys_of_a_map(tmp_path: Path) -> None:
    """Where items are the values of a map, a path may give an item's key."""
    gateway = load(tmp_path, '[items]\npath = "*"\n[fields]\ncode = "@key"\n')
    classifier = Classifier(load_tables((), channels_of([gateway])))
    explanation = explain_payload(classifier, {"acme": gateway}, [Payload(b'{"2009": {"n": 1}}')])
    assert "  code = @key: '2009'" in render_text(explanation)


# --- any body and any description ---

NAMES = st.sampled_from(["a", "b", "c", "kind", "targets"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(".".join) | st.sampled_from(
    ["@key", "a[0]", "b[1].c", '"a b".c']
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=12,
)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)


SOURCES = PATHS | st.lists(PATHS, min_size=1, max_size=3)
JOINS = st.fixed_dictionaries({"join": st.lists(PATHS, min_size=1, max_size=3),
                               "with": st.sampled_from(["", "."])})  # fmt: skip
FIELDS = st.fixed_dictionaries(
    {"code": SOURCES | JOINS},
    optional={
        "channel": SOURCES | JOINS,
        "message": SOURCES,
        "id": SOURCES | JOINS,
        "count": SOURCES | st.fixed_dictionaries({"size": PATHS, "separator": st.just(",")}),
        "dedupe": st.lists(PATHS, min_size=1, max_size=3),
    },
)
ITEMS = st.sampled_from(["", 'path = "a"', 'path = "*"', 'path = "a.b"', 'path = "a.*"',
                         'path = "a[0]"'])  # fmt: skip
CONTENT = st.sampled_from(["", 'format = "ndjson"', 'format = "form"',
                           'format = "form"\nfield = "a"'])  # fmt: skip
DEFAULTS = st.sampled_from(["", 'code = "0"'])


@settings(max_examples=300, deadline=None)
@given(FIELDS, ITEMS, CONTENT, DEFAULTS, VALUES | st.lists(VALUES), st.binary(max_size=5))
def test_any_body_by_any_description(  # noqa: PLR0917 - one strategy each
    fields: dict[str, Any], items: str, content: str, default: str, value: Any, damage: bytes
) -> None:
    """A description that loads reads any body or refuses it, and can explain it."""
    import tempfile  # noqa: PLC0415 - hypothesis and tmp_path do not go together

    lines = "\n".join(f"{name} = {_toml(given)}" for name, given in fields.items())
    text = f"[items]\n{items}\n[content]\n{content}\n[default]\n{default}\n[fields]\n{lines}\n"
    with tempfile.TemporaryDirectory() as folder:
        gateway = load(Path(folder), text)
    body = json.dumps(value).encode() + damage
    if "form" in content:
        body = b"a=" + body
    request = ReceivedRequest(body)
    with suppress(RequestError):
        batch = decoded(gateway, request)
        for item in batch.rejected:
            assert item.reason in ItemReason
        for group in batch.groups:
            assert group.items >= 1
            assert 1 <= group.count <= 10**9
            assert group.exemplar is None or len(group.exemplar) <= 1000
    with suppress(RequestError):
        explanation = explain_payload(CLASSIFIER, {"acme": gateway}, [Payload(body)])
        assert render_text(explanation)
    gateway.verification(request)
    gateway.recognizes(body)


CLASSIFIER = Classifier(load_tables())


MORE_MISTAKES = {
    "key-to-items": (f'[items]\npath = "@key"\n{CODE}', "items.path"),
    "jsonpath": (
        '[fields]\ncode = "$.result.code"',
        "'$.result.code' is JSONPath: a path begins with",
    ),
    "empty-path": ('[fields]\ncode = ""', "a path cannot be empty"),
    "parts-without-header": (f'{HMAC}parts = ","\n{CODE}', "set both 'header' and 'parts'"),
    "signature-without-a-slot": (
        f'[auth]\nscheme = "hmac"\nsignature = "x"\n{CODE}',
        "needs a slot of the request",
    ),
    "only-of-too-many": (
        "[items.only]\n" + "".join(f"a{n} = ['x']\n" for n in range(9)) + CODE,
        "at most 8 paths",
    ),
    "only-that-is-no-table": (f"[items]\nonly = 5\n{CODE}", "items.only"),
    "only-without-a-list": (f"[items]\nonly = {{ a = 5 }}\n{CODE}", "items.only"),
    "template-that-is-a-number": (
        f"{HMAC}signed = 5\n{CODE}",
        "auth.signed: expected a string with slots",
    ),
    "secret-of-another-encoding": (f'{HMAC}secret_encoding = "hex"\n{CODE}', "is not hex"),
    "secret-that-is-no-base64": (f'{HMAC}secret_encoding = "base64"\n{CODE}', "is not base64"),
}


@pytest.mark.parametrize(("text", "message"), MORE_MISTAKES.values(), ids=MORE_MISTAKES)
def test_mistakes_of_values(tmp_path: Path, text: str, message: str) -> None:
    """The values of keys are checked, too."""
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert message in str(caught.value)


def test_items_behind_an_index(tmp_path: Path) -> None:
    """The path to the items may lead through an array."""
    gateway = load(tmp_path, f'[items]\npath = "a[1].b"\n{CODE}')
    assert decode(gateway, {"a": [0, {"b": [{"code": 1}, {"code": 2.0}]}]}).groups
    for body in ({"a": [0]}, {"a": 5}, {}):
        with pytest.raises(RequestError):
            decode(gateway, body)


def test_items_within_lines(tmp_path: Path) -> None:
    """Each line may hold several items, at a path or as the values of a map."""
    content = '[content]\nformat = "ndjson"\n'
    number = ITEMS_PER_STEP + 5
    for path, ids, document in (
        ("l", "i", {"l": [{"code": 1, "i": "a"}, {"code": 1, "i": "b"}]}),
        ("*", "@key", {"a": {"code": 1}, "b": {"code": 1}}),
    ):
        gateway = load(tmp_path, f"{content}[items]\npath = '{path}'\n{CODE}id = '{ids}'\n")
        [group] = decode(gateway, b"\n".join([json.dumps(document).encode()] * number)).groups
        assert group.ids == ["a", "b"] * number


def test_other_values_of_a_map_count(tmp_path: Path) -> None:
    """The other values of a map count, each with its key."""
    gateway = load(tmp_path, f'[items]\npath = "*"\n{CODE}id = "@key"\n')
    batch = decode(gateway, {"a": {"code": 1}, "b": 5, "c": {"code": 1}, "d": {}})
    assert [group.ids for group in batch.groups] == [["a", "c"]]
    assert [(item.index, item.reason.value) for item in batch.rejected] == [
        (1, "not_an_object"),
        (3, "code_missing"),
    ]


def test_ids_of_several_paths(tmp_path: Path) -> None:
    """The first id that is there counts, or all of them joined."""
    items = [{"code": 1, "a": 5, "b": "x"}, {"code": 1, "b": "y"}, {"code": 1}]
    for value, ids in (
        ('["a", "b"]', [5, "y"]),
        ('{ join = ["a", "b"], with = "-" }', ["5-x", "y"]),
    ):
        gateway = load(tmp_path, f"{CODE}id = {value}\n")
        [group] = decode(gateway, items).groups
        assert (group.ids, group.anonymous) == (ids, 1)


def test_numbers_become_text_as_in_json(tmp_path: Path) -> None:
    """Floats become words as JSON writes them."""
    gateway = load(tmp_path, f"{CODE}message = 'm'\n")
    batch = decode(gateway, [{"code": 1, "m": 2.0}, {"code": 1, "m": 2.5}])
    assert [group.result.message for group in batch.groups] == ["2", "2.5"]


def test_gzip_without_a_header(tmp_path: Path) -> None:
    """`encoding = "gzip"` unpacks bodies without a header, within the bound on bodies."""
    gateway = load(tmp_path, f'[content]\nencoding = "gzip"\n{CODE}')
    packed = gzip.compress(b'{"code": 1}')
    assert decode(gateway, packed).groups
    assert decode(gateway, b'{"code": 1}').groups
    long = json.dumps({"code": 1, "x": random.Random(1).randbytes(100_000).hex()}).encode()
    assert decode(gateway, gzip.compress(long)).groups
    bomb = gzip.compress(b" " * (2 << 20))
    for body, reason in (
        (packed[:-5], "malformed_body"),
        (b"\x1f\x8b" + b"\xff" * 20, "malformed_body"),
        (bomb, "too_large"),
    ):
        with pytest.raises(RequestError) as caught:
            decode(gateway, body)
        assert caught.value.reason == reason


def test_forms(tmp_path: Path) -> None:
    """A form without a field for JSON is an item itself; a lacking field is named."""
    form = '[content]\nformat = "form"\n'
    [group] = decode(load(tmp_path, form + CODE), b"code=5&x=1&code=6").groups
    assert group.result.code == "5"
    gateway = load(tmp_path, f'{form}field = "data"\n{CODE}')
    for body, message in (
        (b"x=1", "field 'data'"),
        (b"x=1&" * 2000, "1,000 fields"),
        (b" ", "empty"),
        (b"data=", "empty"),
        (b"data=%20+", "empty"),
    ):
        with pytest.raises(RequestError, match=message):
            decode(gateway, body)


def test_request_keys(tmp_path: Path) -> None:
    """A request is known by the id that was signed, or its body, unless its items have ids."""
    gateway = load(tmp_path, CODE)
    signed = Credential(7, request_id="a")
    first, other, changed = (
        gateway.request_key(ReceivedRequest(body, {"webhook-id": "unsigned"}), request)
        for body, request in (
            (b"1", signed),
            (b"1", signed._replace(request_id="b")),
            (b"2", signed),
        )
    )
    assert first
    assert other
    assert changed
    assert first.identity == changed.identity != other.identity
    assert first.content != changed.content
    by_body = [
        gateway.request_key(ReceivedRequest(body, {"webhook-id": identity}), Credential(7))
        for body, identity in ((b"1", "a"), (b"1", "b"), (b"2", "a"))
    ]
    assert by_body[0] == by_body[1] != by_body[2]
    by_item = load(tmp_path, f"{CODE}id = 'i'\n")
    assert by_item.request_key(ReceivedRequest(), Credential(7)) is None


def test_body_that_cannot_hold_a_signature_has_none(tmp_path: Path) -> None:
    """A body that cannot hold a signature has none: 401, not an internal error."""
    auth = '[auth]\nscheme = "digest"\nsecrets = ["secret"]\nsignature = "{body:s}"\n'
    gateway = load(tmp_path, f'{auth}signed = "{{body:a}}{{secret}}"\n{CODE}')
    for body in (b"", b"\xff", b"{", b"[]", b"5", b"{}", b'{"s": []}', b"[" * 9999):
        with pytest.raises(RequestError) as caught:
            gateway.authenticate(ReceivedRequest(body))
        assert caught.value.reason == "missing_credentials"


def test_find_gateway_lists_the_known_ones() -> None:
    """An unknown gateway is an error that lists the known ones."""
    known = load_gateways(load_settings(allow_unsigned=True))
    with pytest.raises(ConfigurationError, match=r"'huawei'; known are mps, results, getui"):
        find_gateway("huawei", known, load_settings(allow_unsigned=True))
    for file in sorted(RECIPES.glob("*.toml")):
        assert find_gateway(str(file), known, load_settings(allow_unsigned=True)).name == file.stem


def test_two_files_of_one_name(tmp_path: Path) -> None:
    """Two descriptions cannot have the same path."""
    files = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "acme.toml")
        files[-1].write_text(CODE)
    with pytest.raises(ConfigurationError, match="another gateway has the name 'acme'"):
        load_gateways(load_settings(gateway_files=files))


def test_more_bad_items_than_can_be_listed(tmp_path: Path) -> None:
    """Ten thousand bad items can be listed; more refuse the body, in an array, lines or a map."""
    number = MAX_REJECTED + 1
    map_of = load(tmp_path, f'[items]\npath = "*"\n{CODE}')
    lines = load(tmp_path, f'[content]\nformat = "ndjson"\n{CODE}')
    array = load(tmp_path, CODE)
    for gateway, body in (
        (map_of, b"{" + b",".join(b'"%d":5' % n for n in range(number)) + b"}"),
        (lines, b"\n".join(b"%d" % n for n in range(number))),
        (array, b"[" + b",".join(b"%d" % n for n in range(number)) + b"]"),
    ):
        with pytest.raises(RequestError, match="10,000 items"):
            decode(gateway, body)


def test_signature_over_the_unpacked_body(tmp_path: Path) -> None:
    """A signature may be over a compressed body, or over its content."""
    gateway = load(tmp_path, HMAC + CODE)
    body = b'{"code": 1}'
    packed = gzip.compress(body)
    for signed in (body, packed):
        headers = {"X": hmac(SECRET.encode(), signed).hex()}
        assert gateway.authenticate(ReceivedRequest(packed, headers, content=body)).proven
    with pytest.raises(RequestError):
        gateway.authenticate(ReceivedRequest(packed, {"X": "00"}, content=body))
