"""The shipped tables, row by row, and the operator's files merged over them."""

import datetime as dt
import re
import tomllib
from dataclasses import FrozenInstanceError, fields
from operator import attrgetter
from pathlib import Path

import pytest

from exporter.classification.classifier import Classifier
from exporter.classification.drafts import draft_alias, draft_app, draft_row
from exporter.classification.tables import (
    CodeRow,
    CodeTable,
    Tables,
    fold,
    load_tables,
)
from exporter.errors import ConfigurationError
from exporter.results import Category, PushResult, Retry, Series, Severity, canonical_code

STATUS_PAGE = {
    "mps": "-1 0 1 2 99999999",
    "apns": "2001 2002 2003 2004 2005 2006 2007 2008 2009 2010 2011 2013 2014 2023 2024 2025",
    "huawei": "100 101 102 106 107 109 110 111 80000003 80000004 80000005 80000006 80000007"
    " 80000008 80100000 80100002 80100003 80100004 80300002 80300007 80300008 81000001",
    "honor": "",
    "harmonyos": "",
    "mipush": "1001 10002 10003 10004 10005 10008 10009 10012 10013 10014 10017 10018 10022"
    " 10023 10024 10026 10027 10029 20301 21301 22000 22001 22002 22003 22004 22005 22006"
    " 22007 22008 22020 22021 22022 22100 22101 22102 22103",
    "oppo": "-1 -2 11 13 14 15 16 17 28 29 30 10000",
    "vivo": "10000 10040 10050 10055 10056 10058 10066 10067 10070 10071 10072 10101 10102"
    " 10103 10104 10110 10302 10303",
    "fcm": "90000002 90000003 90000004 90000007 90000009 90000011 90000401",
}
"""The codes of the status page; written out, so that a lost or renumbered row shows."""

TABLES = load_tables()
SHIPPED = Path(__file__).parents[2] / "codes"

ROW = """
name = "TooHot"
description = "The phone is too hot."
severity = "warning"
category = "unreachable"
retry = "backoff"
action = "Wait."
"""


def rows(tables: Tables) -> list[tuple[str, str, CodeRow]]:
    """List the rows of all tables with their channel and code."""
    return [
        (table.channel, code, row) for table in tables.values() for code, row in table.codes.items()
    ]


def load(folder: Path, *texts: str | bytes) -> Tables:
    """Load the shipped tables with operator's files of these contents over them."""
    paths = []
    for number, text in enumerate(texts, 1):
        path = folder / f"own-{number}.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        paths.append(path)
    return load_tables(paths)


ROWS = {
    "mps": 8, "apns": 61, "huawei": 59, "honor": 23, "harmonyos": 26, "mipush": 92, "oppo": 37,
    "vivo": 59, "fcm": 43, "webpush": 27, "expo": 31, "wns": 18, "adm": 20, "jpush": 33,
    "umeng": 107, "sns": 31, "azure": 31, "meizu": 23, "jpush-receipts": 5, "huawei-receipts": 16,
    "harmonyos-receipts": 27, "honor-receipts": 14, "oppo-receipts": 4, "vivo-receipts": 21,
    "mipush-receipts": 10, "meizu-receipts": 2, "getui": 113,
}  # fmt: skip
"""How many rows the tables have, so that a lost one shows."""


def test_the_shipped_tables_hold_their_rows() -> None:
    """Every row of the shipped tables is loaded, in reading order."""
    assert {channel: len(table.codes) for channel, table in TABLES.items()} == ROWS
    assert list(TABLES) == list(ROWS)


def test_every_code_of_the_status_page_has_its_row() -> None:
    """The rows of origin `status-page` are exactly the 116 of MPS's status page."""
    documented = {
        (channel, code) for channel, codes in STATUS_PAGE.items() for code in codes.split()
    }
    loaded = {(channel, code) for channel, code, row in rows(TABLES) if row.origin == "status-page"}
    assert loaded == documented
    assert len(documented) == 116


