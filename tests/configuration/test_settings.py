"""Settings from flags, environment and file: their precedence, and the errors for invalid ones."""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from exporter.commands.flags import add_flags
from exporter.configuration.settings import Settings, load_settings
from exporter.errors import ConfigurationError

DEFAULTS: dict[str, object] = {
    "INGEST_HOST": "0.0.0.0",
    "INGEST_PORT": 10987,
    "ADMIN_HOST": "127.0.0.1",
    "ADMIN_PORT": 10988,
    "TLS_CERT_FILE": None,
    "TLS_KEY_FILE": None,
    "INGEST_TLS_CERT_FILE": None,
    "INGEST_TLS_KEY_FILE": None,
    "ADMIN_TLS_CERT_FILE": None,
    "ADMIN_TLS_KEY_FILE": None,
    "ADMIN_TLS_CLIENT_CA_FILE": None,
    "ADMIN_PASSWORD_FILE": None,
    "KEEPALIVE_SECONDS": 75,
    "BODY_TIMEOUT_SECONDS": 10,
    "MAX_CONNECTIONS": 10000,
    "REUSE_PORT": False,
    "GATEWAY_FILES": (),
    "APPS": (),
    "MPS_PUBLIC_KEY_FILES": (),
    "RESULTS_TOKEN_FILES": (),
    "RESULTS_SECRET_FILES": (),
    "ALLOW_UNSIGNED": False,
    "MAX_BODY_BYTES": 1048576,
    "CODE_TABLE_FILES": (),
    "EXTERNAL_URL": None,
    "RUNBOOK_BASE_URL": None,
    "LEDGER_PATH": Path("data/ledger.sqlite3"),
    "LEDGER_URL": None,
    "LEDGER_PASSWORD_FILE": None,
    "INSTANCE": None,
    "DEDUPE_WINDOW_SECONDS": 86400,
    "DEDUPE_MAX_KEYS": 1048576,
    "LEDGER_SYNC": "full",
    "MAX_PENDING_RESULTS": 100000,
    "RECORD": None,
    "RECORD_MAX_BYTES": 10485760,
    "RECORD_UNAUTHENTICATED": False,
    "LOG_LEVEL": "info",
    "LOG_FORMAT": "console",
}
"""Every setting of the contract."""

LISTS = [name for name in DEFAULTS if name.endswith("_FILES")]
SWITCHES = [name for name, value in DEFAULTS.items() if value is False]

SAMPLES: dict[str, tuple[str, object]] = {
    "INGEST_HOST": ("::1", "::1"),
    "INGEST_PORT": ("0", 0),
    "ADMIN_HOST": ("0.0.0.0", "0.0.0.0"),
    "ADMIN_PORT": ("65535", 65535),
    "MPS_PUBLIC_KEY_FILES": ("a.pem", (Path("a.pem"),)),
    "RESULTS_TOKEN_FILES": ("a,b", (Path("a"), Path("b"))),
    "RESULTS_SECRET_FILES": ('["a"]', (Path("a"),)),
    "GATEWAY_FILES": ("a.toml", (Path("a.toml"),)),
    "ALLOW_UNSIGNED": ("true", True),
    "LEDGER_PATH": ("/srv/ledger", Path("/srv/ledger")),
    "LEDGER_URL": ("postgresql://db/x", "postgresql://db/x"),
    "LEDGER_PASSWORD_FILE": ("password", Path("password")),
    "INSTANCE": ("a", "a"),
    "LEDGER_SYNC": ("normal", "normal"),
    "DEDUPE_WINDOW_SECONDS": ("0.5", 0.5),
    "DEDUPE_MAX_KEYS": ("2048", 2048),
    "MAX_BODY_BYTES": ("1", 1),
    "MAX_PENDING_RESULTS": ("5", 5),
    "MAX_CONNECTIONS": ("7", 7),
    "BODY_TIMEOUT_SECONDS": ("2.5", 2.5),
    "CODE_TABLE_FILES": ("a.toml, b.toml", (Path("a.toml"), Path("b.toml"))),
    "RECORD": ("records", Path("records")),
    "RECORD_MAX_BYTES": ("4096", 4096),
    "RECORD_UNAUTHENTICATED": ("true", True),
    "LOG_LEVEL": ("DEBUG", "debug"),
    "LOG_FORMAT": ("json", "json"),
    "TLS_CERT_FILE": ("cert", Path("cert")),
    "TLS_KEY_FILE": ("key", Path("key")),
    "ADMIN_PASSWORD_FILE": ("users", Path("users")),
    "RUNBOOK_BASE_URL": ("https://x/", "https://x/"),
    "EXTERNAL_URL": ("https://x/", "https://x/"),
    "KEEPALIVE_SECONDS": ("620", 620),
    "APPS": ("shop, news", ("shop", "news")),
    "INGEST_TLS_CERT_FILE": ("cert", Path("cert")),
    "INGEST_TLS_KEY_FILE": ("key", Path("key")),
    "ADMIN_TLS_CERT_FILE": ("cert", Path("cert")),
    "ADMIN_TLS_KEY_FILE": ("key", Path("key")),
    "ADMIN_TLS_CLIENT_CA_FILE": ("ca", Path("ca")),
    "REUSE_PORT": ("true", True),
}
"""A value for each setting as text, and what it is read as."""

