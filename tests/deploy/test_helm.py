"""The Helm chart, rendered by Helm itself for several sets of values."""

import functools
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.runtime import VERSION
from exporter.settings import ENV_PREFIX, Settings
from tests.deploy.test_deploy import DEPLOY, checked, tool
from tests.support.rules import RULES

CHART = DEPLOY / "helm" / "push-result-exporter"
VALUES = {path.stem: path for path in (Path(__file__).parent / "helm").glob("*.yaml")}
SETS = ["default", *VALUES]

# In a process of its own, since the library brings the threads of Go.
RENDER = """
import json, sys, helm_python as helm
chart, values, folder = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
with helm.Chart.load(helm.package(chart, destination=folder)) as loaded:
    loaded.validate_schema(values)
    rendered = loaded.render(values, name="demo", namespace="push")
print(json.dumps([rendered, helm.lint(chart, values, strict=True)]))
"""

Manifest = dict[str, Any]


def helm(values: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Package the chart, and render and lint it with these values."""
    command = [sys.executable, "-c", RENDER, str(CHART), json.dumps(values), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a place for the packaged chart."""
    return tmp_path_factory.mktemp("helm")


class Release:
    """What the chart renders to."""

    def __init__(self, name: str, folder: Path) -> None:
        values = yaml.safe_load(VALUES[name].read_text("utf-8")) if name in VALUES else {}
        done = helm(values, folder)
        assert done.returncode == 0, done.stderr
        rendered, lint = json.loads(done.stdout)
        assert not lint["errors"]
        assert not [one for one in lint["messages"] if one["severity"] > 1]
        self.notes = next(text for path, text in rendered.items() if path.endswith("NOTES.txt"))
        self.texts = {path: text for path, text in rendered.items() if path.endswith(".yaml")}
        self.manifests: list[Manifest] = [
            one for text in self.texts.values() for one in yaml.safe_load_all(text) if one
        ]

    def kinds(self, kind: str) -> list[Manifest]:
        """Return the objects of a kind."""
        return [one for one in self.manifests if one["kind"] == kind]

    @property
    def pod(self) -> Manifest:
        """Return the pod's specification."""
        (stateful,) = self.kinds("StatefulSet")
        spec: Manifest = stateful["spec"]["template"]["spec"]
        return spec

    @property
    def environment(self) -> dict[str, str]:
        """Return the settings of the exporter."""
        return {one["name"]: one["value"] for one in self.pod["containers"][0]["env"]}


@functools.cache
def released(name: str, folder: Path) -> Release:
    """Render each set once."""
    return Release(name, folder)


@pytest.fixture
def release(request: pytest.FixtureRequest, folder: Path) -> Release:
    """Give the chart, rendered for the set that the test names."""
    return released(request.param, folder)


every = pytest.mark.parametrize("release", SETS, indirect=True)
monitored = pytest.mark.parametrize("release", ["monitored"], indirect=True)
public = pytest.mark.parametrize("release", ["public"], indirect=True)


@every
def test_manifests_are_valid(release: Release, tmp_path: Path) -> None:
    """Kubernetes knows every field of every object of its own, and yamllint finds nothing."""
    for number, one in enumerate(release.manifests):
        file = tmp_path / f"{number}.yaml"
        if not one["apiVersion"].startswith("monitoring.coreos.com/"):
            file.write_text(yaml.safe_dump(one))
    checked(tool("kubernetes-validate"), "--strict", "--quiet", *tmp_path.iterdir())
    rules = {"line-length": "disable", "indentation": {"indent-sequences": "whatever"}}
    config = json.dumps({"extends": "relaxed", "rules": rules | {"empty-lines": "disable"}})
    for number, text in enumerate(release.texts.values()):
        (tmp_path / f"text{number}.yaml").write_text(text.strip() + "\n")
    checked(tool("yamllint"), "--strict", "-d", config, *tmp_path.glob("text*"))


@every
def test_pod_is_confined(release: Release) -> None:
    """The pod meets the restricted standard, and writes to its ledger alone."""
    pod = release.pod
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [one["name"] for one in container["volumeMounts"] if not one.get("readOnly")] == [
        "ledger"
    ]
    assert container["resources"]["limits"]["memory"]
    assert pod["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"


@every
def test_objects_find_each_other(release: Release) -> None:
    """Selectors select the pods, ports and volumes exist, names belong to what there is."""
    (stateful,) = release.kinds("StatefulSet")
    labels = stateful["spec"]["template"]["metadata"]["labels"].items()
    ports = {one["name"] for one in release.pod["containers"][0]["ports"]}
    services = {one["metadata"]["name"]: one["spec"] for one in release.kinds("Service")}
    assert stateful["spec"]["selector"]["matchLabels"].items() <= labels
    assert stateful["spec"]["serviceName"] in services
    for service in services.values():
        assert service["selector"].items() <= labels
        assert {one["targetPort"] for one in service["ports"]} <= ports
    for kind in ("NetworkPolicy", "PodDisruptionBudget"):
        for one in release.kinds(kind):
            selector = one["spec"].get("podSelector") or one["spec"]["selector"]
            assert selector["matchLabels"].items() <= labels
    assert all(one["spec"]["maxUnavailable"] == 1 for one in release.kinds("PodDisruptionBudget"))
    claims = [one["metadata"]["name"] for one in stateful["spec"]["volumeClaimTemplates"]]
    volumes = [one["name"] for one in release.pod.get("volumes") or []]
    mounts = [one["name"] for one in release.pod["containers"][0]["volumeMounts"]]
    assert sorted(mounts) == sorted(claims + volumes)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert release.pod["containers"][0][probe]["httpGet"]["port"] in ports


@every
def test_exporter_takes_the_settings(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is one that the exporter starts with, and its files are mounted."""
    for name, value in release.environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    places = [one["mountPath"] for one in release.pod["containers"][0]["volumeMounts"]]
    files = (*settings.mps_public_key_files, *settings.results_token_files, settings.ledger_path)
    for file in (*files, *settings.results_secret_files, *settings.code_table_files):
        assert str(file.parent) in places


@public
def test_credentials_come_from_secrets(release: Release) -> None:
    """Each Secret that is named is mounted, with each of its entries, and none other."""
    sources = {
        one["name"]: one.get("secret", {}).get("secretName") or one["configMap"]["name"]
        for one in release.pod["volumes"]
    }
    assert sources == {
        "mps-public-keys": "push-keys",
        "results-tokens": "push-tokens",
        "results-secrets": "push-secrets",
        "code-tables": "push-codes",
    }
    folder = "/etc/push-result-exporter"
    assert release.environment[f"{ENV_PREFIX}MPS_PUBLIC_KEY_FILES"] == (
        f"{folder}/mps-public-keys/new.pem,{folder}/mps-public-keys/old.pem"
    )
    assert release.environment[f"{ENV_PREFIX}MAX_BODY_BYTES"] == "2097152"


@public
def test_ingress_opens_the_webhooks_alone(release: Release) -> None:
    """One path leads to the public Service, and a retry to the replica of the first try."""
    (ingress,) = release.kinds("Ingress")
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["path"] == "/webhooks"
    assert path["backend"]["service"]["name"].endswith("-ingest")
    hashed = "$request_uri$http_webhook_id"
    annotations = ingress["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/upstream-hash-by"] == hashed
    assert annotations["nginx.org/lb-method"] == f"hash {hashed} consistent"
    (public,) = [
        one for one in release.kinds("Service") if one["metadata"]["name"].endswith("-ingest")
    ]
    assert [one["targetPort"] for one in public["spec"]["ports"]] == ["ingest"]
    assert "https://push.example.org/webhooks/mps" in release.notes


@monitored
def test_admin_listener_is_for_monitoring(release: Release) -> None:
    """Only the monitoring namespace reaches it, and nothing is reached from the pod."""
    (policy,) = release.kinds("NetworkPolicy")
    rules = {one["ports"][0]["port"]: one.get("from") for one in policy["spec"]["ingress"]}
    names = {"kubernetes.io/metadata.name": "observability"}
    assert rules == {"ingest": None, "admin": [{"namespaceSelector": {"matchLabels": names}}]}
    assert policy["spec"]["egress"] == []


@monitored
def test_prometheus_operator_calls_the_job_by_its_name(release: Release) -> None:
    """The job label leads to the name that the rules select by; the rules are the one source's."""
    (monitor,) = release.kinds("ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = [
        one for one in release.kinds("Service") if wanted <= one["metadata"]["labels"].items()
    ]
    ((service),) = services
    job = service["metadata"]["labels"][monitor["spec"]["jobLabel"]]
    text = RULES.read_text("utf-8")
    assert set(re.findall(r'job="([^"]+)"', text)) == {job}
    assert service["spec"]["publishNotReadyAddresses"]
    assert monitor["spec"]["endpoints"][0]["port"] in [
        one["name"] for one in service["spec"]["ports"]
    ]
    (rule,) = release.kinds("PrometheusRule")
    assert rule["spec"] == yaml.safe_load(text)
    for one in (monitor, rule):
        assert one["metadata"]["labels"]["release"] == "kube-prometheus-stack"


@monitored
def test_dashboards_are_the_built_ones(release: Release) -> None:
    """Each dashboard is in a ConfigMap of its own, unchanged, with the sidecar's label."""
    maps = release.kinds("ConfigMap")
    found = {name: text for one in maps for name, text in one["data"].items()}
    built = (DEPLOY / "grafana" / "dashboards").glob("*.json")
    assert {name: json.loads(text) for name, text in found.items()} == {
        path.name: json.loads(path.read_text("utf-8")) for path in built
    }
    assert {one["metadata"]["labels"]["grafana_dashboard"] for one in maps} == {"1"}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"replica": 2}, "replica"),
        ({"settings": {"LEDGER_PATH": "/tmp/x"}}, "LEDGER_PATH"),
        ({"settings": {"NO_SUCH": 1}}, "NO_SUCH"),
        ({"ledger": {"size": "big"}}, "size"),
        ({"credentials": {"mpsPublicKeys": {"secret": ""}}}, "nothing authenticates callers"),
    ],
)
def test_bad_values_are_refused(values: dict[str, Any], problem: str, tmp_path: Path) -> None:
    """A mistake is an error that names it."""
    done = helm(values, tmp_path)
    assert done.returncode
    assert problem in done.stderr