def test_the_common_codes_apply_to_the_channels_of_mps() -> None:
    """MPS reports its common codes on nine channels."""
    common = [channel for channel, table in TABLES.items() if table.common_codes]
    assert " ".join(common) == "mps apns huawei honor harmonyos mipush oppo vivo fcm"


def test_every_shipped_file_is_a_channel_with_its_own_place() -> None:
    """The channels are those of the files, each under the file's name, in an order without ties."""
    assert set(TABLES) == {path.stem for path in SHIPPED.glob("*.toml")}
    places = [table.order for table in TABLES.values()]
    assert places == sorted(set(places))
    assert max(places) < CodeTable.model_fields["order"].default


def test_receipts_name_the_channel_of_their_pushes() -> None:
    """Each table of receipts names its push channel, except Getui's, which relays all vendors."""
    receipts = {
        channel: table.receipts_of for channel, table in TABLES.items() if table.receipts_of
    }
    assert receipts == {
        channel: channel.removesuffix("-receipts")
        for channel in TABLES
        if channel.endswith("-receipts")
    }


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_names_are_unique_in_a_table(table: CodeTable) -> None:
    """No two codes of a channel share a name, whatever its case."""
    names = [row.name.casefold() for row in table.codes.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("word", "channel"),
    [
        ("IOS", "apns"),
        ("FCM", "fcm"),
        ("HMS", "huawei"),
        ("HONOR", "honor"),
        ("MIUI", "mipush"),
        ("OPPO", "oppo"),
        ("VIVO", "vivo"),
        ("HARMONYOS", "harmonyos"),
        ("ANDROID", "mps"),
    ],
)
def test_tables_list_the_gateways_own_words(word: str, channel: str) -> None:
    """Each of MPS's own words for a channel is the name or an alias of one table only."""
    claimed = [
        table.channel
        for table in TABLES.values()
        if fold(word) in table.hints() or word in table.exact_aliases
    ]
    assert claimed == [channel]


@pytest.mark.parametrize("field", ["description", "action"])
def test_texts_are_sentences(field: str) -> None:
    """Texts for operators begin with a capital letter or digit and end with a full stop."""
    sentence = re.compile(r"([A-Z0-9]|vivo\b).*\.\)?", re.DOTALL)
    broken = [
        (channel, code)
        for channel, code, row in rows(TABLES)
        if not sentence.fullmatch(getattr(row, field))
    ]
    assert not broken


def test_every_row_has_a_source_and_an_origin() -> None:
    """A shipped row has a source, and an origin of the contract's three."""
    assert {row.origin for *_, row in rows(TABLES)} == {"status-page", "vendor", "integrator"}
    assert all(row.source for *_, row in rows(TABLES))


def test_no_shipped_row_is_unknown_in_severity() -> None:
    """Severity `unknown` is kept for codes that no table has."""
    assert Severity.UNKNOWN not in {row.severity for *_, row in rows(TABLES)}


def test_shipped_codes_are_canonical() -> None:
    """A key of a shipped table is the very text that a result's code is brought to."""
    assert [code for _, code, _ in rows(TABLES) if canonical_code(code) != code] == []


def test_shipped_tables_were_checked_in_the_past() -> None:
    """The day of the last check is a date, and not before the project began."""
    assert all(table.checked > dt.date(2025, 1, 1) for table in TABLES.values())


def test_an_operator_adds_a_row(tmp_path: Path) -> None:
    """A new code joins the shipped rows of its channel, and nothing else changes."""
    tables = load(tmp_path, f'channel = "apns"\n[codes.4242]\n{ROW}')
    row = tables["apns"].codes["4242"]
    assert (row.name, row.severity, row.category, row.retry) == (
        "TooHot",
        Severity.WARNING,
        Category.UNREACHABLE,
        Retry.BACKOFF,
    )
    assert row.source.endswith("own-1.toml")
    added = {(channel, code) for channel, code, _ in rows(tables)}
    assert added - {(channel, code) for channel, code, _ in rows(TABLES)} == {("apns", "4242")}
    assert len(rows(tables)) == 1 + len(rows(TABLES))
    assert tables["apns"].aliases == TABLES["apns"].aliases


