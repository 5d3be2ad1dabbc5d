"""The Helm chart, rendered by Helm itself for several sets of values: what holds for each."""

import asyncio
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import VERSION
from exporter.configuration.settings import Settings
from tests.deploy.test_deploy import DEPLOY, checked, tool
from tests.support.certificates import make_certificate
from tests.support.chart_values import chart_values
from tests.support.exporter import MakeSettings, started
from tests.support.helm import CHART, IMAGE, SETS, Manifest, Release, helm, released
from tests.support.passwords import PASSWORD, USER, write_users
from tests.support.programs import free_port, program, unavailable
from tests.support.rules import RULES

HOME = "/opt/push-result-exporter"

CUSTOM = ("monitoring.coreos.com/", "gateway.networking.k8s.io/")
"""API groups that Kubernetes does not bring itself."""

OPERATOR = "@kubernetes-models/prometheus-operator monitoringCoreosCom.v1"
MODELS = {
    "HTTPRoute": "@kubernetes-models/gateway-api gatewayNetworkingK8sIo.v1.IHTTPRoute",
    "PrometheusRule": f"{OPERATOR}.IPrometheusRule",
    "ServiceMonitor": f"{OPERATOR}.IServiceMonitor",
}
PACKAGES = ("@kubernetes-models/gateway-api@2.0.0", "@kubernetes-models/prometheus-operator@6.0.0")
COMPILER = "typescript@5.9.3"

OLDEST = "1.27.0"
LATEST = None
"""The latest that kubernetes-validate knows."""

FIXED = {
    "config", "ingest_host", "ingest_port", "admin_host", "admin_port", "ledger_path", "reuse_port",
    "ledger_url", "instance", "runbook_base_url",
}  # fmt: skip
"""Settings that the chart has values of its own for, or that are not for a container."""

ELSEWHERE = {"prometheusRule.job", "prometheusRule.replicaLabels"}
"""Values that test_helm_values renders by themselves."""


@pytest.fixture
def release(request: pytest.FixtureRequest) -> Release:
    """Give the chart, rendered for the set that the test names."""
    return released(request.param)


every = pytest.mark.parametrize("release", SETS, indirect=True)


@pytest.mark.parametrize("kubernetes", [OLDEST, LATEST])
def test_kubernetes_knows_every_field(tmp_path: Path, kubernetes: str | None) -> None:
    """From the oldest version that the chart admits to the latest, of all objects of its own."""
    for name in SETS:
        for number, one in enumerate(released(name).manifests):
            if not one["apiVersion"].startswith(CUSTOM):
                (tmp_path / f"{name}-{number}.yaml").write_text(yaml.safe_dump(one))
    version = ["--kubernetes-version", kubernetes] if kubernetes else []
    checked(tool("kubernetes-validate"), "--strict", "--quiet", *version, *tmp_path.iterdir())


@every
def test_manifests_are_tidy(release: Release, tmp_path: Path) -> None:
    """Yamllint finds nothing in what is rendered, duplicate keys above all."""
    rules = {"line-length": "disable", "indentation": {"indent-sequences": "whatever"}}
    config = json.dumps({"extends": "relaxed", "rules": rules | {"empty-lines": "disable"}})
    for number, text in enumerate(release.texts.values()):
        (tmp_path / f"text{number}.yaml").write_text(text.strip() + "\n")
    checked(tool("yamllint"), "--strict", "-d", config, *tmp_path.glob("text*"))


