"""The settings file that `config init` writes."""

import tomllib
from pathlib import Path

import pytest

from exporter.commands.main import main
from exporter.configuration.settings import Settings, load_settings
from exporter.configuration.toml import effective

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def template(capsys: Capture) -> str:
    """Give the file as it is printed."""
    assert main(["config", "init"]) == 0
    return capsys.readouterr().out


def test_dash_is_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, template: str
) -> None:
    """`config init -` prints the file, and creates none of that name."""
    monkeypatch.chdir(tmp_path)
    assert main(["config", "init", "-"]) == 0
    assert capsys.readouterr().out == template
    assert list(tmp_path.iterdir()) == []


def test_template_changes_nothing(template: str) -> None:
    """As it comes, the file is TOML without a setting."""
    assert tomllib.loads(template) == {}


def test_template_has_every_setting(template: str) -> None:
    """Without their `#` the lines are all settings, with their defaults or good examples."""
    lines = [line.removeprefix("#") for line in template.splitlines() if line[1:2] not in (" ", "")]
    values = tomllib.loads("\n".join(lines))
    assert values.keys() == Settings.model_fields.keys() - {"config"}
    values = load_settings(**values).model_dump()
    for name, field in Settings.model_fields.items():
        if name != "config" and not field.examples:
            assert values[name] == field.default
    assert all(field.description in " ".join(template.split("\n# ")).replace("\n", " ")
               for name, field in Settings.model_fields.items()
               if name != "config" and field.description)  # fmt: skip


def test_file_is_created_once(tmp_path: Path, capsys: Capture, template: str) -> None:
    """A file of settings that exists is not overwritten."""
    path = tmp_path / "settings.toml"
    assert main(["config", "init", str(path)]) == 0
    assert path.read_text("utf-8") == template
    path.write_text("ingest_port = 5\n")
    assert main(["config", "init", str(path)]) == 2
    assert capsys.readouterr().err == f"push-result-exporter: {path}: File exists\n"
    assert path.read_text() == "ingest_port = 5\n"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"apps": ["shop"], "results_token_files": ['a"b', "密"], "keepalive_seconds": 0.5},
        {"ledger_url": "postgresql://db/x", "record": "a b", "log_level": "debug"},
    ],
)
def test_effective_settings_can_be_pasted(tmp_path: Path, given: dict[str, object]) -> None:
    """The effective settings as a file give the same settings again."""
    settings = load_settings(**{"allow_unsigned": True} | given)
    path = tmp_path / "settings.toml"
    path.write_text(effective(settings), "utf-8")
    again = load_settings(config=path).model_dump(exclude={"config"})
    assert again == settings.model_dump(exclude={"config"})


def test_password_is_not_in_effective_settings() -> None:
    """A URL whose password is hidden is a comment: pasted, it would be wrong."""
    text = effective(load_settings(allow_unsigned=True, ledger_url="postgresql://u:s3cret@h/d"))
    assert "s3cret" not in text
    assert '\n# ledger_url = "postgresql://u:…@h/d"  # the password is not shown\n' in text