def test_an_operator_overrides_one_field(tmp_path: Path) -> None:
    """A row that gives only a severity keeps the shipped texts and classification."""
    tables = load(tmp_path, 'channel = "apns"\n[codes.2009]\nseverity = "critical"\n')
    mine, ours = tables["apns"].codes["2009"], TABLES["apns"].codes["2009"]
    kept = attrgetter("name", "messages", "description", "category", "retry", "action")
    assert ours.severity is not Severity.CRITICAL
    assert mine.severity is Severity.CRITICAL
    assert kept(mine) == kept(ours)
    unchanged = {row for row in rows(tables) if row[:2] != ("apns", "2009")}
    assert unchanged == {row for row in rows(TABLES) if row[:2] != ("apns", "2009")}


@pytest.mark.parametrize("channel", list(TABLES))
def test_an_operator_gives_a_whole_table(tmp_path: Path, channel: str) -> None:
    """A copy of a shipped file is a good operator's file and changes nothing by itself."""
    copy = (SHIPPED / f"{channel}.toml").read_text("utf-8")
    assert load(tmp_path, copy) == TABLES


def test_an_operator_changes_a_copy(tmp_path: Path) -> None:
    """A whole copy of a shipped file with one severity changed changes that row alone."""
    copy = (SHIPPED / "vivo.toml").read_text("utf-8")
    head, row, rest = copy.partition("[codes.10302]")
    changed = re.sub('severity = "[a-z]+"', 'severity = "critical"', rest, count=1)
    tables = load(tmp_path, head + row + changed)
    differing = [
        mine for mine, ours in zip(rows(tables), rows(TABLES), strict=True) if mine != ours
    ]
    assert [(channel, code) for channel, code, _ in differing] == [("vivo", "10302")]
    assert differing[0][2].severity is Severity.CRITICAL


def test_an_operator_adds_a_channel(tmp_path: Path) -> None:
    """A custom channel has its rows and aliases, and the common codes if its table has the key."""
    text = 'channel = "acme-cn"\ntitle = "Acme Push"\naliases = ["Road Runner"]\n'
    for more, table in (("", ""), ("common_codes = true\n", "mps")):
        classifier = Classifier(load(tmp_path, f"{text}{more}[codes.5]\n{ROW}"))
        assert classifier.channels() == [*TABLES, "acme-cn", "other"]
        found = [classifier.classify(PushResult(code, "roadrunner")) for code in ("5", "2", "6")]
        assert [tuple(row.series)[:3] for row in found] == [
            ("acme-cn", "5", "acme-cn"),
            ("acme-cn", "2", table),
            ("acme-cn", "6", ""),
        ]
        counted = classifier.current(Series("acme-cn", "2", "mps"))
        assert (counted.name, counted.series.table) == ("Acked", "mps")


@pytest.mark.parametrize(
    ("given", "code", "expected"),
    [
        ('aliases = ["GOODBYE"]', "GOODBYE", ("apns", "2011", "apns")),
        ('aliases = ["GOODBYE"]', "Unregistered", ("apns", "2011", "apns")),
        ('aliases = ["bye/now"]', "bye_now", ("apns", "2011", "apns")),
        ('name = "Gone"', "Gone", ("apns", "2011", "apns")),
        ('name = "Gone"', "Unregistered", ("apns", "2011", "apns")),
        ('aliases = ["bADdEVICEtOKEN"]', "bADdEVICEtOKEN", ("apns", "2011", "apns")),
        ('aliases = ["bADdEVICEtOKEN"]', "BadDeviceToken", ("apns", "2009", "apns")),
        ('aliases = ["bADdEVICEtOKEN"]', "baddevicetoken", ("apns", "baddevicetoken", "")),
    ],
)
def test_an_operator_adds_aliases(
    tmp_path: Path, given: str, code: str, expected: tuple[str, ...]
) -> None:
    """Aliases come on top of those of the shipped row, and its name stays one if it is changed."""
    classifier = Classifier(load(tmp_path, f'channel = "apns"\n[codes.2011]\n{given}\n'))
    assert tuple(classifier.classify(PushResult(code, "apns")).series)[:3] == expected