BAD = [
    ("INGEST_PORT", "http"),
    ("INGEST_PORT", "65536"),
    ("ADMIN_PORT", "-1"),
    ("LEDGER_SYNC", "extra"),
    ("DEDUPE_WINDOW_SECONDS", "-1"),
    ("DEDUPE_WINDOW_SECONDS", "nan"),
    ("DEDUPE_WINDOW_SECONDS", "inf"),
    ("BODY_TIMEOUT_SECONDS", "0"),
    ("BODY_TIMEOUT_SECONDS", "ten"),
    ("KEEPALIVE_SECONDS", "0"),
    ("EXTERNAL_URL", "push.example.com"),
    ("EXTERNAL_URL", "https://"),
    ("EXTERNAL_URL", "https://push example.com"),
    ("EXTERNAL_URL", "https://user:word@push.example.com"),
    ("EXTERNAL_URL", "https://push.example.com/?page=1"),
    ("RUNBOOK_BASE_URL", "https://wiki.example.com/#runbooks"),
    ("APPS", "Shop"),
    ("APPS", "other"),
    ("APPS", "a,b,a"),
    ("APPS", "-shop"),
    ("APPS", "s" * 64),
    ("APPS", ",".join(f"app{n}" for n in range(101))),
    ("MAX_BODY_BYTES", "0"),
    ("MAX_BODY_BYTES", "1e999"),
    ("MAX_PENDING_RESULTS", "0"),
    ("RECORD_MAX_BYTES", "0"),
    ("RECORD_UNAUTHENTICATED", "perhaps"),
    ("MAX_CONNECTIONS", "1.5"),
    ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"),
    ("REUSE_PORT", "perhaps"),
    ("RESULTS_TOKEN_FILES", '["a"'),
    ("RESULTS_TOKEN_FILES", "[1]"),
    ("CODE_TABLE_FILES", "[[]]"),
]

Write = Callable[[str], str]


def flag(name: str) -> str:
    """Give the flag of a setting."""
    return "--" + name.lower().replace("_", "-")


def load(*words: str, **given: Any) -> Settings:
    """Load settings with these words on the command line."""
    parser = argparse.ArgumentParser()
    add_flags(parser, Settings)
    return load_settings(Settings, parser.parse_args(words), **given)


def value(settings: Settings, name: str) -> object:
    """Read a setting by the contract's name."""
    found: object = getattr(settings, name.lower())
    return found


