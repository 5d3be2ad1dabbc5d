"""The compose file: its schema, what it mounts and publishes, and Prometheus as it starts it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from dashboards import names
from exporter.commands.parser import COMMANDS, build_parser
from exporter.configuration.settings import load_settings
from exporter.configuration.version import VERSION
from exporter.gateways.auth.public_keys import load_private_key
from tests.support.markdown import ROOT
from tests.support.programs import (
    answers,
    checked,
    fetch,
    free_port,
    program,
    started,
    tool,
    wait_for,
)
from tests.support.rules import ALERTS, DEPLOY

FILE = DEPLOY / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def mounts(service: str) -> Iterator[tuple[str, str]]:
    """Give what a service mounts and where."""
    for volume in SERVICES[service].get("volumes", []):
        source, target = volume.split(":")[:2]
        yield source, target


def test_schema() -> None:
    """It is a compose file, by the specification's schema."""
    checked(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", FILE)
    checked(
        tool("yamllint"),
        "--strict",
        "-d",
        "{extends: relaxed, rules: {line-length: disable}}",
        FILE,
    )


@pytest.mark.parametrize("service", SERVICES)
def test_mounted_paths_exist(service: str) -> None:
    """Each folder that is mounted exists, and each volume, secret and config is declared."""
    for source, _ in mounts(service):
        assert source in COMPOSE["volumes"] or (source[0] == "." and (DEPLOY / source).is_dir())
    assert set(SERVICES[service].get("secrets", [])) <= COMPOSE["secrets"].keys()
    assert {one["source"] for one in SERVICES[service].get("configs", [])} <= COMPOSE[
        "configs"
    ].keys()
    if "build" in SERVICES[service]:
        assert (DEPLOY / SERVICES[service]["build"]["context"] / "Dockerfile").exists()


@pytest.mark.parametrize("service", SERVICES)
def test_read_only_services_mount_files(service: str) -> None:
    """Compose refuses a config or secret with inline content in a read-only container."""
    declared = SERVICES[service]
    sources = [COMPOSE["configs"][one["source"]] for one in declared.get("configs", [])]
    sources += [COMPOSE["secrets"][name] for name in declared.get("secrets", [])]
    assert not declared.get("read_only") or all(one.keys() == {"file"} for one in sources)


@pytest.mark.parametrize("service", SERVICES)
def test_services_are_pinned_checked_and_confined(service: str) -> None:
    """Whole versions, health checks; only webhooks and Grafana are published."""
    declared = SERVICES[service]
    name, tag = declared["image"].split(":")
    # PostgreSQL's releases have two numbers.
    assert re.fullmatch(r"\d+\.\d+" if name == "postgres" else r"v?\d+\.\d+\.\d+", tag)
    assert name != "push-result-exporter" or tag == VERSION
    assert "healthcheck" in declared
    assert declared["cap_drop"] == ["ALL"]
    published = {"exporter": ["10987:10987"], "grafana": ["3000:3000"]}
    assert declared.get("ports", []) == published.get(service, [])


def interpolated(text: str, **variables: str) -> str:
    """Put variables into a text as compose does: `${NAME:-default}`, `${NAME:+if set}`."""

    def value(match: re.Match[str]) -> str:
        name, sign, word = match.groups()
        given = variables.get(name, "")
        return (given or word) if sign == "-" else (given and word)

    return re.sub(r"\$\{(\w+):([-+])([^}]*)\}", value, text)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Make the secrets by the commands at the file's head."""
    folder = tmp_path_factory.mktemp("compose")
    command = re.compile(r"^#   ((?:mkdir|openssl|chmod).*?)(?:  #.*)?$", re.MULTILINE)
    shell = "\n".join(command.findall(FILE.read_text()))
    subprocess.run(["bash", "-euc", shell], cwd=folder, check=True, capture_output=True)
    return {name: folder / secret["file"] for name, secret in COMPOSE["secrets"].items()}


@pytest.mark.parametrize("ledger_url", [None, "postgresql://push@postgresql/push"])
def test_settings_are_known(
    secrets: dict[str, Path], monkeypatch: pytest.MonkeyPatch, ledger_url: str | None
) -> None:
    """The exporter takes the settings and reads the secrets, with either ledger."""
    assert all(path.stat().st_mode & 0o004 for path in secrets.values())
    places = {f"/run/secrets/{name}": str(path) for name, path in secrets.items()}
    for name, text in SERVICES["exporter"]["environment"].items():
        value = interpolated(text, **({"LEDGER_URL": ledger_url} if ledger_url else {}))
        monkeypatch.setenv(name, places.get(value, value))
    settings = load_settings()
    assert settings.mps_public_key_files == (secrets["mps-public-key"],)
    assert settings.ledger_url == ledger_url
    assert settings.ledger_password_file == (secrets["ledger-password"] if ledger_url else None)


def test_simulator_is_called_as_it_wants(secrets: dict[str, Path]) -> None:
    """The command is one that the command line knows, and its key is one that it reads."""
    options = build_parser(COMMANDS).parse_args(SERVICES["simulate"]["command"])
    assert options.private_key.name in SERVICES["simulate"]["secrets"]
    load_private_key(secrets[options.private_key.name])


def test_profile_has_the_database_of_the_url() -> None:
    """What the head puts into .env starts a service that has this user, database and password."""
    lines = dict(re.findall(r"^#   ([A-Z_]+)=(\S+)$", FILE.read_text(), re.MULTILINE))
    url = urlsplit(lines["LEDGER_URL"])
    database = SERVICES[str(url.hostname)]
    assert database["profiles"] == [lines["COMPOSE_PROFILES"]]
    assert database["environment"]["POSTGRES_USER"] == url.username
    assert database["environment"]["POSTGRES_DB"] == url.path[1:]
    password = Path(database["environment"]["POSTGRES_PASSWORD_FILE"]).name
    assert password in database["secrets"]
    assert password in SERVICES["exporter"]["secrets"]
    waits = SERVICES["exporter"]["depends_on"][url.hostname]
    assert waits == {"condition": "service_healthy", "required": False}
    (start,) = [option for option in database["healthcheck"]["test"] if "username" in option]
    assert start == f"--username={url.username}"


def test_prometheus_finds_everything(tmp_path: Path) -> None:
    """Started as the file says, Prometheus scrapes the exporter and knows its rules and manager."""
    path = program("prometheus", "prometheus")
    service = SERVICES["prometheus"]
    etc = tmp_path / "etc" / "prometheus"
    ((source, target), (_, data)) = mounts("prometheus")
    assert tmp_path / target[1:] == etc
    shutil.copytree(DEPLOY / source, etc)
    for config in service["configs"]:
        mount = tmp_path / config["target"][1:]
        assert mount.exists()  # the folder is mounted read-only, so nothing can be made in it
        shutil.copyfile(DEPLOY / COMPOSE["configs"][config["source"]]["file"], mount)
    checked(program("promtool", "prometheus"), "check", "config", etc / "prometheus.yml")
    flags = [
        flag.replace("=/etc", f"={tmp_path}/etc").replace(f"={data}", f"={tmp_path}/data")
        for flag in service["command"]
    ]
    url = f"127.0.0.1:{free_port()}"
    with started([path, *flags, f"--web.listen-address={url}"], tmp_path / "prometheus.log"):
        wait_for(lambda: answers(f"http://{url}/-/ready"), "Prometheus is ready")

        def ask(what: str) -> Any:
            return json.loads(fetch(f"http://{url}/api/v1/{what}"))["data"]

        def scraped() -> str | None:
            targets = ask("targets")["activeTargets"]
            urls = {one["labels"]["job"]: str(one["scrapeUrl"]) for one in targets}
            return urls.get("push-result-exporter")

        wait_for(lambda: ask("alertmanagers")["activeAlertmanagers"], "it has an Alertmanager")
        target_url = wait_for(scraped, "it has an exporter")
        rules = [rule["name"] for group in ask("rules")["groups"] for rule in group["rules"]]
        (manager,) = ask("alertmanagers")["activeAlertmanagers"]
    assert target_url == "http://exporter:10988/metrics"
    assert manager["url"].startswith("http://alertmanager:9093/")
    assert {alert.name for alert in ALERTS} <= set(rules)


def test_alertmanager_finds_its_configuration() -> None:
    """The file that the flag names is in the mounted folder, and is a good one."""
    (source, target), _ = mounts("alertmanager")
    (flag,) = [one for one in SERVICES["alertmanager"]["command"] if "config.file" in one]
    file = Path(flag.partition("=")[2])
    assert str(file.parent) == target
    checked(
        program("amtool", "prometheus-alertmanager"), "check-config", DEPLOY / source / file.name
    )


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    """The data source is the service, and the dashboards are where the provider looks."""
    places = {target: DEPLOY / source for source, target in mounts("grafana") if source[0] == "."}
    provisioning = places["/etc/grafana/provisioning"]
    datasource = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())
    (prometheus,) = datasource["datasources"]
    assert prometheus["url"] == "http://prometheus:9090"
    assert prometheus["uid"] == names.DATASOURCE
    provider = yaml.safe_load((provisioning / "dashboards" / "push.yaml").read_text())
    dashboards = places[provider["providers"][0]["options"]["path"]]
    assert list(dashboards.glob("*.json"))


def test_alertmanager_targets_stand_alone() -> None:
    """Without compose, the targets are where exporter and Alertmanager listen by default."""
    targets = ROOT / "deploy" / "prometheus" / "targets"
    ((exporters,), (managers,)) = (
        yaml.safe_load((targets / name).read_text())
        for name in ("exporters.yml", "alertmanagers.yml")
    )
    assert exporters == {"targets": ["127.0.0.1:10988"]}
    assert managers == {"targets": ["127.0.0.1:9093"]}