def test_names_in_another_script_are_refused(tmp_path: Path) -> None:
    """A name without a character allowed in codes is refused: all such names would be equal."""
    own = [
        f"[codes.{code}]\n{ROW.replace('TooHot', name)}"
        for code, name in (("5", "\u70ed"), ("6", "\u51b7"))
    ]
    classifier = Classifier(load(tmp_path, 'channel = "acme"\n' + "".join(own)))
    assert not classifier.classify(PushResult("_", "acme")).known
    assert classifier.classify(PushResult("6", "acme")).known


def test_descriptions_name_channels() -> None:
    """A channel that a gateway description names gets an empty table, if none has the word yet."""
    tables = load_tables(extra_channels=dict.fromkeys(["acme", "xiaomi", "vivo", "other"], "mine"))
    assert list(tables) == [*TABLES, "acme"]
    classifier = Classifier(tables)
    found = [classifier.classify(PushResult(code, "ACME")) for code in ("2", "NEW")]
    assert [tuple(row.series)[:3] for row in found] == [("acme", "2", ""), ("acme", "NEW", "")]


@pytest.mark.parametrize("channel", ["Acme", "a b", "", "5", "x" * 33])
def test_impossible_channel_is_named(channel: str) -> None:
    """A word of a gateway description that cannot be a label is refused by name."""
    named = f"mine.toml: channel or map.channel: {channel!r}"
    with pytest.raises(ConfigurationError, match=re.escape(named)):
        load_tables(extra_channels={channel: "mine"})


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    """A file that an editor began with a byte order mark loads."""
    tables = load(tmp_path, f'\ufeffchannel = "acme"\n[codes.5]\n{ROW}')
    assert tables["acme"].codes["5"].name == "TooHot"


def test_an_override_does_not_change_which_row_counts(tmp_path: Path) -> None:
    """With a custom severity OPPO's -1 still takes precedence over MPS's, and MiPush's does not."""
    own = [
        f'channel = "{channel}"\n[codes.-1]\nseverity = "critical"\n'
        for channel in ("oppo", "mipush")
    ]
    classifier = Classifier(load(tmp_path, *own))
    found = [classifier.classify(PushResult("-1", channel)) for channel in ("oppo", "mipush")]
    assert [row.series.table for row in found] == ["oppo", "mps"]


def test_only_rows_of_the_status_page_override_the_common_ones() -> None:
    """Of the rows that share a common code, those that the status page lists go before it."""
    overriding = {(channel, code) for channel, code, row in rows(TABLES) if row.overrides_common}
    assert overriding == {
        (channel, code)
        for channel, code, row in rows(TABLES)
        if channel != "mps" and code in TABLES["mps"].codes and row.origin == "status-page"
    }
    assert overriding == {("oppo", "-1")}


def test_a_later_file_takes_precedence(tmp_path: Path) -> None:
    """Of several files that give the same field, the last one counts."""
    given = 'channel = "apns"\n[codes.2009]\n'
    texts = (f'{given}severity = "error"\nretry = "backoff"\n', f'{given}severity = "critical"\n')
    row = load(tmp_path, *texts)["apns"].codes["2009"]
    assert (row.severity, row.retry) == (Severity.CRITICAL, Retry.BACKOFF)


