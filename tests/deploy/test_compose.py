"""The compose file: its schema, what it mounts and publishes, and Prometheus as it starts it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards import alerting
from exporter.commands.main import _parser
from exporter.gateways.auth.public_keys import load_private_key
from exporter.runtime import VERSION
from exporter.settings import load_settings
from tests.deploy.test_deploy import DEPLOY, ROOT, checked, tool
from tests.support.programs import answers, fetch, free_port, program, started, wait_for
from tests.support.rules import ALERTS

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
def test_services_are_pinned_checked_and_confined(service: str) -> None:
    """Whole versions, health checks; only webhooks and Grafana are published."""
    declared = SERVICES[service]
    name, tag = declared["image"].split(":")
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)
    assert name != "push-result-exporter" or tag == VERSION
    assert "healthcheck" in declared
    assert declared["cap_drop"] == ["ALL"]
    published = {"exporter": ["10987:10987"], "grafana": ["3000:3000"]}
    assert declared.get("ports", []) == published.get(service, [])


def test_commands_and_settings_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands at the head make the secrets that are declared, and the exporter takes them."""
    shell = "\n".join(
        re.findall(r"^#   ((?:mkdir|openssl|chmod).*?)(?:  #.*)?$", FILE.read_text(), re.MULTILINE)
    )
    subprocess.run(["bash", "-euc", shell], cwd=tmp_path, check=True, capture_output=True)
    files = {name: tmp_path / secret["file"] for name, secret in COMPOSE["secrets"].items()}
    assert all(path.stat().st_mode & 0o004 for path in files.values())
    for name, value in SERVICES["exporter"]["environment"].items():
        monkeypatch.setenv(name, value.replace("/run/secrets/", f"{tmp_path}/"))
    assert load_settings().mps_public_key_files == (tmp_path / "mps-public-key",)
    options = _parser().parse_args(SERVICES["simulate"]["command"])
    assert options.private_key.name in SERVICES["simulate"]["secrets"]
    load_private_key(files[options.private_key.name])


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
        mount.write_text(COMPOSE["configs"][config["source"]]["content"])
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
    assert prometheus["uid"] == alerting.DATASOURCE
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