def test_schema_knows_the_settings() -> None:
    """Every setting can be given, except those that the chart sets or that belong elsewhere."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    known = set(schema["properties"]["settings"]["properties"])
    files = {name for name in Settings.model_fields if name.endswith(("_file", "_files"))}
    fixed = {"ingest_host", "ingest_port", "admin_host", "admin_port", "ledger_path", "reuse_port"}
    assert known == {name.upper() for name in set(Settings.model_fields) - files - fixed}


def test_values_are_documented() -> None:
    """README describes each value, and the schema has each."""
    readme = (CHART / "README.md").read_text("utf-8")
    documented = set(
        re.findall(r"`([\w.]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", readme, re.MULTILINE)))
    )
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))

    def leaves(of: dict[str, Any], path: str, kinds: dict[str, Any]) -> set[str]:
        found = set()
        for name, value in of.items():
            kind = kinds["properties"][name]
            deeper = isinstance(value, dict) and "properties" in kind and name != "settings"
            found |= leaves(value, f"{path}{name}.", kind) if deeper else {path + name}
        return found

    assert documented == leaves(values, "", schema)


def test_chart_is_of_this_version(folder: Path) -> None:
    """Chart and image have the exporter's version; the package holds files, not links."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["version"] == chart["appVersion"] == VERSION
    assert released("default", folder).pod["containers"][0]["image"].endswith(f":{VERSION}")
    with tarfile.open(folder / f"push-result-exporter-{VERSION}.tgz") as package:
        rules = package.getmember("push-result-exporter/files/rules.yml")
        assert rules.isfile()
        assert rules.size == RULES.stat().st_size