def context(name: str) -> dict[str, Any]:
    """Return the settings that are required together with the one under test."""
    needed: dict[str, Any] = {} if name == "ALLOW_UNSIGNED" else {"allow_unsigned": True}
    if name == "ADMIN_TLS_CLIENT_CA_FILE":
        return needed | {"tls_cert_file": "cert", "tls_key_file": "key"}
    if name.endswith(("TLS_CERT_FILE", "TLS_KEY_FILE")):
        other = name.replace("CERT", "KEY") if "CERT" in name else name.replace("KEY", "CERT")
        return needed | {other.lower(): "other"}
    return needed


@pytest.fixture
def config(tmp_path: Path) -> Write:
    """Give a function that writes a settings file and returns its path."""

    def write(text: str) -> str:
        path = tmp_path / "settings.toml"
        path.write_text(text)
        return str(path)

    return write


def env(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Set settings in the environment."""
    for name, text in values.items():
        monkeypatch.setenv(f"PUSH_EXPORTER_{name}", text)


def test_every_setting_has_the_contracts_default() -> None:
    """The settings are those of the contract, no more and no less, with its defaults."""
    fields = {
        name.upper(): field.get_default(call_default_factory=True)
        for name, field in Settings.model_fields.items()
    }
    assert fields == {"CONFIG": None} | DEFAULTS


def test_defaults_hold_where_nothing_is_given() -> None:
    """With nothing but permission to start unsigned, every other setting has its default."""
    found = load(allow_unsigned=True).model_dump()
    assert {name.upper(): setting for name, setting in found.items()} == {
        "CONFIG": None
    } | DEFAULTS | {"ALLOW_UNSIGNED": True}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_flag_sets_each_setting(name: str) -> None:
    """Each setting has a flag of the same name."""
    text, expected = SAMPLES[name]
    assert value(load(flag(name), text, **context(name)), name) == expected


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_variable_sets_each_setting(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each setting has an environment variable of the same name."""
    text, expected = SAMPLES[name]
    env(monkeypatch, **{name: text})
    assert value(load(**context(name)), name) == expected


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_file_sets_each_setting(config: Write, name: str, case: Callable[[str], str]) -> None:
    """Each setting can stand in the file, in either case."""
    text, expected = SAMPLES[name]
    path = config(f"{case(name)} = {json.dumps(text)}\n")
    assert value(load("--config", path, **context(name)), name) == expected


def test_a_file_may_use_tomls_own_types(config: Write) -> None:
    """Numbers, booleans and arrays of the file need no quotes."""
    path = config('ingest_port = 1\nallow_unsigned = true\nresults_token_files = ["a", "b"]\n')
    settings = load("--config", path)
    assert (settings.ingest_port, settings.allow_unsigned) == (1, True)
    assert settings.results_token_files == (Path("a"), Path("b"))


@pytest.mark.parametrize(
    ("words", "variable", "line", "expected"),
    [
        (("--ingest-port", "1"), "2", "ingest_port = 3", 1),
        ((), "2", "ingest_port = 3", 2),
        ((), "", "ingest_port = 3", 3),
        ((), None, "ingest_port = 3", 3),
        ((), None, "", 10987),
        (("--ingest-port", "1"), None, "ingest_port = 3", 1),
        (("--ingest-port", "1"), "2", "", 1),
        (("--ingest-port", "1"), "not a port", 'ingest_port = "nor this"', 1),
    ],
)
def test_flags_take_precedence_over_environment_and_file(
    monkeypatch: pytest.MonkeyPatch,
    config: Write,
    *,
    words: tuple[str, ...],
    variable: str | None,
    line: str,
    expected: int,
) -> None:
    """A flag hides the variable, which hides the file, which hides the default."""
    if variable is not None:
        env(monkeypatch, INGEST_PORT=variable)
    settings = load("--config", config(line), *words, allow_unsigned=True)
    assert settings.ingest_port == expected


def test_lists_replace_each_other(monkeypatch: pytest.MonkeyPatch, config: Write) -> None:
    """A list from a stronger source replaces the weaker one's; the two are not joined."""
    path = config('results_token_files = ["from-file", "too"]')
    assert load("--config", path).results_token_files == (Path("from-file"), Path("too"))
    env(monkeypatch, RESULTS_TOKEN_FILES="from-environment")
    assert load("--config", path).results_token_files == (Path("from-environment"),)
    found = load("--config", path, "--results-token-files", "from-flag").results_token_files
    assert found == (Path("from-flag"),)


def test_the_environment_names_the_file(monkeypatch: pytest.MonkeyPatch, config: Write) -> None:
    """A variable names the file, and the flag `--config` takes precedence."""
    env(monkeypatch, CONFIG=config("ingest_port = 3"))
    assert load(allow_unsigned=True).ingest_port == 3
    other = Path(config("")).with_name("other.toml")
    other.write_text("ingest_port = 4")
    assert load("--config", str(other), allow_unsigned=True).ingest_port == 4


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one", ["one"]),
        ("one,two", ["one", "two"]),
        (" one , two ,", ["one", "two"]),
        ('["one", "two"]', ["one", "two"]),
        (' ["a,b"]', ["a,b"]),
        ("[]", []),
        (" ", []),
        (",", []),
    ],
)
def test_lists_are_json_or_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, expected: list[str]
) -> None:
    """A list in the environment is a JSON array, or words between commas."""
    env(monkeypatch, **{name: text})
    assert value(load(allow_unsigned=True), name) == tuple(map(Path, expected))


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["one", "two"], ["one", "two"]),
        (["one,two", "three"], ["one", "two", "three"]),
        (['["one", "two"]'], ["one", "two"]),
        (["one,two"], ["one", "two"]),
    ],
)
def test_flags_of_a_list_add_up(name: str, texts: list[str], expected: list[str]) -> None:
    """A flag of a list can be given several times, and each time hold several words."""
    words = [word for text in texts for word in (flag(name), text)]
    assert value(load(*words, allow_unsigned=True), name) == tuple(map(Path, expected))


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize(
    ("words", "expected"), [([], True), (["true"], True), (["false"], False), (["1"], True)]
)
def test_a_switch_may_stand_alone(name: str, words: list[str], expected: bool) -> None:
    """The flag of a boolean means true by itself and takes true or false."""
    settings = load(flag(name), *words, "--results-token-files", "token")
    assert value(settings, name) is expected


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_flag_is_named(name: str, text: str) -> None:
    """An error names the setting and the flag that it came from."""
    with pytest.raises(ConfigurationError, match=f"^{name}: .*flag {flag(name)}"):
        load(f"{flag(name)}={text}", allow_unsigned=True)


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """An error names the setting and the variable that it came from."""
    env(monkeypatch, **{name: text})
    with pytest.raises(ConfigurationError, match=f"^{name}: .*PUSH_EXPORTER_{name}"):
        load(allow_unsigned=True)


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_line_of_the_file_is_named(config: Write, name: str, text: str) -> None:
    """An error names the setting and the file that it came from."""
    path = config(f"{name.lower()} = {json.dumps(text)}")
    with pytest.raises(ConfigurationError, match=f"^{name}: .*{path}"):
        load("--config", path, allow_unsigned=True)