def without(field: str) -> str:
    """Give the row without one of its fields."""
    return "".join(line for line in ROW.splitlines(keepends=True) if not line.startswith(field))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'channel = "acme"\n[codes.5]\n{ROW}colour = "red"', ["codes.5.colour"]),
        (f'channel = "acme"\n[codes.5]\n{ROW}alias = ["x"]',
         ["codes.5.alias: unknown key; did you mean 'aliases'?"]),
        (f'channel = "acme"\n[codes.5]\n{ROW}serverity = "x"', ["did you mean 'severity'?"]),
        (f'chanel = "acme"\n[codes.5]\n{ROW}', ["chanel: ", "did you mean 'channel'?"]),
        (f'channel = "acme"\nhintonly = true\n[codes.5]\n{ROW}', ["did you mean 'hint_only'?"]),
        (f'channel = "acme"\nreceipts_of = "A b"\n[codes.5]\n{ROW}', ["receipts_of"]),
        (f'channel = "acme"\n[codes.5]\n{ROW}aliases = "x"', ["codes.5.aliases"]),
        (f'channel = "acme"\n[codes.5]\n{ROW}aliases = [["x"]]', ["codes.5.aliases"]),
        (f'channel = "acme"\n[codes.5]\n{ROW}aliases = ["/"]', ["codes.5.aliases", "'/'"]),
        (f'channel = "acme"\n[codes.5]\n{ROW}aliases_from = "gossip"',
         ["codes.5.aliases_from", "'success'"]),
        (f'channel = "acme"\n[codes.5]\n{ROW}http_status = true', ["codes.5.http_status"]),
        (f'channel = "acme"\n[codes.5]\n{ROW}narrows = ["7"]', ["codes.5.narrows", "'7'"]),
        ('channel = "apns"\n[codes.2009]\naliases = ["Unregistered"]',
         ["codes.2009.aliases", "'Unregistered'", "2011"]),
        ('channel = "apns"\n[codes.2009]\naliases = ["2011"]', ["codes.2009.aliases", "2011"]),
        ('channel = "fcm"\n[codes.90000002]\naliases = ["messaging internal-error"]',
         [".aliases", "90000002", "90000011"]),
        (f'channel = "acme"\n[codes.5]\n{without("severity")}severity = "loud"',
         ["codes.5.severity", "'critical'"]),
        (f'channel = "acme"\n[codes.5]\n{without("category")}category = "odd"',
         ["codes.5.category"]),
        (f'channel = "acme"\n[codes.5]\n{without("retry")}retry = false', ["codes.5.retry"]),
        (f'channel = "acme"\n[codes.5]\n{ROW}origin = "hearsay"', ["codes.5.origin"]),
        (f'channel = "acme"\n[codes.5]\n{ROW}messages = "text"', ["codes.5.messages"]),
        *((f'channel = "acme"\n[codes.5]\n{without(field)}', [f"codes.5.{field}: Field required"])
          for field in ("name", "description", "severity", "category", "retry", "action")),
        (f'channel = "acme"\n[codes.5]\n{without("name")}name = " "', ["codes.5.name"]),
        ('channel = "apns"\n[codes.2009]\nseverity = "fatal"', ["codes.2009.severity"]),
        (f'channel = "acme"\n[codes.5]\n{ROW}[codes.5]\n{ROW}', ["'5'", "twice", "line 10"]),
        (f'channel = "acme"\n[codes.5]\n{ROW}name = "Again"\n', ["overwrite", "line 10"]),
        (f'channel = "Acme Push"\n[codes.5]\n{ROW}', ["channel: "]),
        (f'channel = ""\n[codes.5]\n{ROW}', ["channel: "]),
        (f"channel = 5\n[codes.5]\n{ROW}", ["channel: "]),
        (f'channel = ["apns"]\n[codes.5]\n{ROW}', ["channel: "]),
        (f"[codes.5]\n{ROW}", ["channel: Field required"]),
        (f'channel = "other"\n[codes.5]\n{ROW}', ["channel: ", "'other'"]),
        (f'channel = "acme"\ncolour = "red"\n[codes.5]\n{ROW}', ["colour: "]),
        (f'channel = "acme"\nchecked = "lately"\n[codes.5]\n{ROW}', ["checked: "]),
        (f'channel = "acme"\naliases = "ios"\n[codes.5]\n{ROW}', ["aliases: "]),
        (f'channel = "acme"\n[codes.007]\n{ROW}', ["codes.007: ", "'7'"]),
        (f'channel = "acme"\n[codes." 7"]\n{ROW}', ["codes. 7: ", "'7'"]),
        (f'channel = "acme"\n[codes."2.0"]\n{ROW}', ["codes.2.0: ", "'2'"]),
        (f'channel = "acme"\n[codes."a b"]\n{ROW}', ["codes.a b: ", "'a_b'"]),
        (f'channel = "acme"\n[codes.{"x" * 65}]\n{ROW}', [f"codes.{'x' * 65}: "]),
        (f'channel = "acme"\n[codes.5]\n{ROW}[codes.6]\n{ROW.replace("TooHot", "TOOHOT")}',
         ["codes.6.name: ", "'TOOHOT'", "5"]),
        ('channel = "apns"\n[codes.2009]\nname = "Unregistered"',
         [".name: ", "'Unregistered'", "2009", "2011"]),
        pytest.param(f'channel = "acme"\naliases = ["iOS"]\n[codes.5]\n{ROW}',
                     ["'iOS'", "acme", "apns"], id="alias of another table"),
        pytest.param(f'channel = "xiaomi"\n[codes.5]\n{ROW}',
                     ["'xiaomi'", "mipush"], id="channel named as an alias"),
        ('channel = "acme"\ncodes = 5', ["codes: "]),
        ('channel = "apns"\ncodes = []', ["codes: write each row as [codes.CODE]"]),
        ('channel = "acme"\nreceipts_of = "acme"', ["receipts_of: 'acme' is a channel of rec"]),
        ('channel = "acme"\nreceipts_of = "vivo-receipts"', ["receipts_of: 'vivo-rec"]),
        ('channel = "vivo"\n[codes.2]\nseverity = "unknown"', ["codes.2.severity: ", "reserved"]),
        ('channel = "vivo"\n[codes.2]\nseverity = "bad"',
         ["codes.2.severity: Input should be 'info', 'warning', 'error' or 'critical'"]),
        ('channel = "acme"\nreceipts_of = "Acme!"', ["receipts_of: String should match"]),
        ('channel = "apns"\naliases = ["x", 3]', ["aliases.1: "]),
        ('channel = "apns"\n[codes.2011]\naliases = [3]', ["codes.2011.aliases.0: "]),
        ('channel = "acme"\naliases = "x"', ["aliases: Input should be an array"]),
        ('channel = "acme"\n[codes]\n5 = "TooHot"', ["codes.5: "]),
        ("channel = ", []),
        ('{"channel": "acme"}', ["line 1"]),
        (b'channel = "apns\xff"', ["utf-8"]),
        pytest.param(f'channel = "acme"\nx = {"1" * 5000}', [], id="integer of 5000 digits"),
        pytest.param(f'channel = "acme"\nx = {"[" * 5000}', [], id="5000 brackets"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_by_name(tmp_path: Path, text: str | bytes, words: list[str]) -> None:
    """An error names the file, and the row and field, or the line, that is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert [word for word in [str(tmp_path / "own-1.toml"), *words] if word not in message] == []
    assert "title" not in message
    assert "constrained" not in message


def test_two_operators_channels_with_one_alias_are_refused_by_file(tmp_path: Path) -> None:
    """An alias that two of the operator's own tables claim is refused, and the file is named."""
    texts = [
        f'channel = "{name}"\naliases = ["Road Runner"]\n[codes.5]\n{ROW}'
        for name in ("acme", "coyote")
    ]
    with pytest.raises(ConfigurationError, match=r"own-2\.toml.*Road Runner"):
        load(tmp_path, *texts)


def test_the_second_of_two_files_is_named(tmp_path: Path) -> None:
    """Where one of several files is bad, the error names that one."""
    with pytest.raises(ConfigurationError, match=r"own-2\.toml"):
        load(tmp_path, f'channel = "acme"\n[codes.5]\n{ROW}', 'channel = "acme"\ncolour = 1')


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    """A missing file, or a folder in its place, is an error that names it."""
    path = tmp_path / name
    with pytest.raises(ConfigurationError, match=re.escape(str(path))):
        load_tables([path])


def test_tables_are_frozen() -> None:
    """A loaded row cannot be changed under the classifier's feet."""
    with pytest.raises(FrozenInstanceError):
        setattr(TABLES["apns"].codes["2009"], "severity", Severity.INFO)  # noqa: B010 - for mypy


def filled(row: str) -> str:
    """Fill in a draft as an operator would."""
    values = {"severity": "error", "category": "quota", "retry": "no", "action": "Wait."}
    for name, value in values.items():
        row = row.replace(f'\n{name} = "?"', f'\n{name} = "{value}"')
    return row


HOSTILE = [
    """quotes " and ' and \"\"\" and \'\'\'""",
    "back\\slash \\u202E \\",
    "new\nline\r\n[codes.2]\nseverity = 'critical'",
    "control \x00\x01\x1b[31m\x7f\x85\u2028",
    "</script><script>alert(1)</script>",
    "turned \u202e round \U000e0041",
    "推送 😀",
    "# comment",
    " \t ",
    None,
]


@pytest.mark.parametrize("message", HOSTILE)
@pytest.mark.parametrize("code", ["19999", "-7", "a.b", "..", "UNREGISTERED"])
def test_draft_loads_once_filled_in(tmp_path: Path, code: str, message: str | None) -> None:
    """The row that the status page offers is refused as it is, and loads when it is filled in."""
    file = tmp_path / "own.toml"
    row = draft_row("vivo", code, message)
    assert all(character.isprintable() or character == "\n" for character in row)
    file.write_text('channel = "vivo"\n' + row, "utf-8")
    with pytest.raises(ConfigurationError, match="severity"):
        load_tables([file])
    file.write_text('channel = "vivo"\n' + filled(row), "utf-8")
    loaded = load_tables([file])["vivo"].codes[code]
    stripped = message.strip() if message else ""
    assert loaded.description == (stripped or "?")
    assert loaded.severity == "error"


def test_drafts_go_into_one_file(tmp_path: Path) -> None:
    """Rows of several codes with the same message can follow one another."""
    file = tmp_path / "own.toml"
    rows = [filled(draft_row("vivo", code, "the same")) for code in ("1-x", "2-x")]
    file.write_text('channel = "vivo"\n' + "\n".join(rows))
    assert {"1-x", "2-x"} <= load_tables([file])["vivo"].codes.keys()


def test_draft_of_a_code_without_a_channel() -> None:
    """Where the channel is not known, the operator is asked for it."""
    assert 'channel = "?"' in draft_row("other", "NEW", None)


HINTS = ["VIVOPUSH", 'a"b\\', "turned \u202e round", "\u63a8\u9001"]


@pytest.mark.parametrize("hint", HINTS)
def test_a_drafted_app_is_a_line_of_toml(hint: str) -> None:
    """The lines that the status page offers for an undeclared app are TOML without an app."""
    draft = draft_app(hint)
    assert draft.replace("\n", "").isprintable()
    assert tomllib.loads(draft) == {"map": {"app": {hint: "?"}}}


@pytest.mark.parametrize("hint", HINTS)
def test_a_drafted_alias_loads(tmp_path: Path, hint: str) -> None:
    """The lines that the status page offers for an unknown hint make it an alias."""
    file = tmp_path / "own.toml"
    draft = draft_alias(hint)
    file.write_text(draft, "utf-8")
    with pytest.raises(ConfigurationError, match="channel"):
        load_tables([file])
    file.write_text(draft.replace("?", "vivo", 1), "utf-8")
    assert Classifier(load_tables([file])).channel(hint) == "vivo"


README = (SHIPPED / "README.md").read_text("utf-8")


def test_the_worked_example_of_the_readme_loads(tmp_path: Path) -> None:
    """The table in README is valid and has the documented effect."""
    (example,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    classifier = Classifier(load(tmp_path, example))
    found = classifier.classify(PushResult("trial_ended", "VIVOPUSH"))
    assert (found.name, found.severity) == ("TrialEnded", Severity.CRITICAL)
    assert classifier.classify(PushResult("10040", "vivo")).severity is Severity.ERROR


def test_the_readme_names_every_word_of_a_table() -> None:
    """Each field, severity, category, retry and origin stands in README."""
    words = {
        *(field.name for field in fields(CodeRow)),
        *Severity,
        *Category,
        *Retry,
        *("status-page", "vendor", "integrator", "operator"),
        *("common_codes", "hint_only", "receipts_of", "exact_aliases", "order", "checked"),
    }
    assert [word for word in sorted(words) if f"`{word}" not in README] == []