@pytest.mark.slow  # installs types from npm
def test_custom_resources_are_valid(tmp_path: Path) -> None:
    """The types of the Gateway API and the Prometheus operator have every field that is set."""
    npm, npx = (program(name, "npm") for name in ("npm", "npx"))
    (tmp_path / "package.json").write_text('{"private": true}')
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    install = [npm, "install", *quiet, *PACKAGES, COMPILER]
    if subprocess.run(install, cwd=tmp_path, capture_output=True, check=False).returncode:
        unavailable(f"npm cannot install {' and '.join(PACKAGES)}")
    found = [one for name in SETS for one in released(name).kinds(*MODELS)]
    assert {one["kind"] for one in found} == set(MODELS)
    compiler = [npx, "--no-install", "tsc", "--noEmit", "--strict", "--skipLibCheck"]
    options = ["--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022"]
    (tmp_path / "good.ts").write_text("".join(map(typed, found)))
    broken: Manifest = json.loads(json.dumps(found[0]).replace('"spec": {', '"spec": {"x": 1, ', 1))
    (tmp_path / "broken.ts").write_text(typed(broken))
    results = {
        name: subprocess.run(
            [*compiler, *options, name], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        for name in ("good.ts", "broken.ts")
    }
    assert results["good.ts"].returncode == 0, results["good.ts"].stdout
    assert "does not exist in type" in results["broken.ts"].stdout


def typed(manifest: Manifest) -> str:
    """Write an object as TypeScript, in a scope of its own."""
    package, name = MODELS[manifest["kind"]].split()
    return f'{{ const one: import("{package}").{name} = {json.dumps(manifest)}; void one; }}\n'


@every
def test_pod_is_confined(release: Release) -> None:
    """The pod meets the restricted standard, and writes to its ledger alone."""
    pod, container = release.pod, release.container
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    confined = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert confined.items() <= container["securityContext"].items()
    mounts = container.get("volumeMounts", [])
    writable = [one["name"] for one in mounts if not one.get("readOnly")]
    assert writable == (["ledger"] if release.workload["kind"] == "StatefulSet" else [])
    assert container["resources"]["limits"]["memory"]


@every
def test_objects_find_each_other(release: Release) -> None:
    """Selectors select the pods and nothing else, ports and volumes exist, names fit."""
    workload = release.workload
    labels = workload["spec"]["template"]["metadata"]["labels"].items()
    ports = {one["name"] for one in release.container["ports"]}
    services = {one["metadata"]["name"]: one["spec"] for one in release.kinds("Service")}
    tests = [one["metadata"]["labels"].items() for one in release.kinds("Pod")]
    selectors = [workload["spec"]["selector"]["matchLabels"]]
    for service in services.values():
        selectors.append(service["selector"])
        assert {one["targetPort"] for one in service["ports"]} <= ports
    selectors += [
        (one["spec"].get("podSelector") or one["spec"]["selector"])["matchLabels"]
        for one in release.kinds("NetworkPolicy", "PodDisruptionBudget")
    ]
    for selector in selectors:
        assert selector.items() <= labels
        assert not any(selector.items() <= test for test in tests)
    for one in release.kinds("Ingress", "HTTPRoute"):
        assert set(backends(one)) == {name for name in services if name.endswith("-ingest")}
    for one in release.kinds("HorizontalPodAutoscaler"):
        assert one["spec"]["scaleTargetRef"]["name"] == workload["metadata"]["name"]
        assert one["spec"]["scaleTargetRef"]["kind"] == workload["kind"]
        assert "replicas" not in workload["spec"]
    claims = [one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates", [])]
    volumes = [one["name"] for one in release.pod.get("volumes", [])]
    mounts = [one["name"] for one in release.container.get("volumeMounts", [])]
    assert sorted(mounts) == sorted(claims + volumes)
    if workload["kind"] == "StatefulSet":
        assert workload["spec"]["serviceName"] in services


def backends(manifest: Manifest) -> list[str]:
    """Name the Services that a route leads to."""
    return re.findall(r'"(?:service|backendRefs)": [\[{]+"name": "([^"]+)"', json.dumps(manifest))


@every
def test_exporter_takes_the_settings(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is one that the exporter starts with, and its files are mounted."""
    environment = release.environment
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings().ingest_host == environment["PUSH_EXPORTER_INGEST_HOST"]
    places = [one["mountPath"] for one in release.container.get("volumeMounts", [])]
    files = [
        Path(file)
        for name, value in environment.items()
        if name.endswith(("_FILE", "_FILES", "_PATH"))
        for file in value.split(",")
    ]
    assert files
    assert {str(file.parent) for file in files} <= set(places)
    names = [one["name"] for one in release.container["env"]]
    assert len(names) == len(set(names))


@every
def test_helm_test_asks_both_services(release: Release) -> None:
    """Each check of the test Pod leads to a port of a Service, and the policy lets it through."""
    pods = release.kinds("Pod")
    services = {one["metadata"]["name"]: one["spec"] for one in release.kinds("Service")}
    asked = set()
    for pod in pods:
        assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
        for container in pod["spec"]["containers"]:
            env = {one["name"]: one["value"] for one in container["env"]}
            name, _, rest = env["PUSH_EXPORTER_ADMIN_HOST"].partition(".")
            assert rest == "push.svc"
            (port,) = services[name]["ports"]
            assert env["PUSH_EXPORTER_ADMIN_PORT"] == str(port["port"])
            asked.add(name)
        for policy in release.kinds("NetworkPolicy"):
            for rule in policy["spec"]["ingress"]:
                peers = [one.get("podSelector", {}) for one in rule.get("from", [])]
                labels = pod["metadata"]["labels"].items()
                assert not peers or any(
                    one.get("matchLabels", {"": ""}).items() <= labels for one in peers
                )
    assert asked == (set(services) if pods else set())


@pytest.mark.parametrize("guarded", [False, True])
async def test_probes_and_test_ask_a_real_exporter(
    make_settings: MakeSettings, tmp_path: Path, guarded: bool
) -> None:
    """The commands of the chart, run as they are, find an exporter well, and a full disk not."""
    release = released("guarded" if guarded else "default")
    port = free_port()
    settings: dict[str, object] = {"admin_port": port}
    if guarded:
        settings |= guard(tmp_path)
    commands = [one["command"] for one in release.kinds("Pod")[0]["spec"]["containers"]]
    probes = [release.container[f"{kind}Probe"] for kind in ("liveness", "readiness")]
    commands += [probe["exec"]["command"] for probe in probes if "exec" in probe]
    assert len(commands) == (4 if guarded else 2)
    environment = {"PUSH_EXPORTER_ADMIN_HOST": "127.0.0.1", "PUSH_EXPORTER_ADMIN_PORT": str(port)}
    if guarded:
        environment["PUSH_EXPORTER_TLS_CERT_FILE"] = "/etc/push-result-exporter/tls/tls.crt"
    async with started(make_settings(**settings)):
        assert [await outcome(one, tmp_path, environment) for one in commands] == [0] * len(
            commands
        )
    (tmp_path / "full").touch()
    lost = make_settings(**settings, ledger_path=tmp_path / "full" / "ledger.sqlite3")
    async with started(lost):
        found = {one[3]: await outcome(one, tmp_path, environment) for one in commands}
    assert found == {"/-/healthy": 0, "/-/ready": 1}
    assert {await outcome(one, tmp_path, environment) for one in commands} == {1}


def guard(folder: Path) -> dict[str, object]:
    """Make what the two Secrets hold, and the settings that name it."""
    auth = folder / "admin-auth"
    auth.mkdir()
    (auth / "user").write_text(f"{USER}\n")
    (auth / "secret").write_text(f"{PASSWORD}\n")
    certificate = make_certificate(folder, "exporter")
    return {
        "admin_password_file": write_users(auth / "htpasswd"),
        "tls_cert_file": certificate.chain,
        "tls_key_file": certificate.key,
    }


async def outcome(command: list[str], folder: Path, environment: Mapping[str, str]) -> int:
    """Run a command of the chart here: this Python, this check, these files."""
    assert command[:3] == [f"{HOME}/bin/python", "-SI", f"{HOME}/healthcheck.py"]
    files = [one.replace("/etc/push-result-exporter", str(folder)) for one in command[4:]]
    words = [sys.executable, "-SI", str(DEPLOY / "image" / "healthcheck.py"), command[3], *files]
    process = await asyncio.create_subprocess_exec(*words, env=environment)
    return await process.wait()


def test_schema_knows_the_settings() -> None:
    """Every setting can be given, except those that the chart sets or that belong elsewhere."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    known = set(schema["properties"]["settings"]["properties"])
    files = {name for name in Settings.model_fields if name.endswith(("_file", "_files"))}
    assert known == {name.upper() for name in set(Settings.model_fields) - files - FIXED}


def test_values_are_documented() -> None:
    """Every value has a description in the schema, of which README's table is made."""
    values = chart_values()
    assert not [value.name for value in values if not value.meaning]
    names = {value.name.strip("`") for value in values}
    assert names >= {"image.repository", "ledger.postgresql.url", "test.enabled"}


def test_values_of_tests_cover_the_chart() -> None:
    """Each value is given in one of the sets at least, so that each is rendered and validated."""
    given = {name for one in SETS.values() for name in paths(one)}
    names = {value.name.strip("`") for value in chart_values()}
    missing = {
        name
        for name in names
        if not any(one == name or one.startswith(f"{name}.") for one in given)
    }
    assert missing == ELSEWHERE


def paths(values: Mapping[str, Any], above: str = "") -> list[str]:
    """List the paths of all values in a set."""
    found = []
    for name, value in values.items():
        found.append(above + name)
        if isinstance(value, dict):
            found += paths(value, f"{above}{name}.")
    return found


def test_chart_is_of_this_version(tmp_path: Path) -> None:
    """Chart and image have the exporter's version; the package holds files, not links."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["version"] == chart["appVersion"] == VERSION
    assert chart["kubeVersion"] == f">={OLDEST}-0"
    assert released("default").container["image"].endswith(f":{VERSION}")
    assert helm(IMAGE, tmp_path).returncode == 0
    with tarfile.open(tmp_path / f"push-result-exporter-{VERSION}.tgz") as package:
        rules = package.getmember("push-result-exporter/files/rules.yml")
        assert rules.isfile()
        assert rules.size == RULES.stat().st_size
