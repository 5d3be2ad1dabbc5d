"""The command `codes`, and the tables that it and `explain` read."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from exporter.classification.tables import load_tables
from exporter.commands.main import main
from tests.support.commands import (
    Capture,
    exits,
    printed,
    refused,
)

COLUMNS = [
    "channel",
    "code",
    "name",
    "description",
    "severity",
    "category",
    "retry",
    "action",
    "source",
    "origin",
    "aliases",
]


def test_codes_as_json(capsys: Capture) -> None:
    """`codes --format json` prints a list of all rows with exactly the contract's columns."""
    rows = json.loads(printed(capsys, "codes", "--format", "json"))
    assert {tuple(row) for row in rows} == {tuple(COLUMNS)}
    assert [(row["channel"], row["code"], row["name"]) for row in rows] == [
        (table.channel, code, row.name)
        for table in load_tables().values()
        for code, row in table.codes.items()
    ]
    aliases = {(row["channel"], row["code"]): row.pop("aliases") for row in rows}
    assert aliases["fcm", "90000003"][0] == "UNREGISTERED"
    assert aliases["apns", "2009"] == []
    assert all(isinstance(text, str) and text for row in rows for text in row.values())


def test_codes_as_csv(capsys: Capture) -> None:
    """`codes --format csv` prints the same rows under a header."""
    reader = csv.DictReader(io.StringIO(printed(capsys, "codes", "--format", "csv")), strict=True)
    rows = list(reader)
    assert reader.fieldnames == COLUMNS
    assert rows == [
        row | {"aliases": " ".join(row["aliases"])}
        for row in json.loads(printed(capsys, "codes", "--json"))
    ]


@pytest.mark.parametrize("words", [[], ["--format", "table"]])
def test_codes_as_a_table(capsys: Capture, words: list[str]) -> None:
    """`codes` prints a line a row, with aligned columns and no trailing blanks."""
    header, *lines = printed(capsys, "codes", *words).splitlines()
    rows = json.loads(printed(capsys, "codes", "--format", "json"))
    assert header.split() == ["channel", "code", "severity", "category", "retry", "name", "aliases"]
    name, aliases = header.index("name"), header.index("aliases")
    assert [
        (*line.split()[:2], line[name:aliases].rstrip(), line[aliases:].split()) for line in lines
    ] == [(row["channel"], row["code"], row["name"], row["aliases"]) for row in rows]
    assert all(line == line.rstrip() for line in lines)


def test_codes_of_channels(capsys: Capture) -> None:
    """A channel's name, or any of its aliases, selects its rows."""
    rows = json.loads(printed(capsys, "codes", "FCM", "hms", "--json"))
    assert list(dict.fromkeys(row["channel"] for row in rows)) == ["huawei", "fcm"]
    assert "unknown channel 'huawai'; did you mean 'huawei'?" in refused(capsys, "codes", "huawai")
    assert "known are mps, apns, huawei," in refused(capsys, "codes", "?")


@pytest.mark.parametrize("source", ["flag", "environment", "file"])
def test_codes_with_a_custom_table(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, custom_table: str, source: str
) -> None:
    """A custom table is merged in, whichever source of settings names it."""
    words = ["codes", "--format", "json"]
    if source == "flag":
        words += ["--code-table-files", custom_table]
    elif source == "environment":
        monkeypatch.setenv("PUSH_EXPORTER_CODE_TABLE_FILES", custom_table)
    else:
        config = tmp_path / "settings.toml"
        config.write_text(
            f'code_table_files = ["{custom_table}"]\ningest_port = "unused and bad"\n'
        )
        words += ["--config", str(config)]
    rows = json.loads(printed(capsys, *words))
    assert len(rows) == 1 + sum(len(table.codes) for table in load_tables().values())
    (own,) = (row for row in rows if row["code"] == "4242")
    assert (own["channel"], own["name"], own["severity"]) == ("apns", "TooHot", "warning")


@pytest.mark.parametrize("command", [["codes"], ["explain", "2"]], ids=" ".join)
def test_an_unknown_setting_of_the_file_is_named(
    capsys: Capture, tmp_path: Path, command: list[str]
) -> None:
    """A command refuses an unknown setting, and suggests the nearest one."""
    config = tmp_path / "settings.toml"
    config.write_text("ledger_pth = 'x'\n")
    err = refused(capsys, *command, "--config", str(config))
    assert f"LEDGER_PTH: unknown setting; did you mean 'LEDGER_PATH'? (config file {config})" in err


@pytest.mark.parametrize("command", [["codes"], ["explain", "2"]], ids=" ".join)
def test_a_bad_table_is_named(capsys: Capture, tmp_path: Path, command: list[str]) -> None:
    """A code table that cannot be read is refused by name."""
    absent = str(tmp_path / "absent.toml")
    assert absent in refused(capsys, *command, "--code-table-files", absent)


@pytest.mark.parametrize("text", ["[", '["a"', "[1]", "[[]]"])
@pytest.mark.parametrize("command", [["codes"], ["explain", "2"]], ids=" ".join)
def test_a_bad_list_of_tables_is_named(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, text: str, command: list[str]
) -> None:
    """An invalid list of tables is a usage error that names the setting, not a traceback."""
    monkeypatch.setenv("PUSH_EXPORTER_CODE_TABLE_FILES", text)
    try:
        status: object = main(command)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert re.search("code.table.files", capsys.readouterr().err, re.IGNORECASE)


def test_a_bad_list_of_tables_leaves_the_other_commands_alone(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invalid list of tables does not affect commands that read no tables."""
    monkeypatch.setenv("PUSH_EXPORTER_CODE_TABLE_FILES", "[")
    assert exits("--version") == 0
    assert capsys.readouterr().err == ""