def test_all_bad_settings_are_named_at_once(config: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several bad settings make one error, each with where it stands."""
    env(monkeypatch, ADMIN_PORT="x")
    path = config('max_body_bytes = "x"')
    with pytest.raises(ConfigurationError) as caught:
        load("--config", path, "--ingest-port", "x", allow_unsigned=True)
    places = {
        "INGEST_PORT": "(flag --ingest-port)",
        "ADMIN_PORT": "(environment PUSH_EXPORTER_ADMIN_PORT)",
        "MAX_BODY_BYTES": f"(config file {path})",
    }
    problems = {part.split(":")[0]: part for part in str(caught.value).split("; ")}
    assert problems.keys() == places.keys()
    assert all(problems[name].endswith(place) for name, place in places.items())


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("QQQQQQ", ""),
        ("INGEST_PROT", "INGEST_PORT"),
        ("INGEST__PORT", "INGEST_PORT"),
        ("mps_public_key_file", "MPS_PUBLIC_KEY_FILES"),
        ("RESULTS_TOKEN", "RESULTS_TOKEN_FILES"),
    ],
)
def test_an_unknown_variable_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str, near: str
) -> None:
    """An unknown variable with the prefix is named, with the most similar setting."""
    env(monkeypatch, **{name: "x"})
    with pytest.raises(ConfigurationError) as caught:
        load(allow_unsigned=True)
    hint = f"; did you mean 'PUSH_EXPORTER_{near}'?" if near else ""
    assert str(caught.value) == f"environment: unknown setting PUSH_EXPORTER_{name}{hint}"


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("", "RESULTS_TOKEN_FILES"),
        ("EXPORTER_", "RESULTS_TOKEN_FILES"),
        ("PUSH_RESULT_EXPORTER_", "GATEWAY_FILES"),
        ("", "ALLOW_UNSIGNED"),
    ],
)
def test_credentials_under_another_prefix_are_noticed(
    monkeypatch: pytest.MonkeyPatch, prefix: str, name: str
) -> None:
    """Where nothing authenticates senders, a variable with a wrong prefix is named."""
    monkeypatch.setenv(f"{prefix}{name}", "true")
    hint = f"the environment has {prefix}{name}: rename it to PUSH_EXPORTER_{name}$"
    with pytest.raises(ConfigurationError, match=hint):
        load()


@pytest.mark.parametrize("line", ["colour = 1", "COLOUR = 1"])
def test_an_unknown_key_of_the_file_is_an_error(config: Write, line: str) -> None:
    """An unknown key of the file is refused by name, with the name of the file."""
    path = config(line)
    with pytest.raises(ConfigurationError, match=f"COLOUR: unknown setting.*{path}"):
        load("--config", path, allow_unsigned=True)


def test_settings_are_not_in_tables(config: Write) -> None:
    """A table in the settings file is refused with an explanation."""
    with pytest.raises(ConfigurationError, match=r"settings are not in tables: remove \[server\]"):
        load("--config", config("[server]\ningest_port = 1"), allow_unsigned=True)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("MAX_BODY_BYTES", "1MB", "'1MB' is not a whole number of bytes, such as 1048576"),
        ("BODY_TIMEOUT_SECONDS", "10m", "'10m' is not a number of seconds, such as 600"),
        ("INGEST_PORT", '"21000"', '"21000" is not a whole number: remove the quotes'),
        ("INGEST_PORT", "9" * 41 + "x", "unable to parse"),
    ],
)
def test_number_that_is_none(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, message: str
) -> None:
    """The error shows the value and the expected kind, unless the value is long."""
    env(monkeypatch, **{name: text})
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        load(allow_unsigned=True)


def test_variables_of_a_kubernetes_service_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes sets variables with our prefix for a Service called push-exporter."""
    env(monkeypatch, SERVICE_HOST="10.0.0.1", PORT="tcp://10.0.0.1:80", PORT_80_TCP_PORT="80")
    with pytest.raises(ConfigurationError, match="enableServiceLinks: false") as caught:
        load(allow_unsigned=True)
    assert "did you mean" not in str(caught.value)


def test_misspelt_key_of_the_file_gets_a_suggestion(config: Write) -> None:
    """The nearest setting is suggested, in either case of letters."""
    with pytest.raises(ConfigurationError, match="did you mean 'LOG_LEVEL'"):
        load("--config", config('log_levle = "debug"'), allow_unsigned=True)


def test_an_unknown_flag_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown flag is a usage error that names it."""
    with pytest.raises(SystemExit):
        load("--colour", "red")
    assert "--colour" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        b"ingest_port = ",
        b"ingest_port = 1\ningest_port = 2",
        b'ingest_host = "\xff"',
        b'{"ingest_port": 1}',
        pytest.param(b"max_body_bytes = " + b"1" * 5000, id="integer of 5000 digits"),
    ],
)
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    """A file that cannot be parsed is an error that names it."""
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=str(path)):
        load("--config", str(path), allow_unsigned=True)


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    """A missing file, or a folder in its place, is an error that names it."""
    path = tmp_path / name
    with pytest.raises(ConfigurationError, match=str(path)):
        load("--config", str(path), allow_unsigned=True)


def test_no_start_without_credentials() -> None:
    """With no key, token or secret the error names every setting that would fix it."""
    with pytest.raises(ConfigurationError) as caught:
        load()
    names = ["MPS_PUBLIC_KEY_FILES", "RESULTS_TOKEN_FILES", "RESULTS_SECRET_FILES"]
    missing = [name for name in [*names, "ALLOW_UNSIGNED"] if name not in str(caught.value)]
    assert missing == []


@pytest.mark.parametrize(
    "words",
    [
        ("--mps-public-key-files", "a"),
        ("--results-token-files", "a"),
        ("--results-secret-files", "a"),
        ("--allow-unsigned",),
    ],
)
def test_one_credential_is_enough(words: tuple[str, ...]) -> None:
    """The exporter starts with the file of any one scheme, or with ALLOW_UNSIGNED."""
    settings = load(*words)
    assert settings.has_credentials == (words[0] != "--allow-unsigned")


@pytest.mark.parametrize("words", [("--allow-unsigned", "false"), ("--results-token-files", "")])
def test_an_empty_credential_is_not_enough(words: tuple[str, ...]) -> None:
    """`ALLOW_UNSIGNED=false` or an empty list does not let the exporter start."""
    with pytest.raises(ConfigurationError, match="nothing authenticates senders"):
        load(*words)


@pytest.mark.parametrize("prefix", ["", "INGEST_", "ADMIN_"])
@pytest.mark.parametrize("half", ["CERT", "KEY"])
def test_one_half_of_a_tls_pair_is_an_error(prefix: str, half: str) -> None:
    """A certificate without its key, or a key alone, is refused; the error names both."""
    pair = f"{prefix}TLS_CERT_FILE and {prefix}TLS_KEY_FILE: set both, or neither"
    with pytest.raises(ConfigurationError, match=f"^{pair}$"):
        load(flag(f"{prefix}TLS_{half}_FILE"), "file", allow_unsigned=True)


BOTH = {"tls_cert_file": "c", "tls_key_file": "k"}
INGEST = {"ingest_tls_cert_file": "ic", "ingest_tls_key_file": "ik"}
ADMIN = {"admin_tls_cert_file": "ac", "admin_tls_key_file": "ak"}


@pytest.mark.parametrize(
    ("given", "ingest", "admin"),
    [
        ({}, None, None),
        (BOTH, ("TLS", "c", "k"), ("TLS", "c", "k")),
        (INGEST, ("INGEST_TLS", "ic", "ik"), None),
        (ADMIN, None, ("ADMIN_TLS", "ac", "ak")),
        (BOTH | ADMIN, ("TLS", "c", "k"), ("ADMIN_TLS", "ac", "ak")),
        (INGEST | ADMIN, ("INGEST_TLS", "ic", "ik"), ("ADMIN_TLS", "ac", "ak")),
    ],
)
def test_each_listener_may_have_its_own_tls(
    given: dict[str, str], ingest: tuple[str, ...] | None, admin: tuple[str, ...] | None
) -> None:
    """A listener's own pair takes precedence over the common one."""
    settings = load(allow_unsigned=True, **given)
    found = [
        files and (files.prefix, str(files.certificate), str(files.key))
        for files in (settings.ingest_tls, settings.admin_tls)
    ]
    assert found == [ingest, admin]


def test_client_ca_is_of_the_admin_listener_with_tls() -> None:
    """A client CA is the admin listener's alone, which needs a certificate."""
    settings = load("--admin-tls-client-ca-file", "ca", allow_unsigned=True, **BOTH)
    files = settings.ingest_tls, settings.admin_tls
    assert [file and file.client_ca for file in files] == [None, Path("ca")]
    with pytest.raises(ConfigurationError, match="ADMIN_TLS_CLIENT_CA_FILE needs a certificate"):
        load("--admin-tls-client-ca-file", "ca", allow_unsigned=True, **INGEST)


def test_contradictions_are_named_at_once() -> None:
    """Settings that do not go together are reported in one error."""
    with pytest.raises(ConfigurationError) as caught:
        load("--tls-cert-file", "c", "--ingest-port", "5", "--admin-port", "5")
    problems = str(caught.value).split("; ")
    assert [problem.split()[0] for problem in problems] == [
        "TLS_CERT_FILE",
        "INGEST_PORT",
        "nothing",
    ]


@pytest.mark.parametrize("hosts", [(), ("--ingest-host", "127.0.0.1"), ("--admin-host", "::")])
def test_two_listeners_on_one_port_are_an_error(hosts: tuple[str, ...]) -> None:
    """Where their addresses meet, the error names both settings; 0 is any port that is free."""
    with pytest.raises(ConfigurationError, match="INGEST_PORT and ADMIN_PORT are the same"):
        load("--ingest-port", "5", "--admin-port", "5", *hosts, allow_unsigned=True)
    load("--ingest-port", "0", "--admin-port", "0", *hosts, allow_unsigned=True)
    apart = ("--ingest-host", "10.0.0.1", "--admin-host", "127.0.0.1")
    load("--ingest-port", "5", "--admin-port", "5", *apart, allow_unsigned=True)


@pytest.mark.parametrize("name", [*DEFAULTS, "CONFIG"])
def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A variable that is set to nothing, as compose files do, leaves the default."""
    env(monkeypatch, **{name: ""})
    settings = load("--results-token-files", "token")
    given = {"RESULTS_TOKEN_FILES": (Path("token"),)}
    found = {key.upper(): setting for key, setting in settings.model_dump().items()}
    assert found == {"CONFIG": None} | DEFAULTS | given


def test_settings_are_frozen() -> None:
    """A loaded setting cannot be changed."""
    settings = load(allow_unsigned=True)
    with pytest.raises(ValidationError, match="frozen"):
        settings.ingest_port = 1  # type: ignore[misc]


def test_an_unknown_name_in_code_is_an_error() -> None:
    """An unknown setting given by a caller is refused by name."""
    with pytest.raises(ConfigurationError, match="COLOUR: unknown setting"):
        load_settings(allow_unsigned=True, colour="red")


def test_the_help_shows_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """Each setting's flag is in the help, with a description."""
    with pytest.raises(SystemExit):
        load("--help")
    shown = capsys.readouterr().out
    assert [name for name in DEFAULTS if f"{flag(name)} " not in shown] == []
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:s3cret@h,i:5432/db?a=1", "postgresql://u:…@h,i:5432/db?a=1"),
        ("postgresql://u:s3:cr/e@t@h/db", "postgresql://u:…@h/db"),
        ("postgresql://h/db?password=s3cret&a=1", "postgresql://h/db?password=…&a=1"),
        ("postgresql://u@h:5432/db", "postgresql://u@h:5432/db"),
    ],
)
def test_the_password_in_the_ledgers_url_is_not_shown(url: str, shown: str) -> None:
    """Settings are shown with the database's URL, without its password."""
    settings = load(allow_unsigned=True, ledger_url=url)
    assert settings.ledger_url == url
    assert settings.model_dump(mode="json")["ledger_url"] == shown
    assert settings.model_dump()["ledger_url"] == shown
