"""The Helm chart: what sets of values render to, and whether cluster and exporter accept it."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.configuration.settings import Settings
from exporter.configuration.version import VERSION
from tests.support.chart_values import chart_values
from tests.support.helm import (
    CHART,
    FOLDER,
    IMAGE,
    SETS,
    Manifest,
    Request,
    render,
    rendered,
    rendered_now,
    renderings,
    request_of,
)
from tests.support.kubernetes import problems
from tests.support.programs import checked, program, tool, unavailable

BUILT_IN = ("v1", "apps/v1", "autoscaling/v2", "networking.k8s.io/v1", "policy/v1")
OLDEST, LATEST = "1.27.0", None
"""None is the latest that kubernetes-validate knows."""

OPERATOR = "@kubernetes-models/prometheus-operator monitoringCoreosCom.v1"
MODELS = {
    "HTTPRoute": "@kubernetes-models/gateway-api gatewayNetworkingK8sIo.v1.IHTTPRoute",
    "PodMonitor": f"{OPERATOR}.IPodMonitor",
    "PrometheusRule": f"{OPERATOR}.IPrometheusRule",
    "ServiceMonitor": f"{OPERATOR}.IServiceMonitor",
}
PACKAGES = ("@kubernetes-models/gateway-api@2.0.0", "@kubernetes-models/prometheus-operator@6.0.0")
COMPILER = "typescript@5.9.3"

FIXED = {
    "config", "ingest_host", "ingest_port", "admin_host", "admin_port", "ledger_path", "reuse_port",
    "ledger_url", "instance", "runbook_base_url", "external_url", "apps",
}  # fmt: skip
"""Settings that the chart has values of its own for, or that are not for a container."""

KIND = ("type", "enum", "minimum", "exclusiveMinimum", "maximum")
"""What the schemas of chart and exporter have in common."""

ELSEWHERE = {"prometheusRule.job", "prometheusRule.replicaLabels"}
"""Values that test_helm_rules renders."""

every = pytest.mark.parametrize("name", SETS)


def test_renderings_are_current() -> None:
    """Each set of values renders to the text beside it; `make renderings` writes it."""
    for file, text in renderings():
        assert text == file.read_text("utf-8"), file.name


@pytest.mark.parametrize("kubernetes", [OLDEST, LATEST])
def test_kubernetes_knows_every_field(tmp_path: Path, kubernetes: str | None) -> None:
    """The schemas of the oldest admitted and the latest version have every field that is set."""
    for name in SETS:
        for number, one in enumerate(rendered(name)):
            if one["apiVersion"] in BUILT_IN:
                (tmp_path / f"{name}-{number}.yaml").write_text(yaml.safe_dump(one))
    version = ["--kubernetes-version", kubernetes] if kubernetes else []
    checked(tool("kubernetes-validate"), "--strict", "--quiet", *version, *tmp_path.iterdir())


@every
def test_kubernetes_accepts_every_value(name: str) -> None:
    """Names, labels, ports, quantities and enumerations are valid, and unique where required."""
    assert not {one["kind"]: found for one in rendered(name) if (found := problems(one))}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"memory": "512Mi"', '"memory": "lots"'),
        ('"containerPort": 10987', '"containerPort": 99999'),
        ('"name": "ingest"', '"name": "ingest-of-results"'),
        ('"IfNotPresent"', '"Sometimes"'),
        ('instance": "demo"', 'instance": "1+1"'),
        ('"name": "admin"', '"name": "ingest"'),
    ],
)
def test_invalid_values_are_found(old: str, new: str) -> None:
    """The check of values finds mistakes that the schemas of Kubernetes let through."""
    text = json.dumps(rendered("default", "StatefulSet")[0])
    assert old in text
    assert problems(json.loads(text.replace(old, new)))


def test_renderings_repeat_no_key() -> None:
    """No key stands twice in one mapping, of which YAML parsers keep the last."""
    config = "{rules: {key-duplicates: enable}}"
    checked(tool("yamllint"), "--strict", "-d", config, *FOLDER.glob("*.rendered.yaml"))


@pytest.mark.slow  # installs types from npm
def test_custom_resources_are_valid(tmp_path: Path) -> None:
    """The types of the Gateway API and the Prometheus operator have every field that is set."""
    npm, npx = (program(name, "npm") for name in ("npm", "npx"))
    (tmp_path / "package.json").write_text('{"private": true}')
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    install = [npm, "install", *quiet, *PACKAGES, COMPILER]
    if subprocess.run(install, cwd=tmp_path, capture_output=True, check=False).returncode:
        unavailable(f"npm cannot install {' and '.join(PACKAGES)}")
    found = [one for name in SETS for one in rendered(name, *MODELS)]
    assert {one["kind"] for one in found} == set(MODELS)
    (tmp_path / "good.ts").write_text("".join(map(typed, found)))
    broken = json.dumps(found[0]).replace('"spec": {', '"spec": {"x": 1, ', 1)
    (tmp_path / "broken.ts").write_text(typed(json.loads(broken)))
    compiler = [npx, "--no-install", "tsc", "--noEmit", "--strict", "--skipLibCheck"]
    options = ["--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022"]
    for name, error in (("good.ts", ""), ("broken.ts", "does not exist in type")):
        command = [*compiler, *options, name]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert error in done.stdout
        assert bool(done.returncode) == bool(error), done.stdout


def typed(manifest: Manifest) -> str:
    """Write an object as TypeScript, in a scope of its own."""
    package, name = MODELS[manifest["kind"]].split()
    return f'{{ const one: import("{package}").{name} = {json.dumps(manifest)}; void one; }}\n'


@every
def test_objects_find_each_other(name: str) -> None:
    """Selectors select the exporter's Pods alone, and the ports and mounts that are named exist."""
    (workload,) = rendered(name, "StatefulSet", "Deployment")
    pod = workload["spec"]["template"]
    container = pod["spec"]["containers"][0]
    services = rendered(name, "Service")
    selectors = [one["spec"]["selector"] for one in services] + [
        (one["spec"].get("podSelector") or one["spec"]["selector"])["matchLabels"]
        for one in (workload, *rendered(name, "NetworkPolicy", "PodDisruptionBudget", "PodMonitor"))
    ]
    for selector in selectors:
        assert selector.items() <= pod["metadata"]["labels"].items()
        for test in rendered(name, "Pod"):
            assert not selector.items() <= test["metadata"]["labels"].items()
    for one in rendered(name, "ServiceMonitor"):
        wanted = one["spec"]["selector"]["matchLabels"].items()
        assert [wanted <= each["metadata"]["labels"].items() for each in services] == [False, True]
    ports = {one["name"] for one in container["ports"]}
    assert {one["targetPort"] for each in services for one in each["spec"]["ports"]} == ports
    claims = [one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates", [])]
    volumes = [one["name"] for one in pod["spec"].get("volumes", [])]
    mounts = [one["name"] for one in container.get("volumeMounts", [])]
    assert sorted(mounts) == sorted(claims + volumes)


@every
def test_exporter_accepts_its_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter accepts its environment, and the files that it names are mounted."""
    (workload,) = rendered(name, "StatefulSet", "Deployment")
    container = workload["spec"]["template"]["spec"]["containers"][0]
    environment = environment_of(workload)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert Settings().ingest_host == environment["PUSH_EXPORTER_INGEST_HOST"]
    folders = {
        str(Path(re.sub(r"^\w+=", "", file)).parent)  # an app may stand before the path
        for variable, value in environment.items()
        if variable.endswith(("_FILE", "_FILES", "_PATH"))
        for file in value.split(",")
    }
    assert folders <= {one["mountPath"] for one in container.get("volumeMounts", [])}


def environment_of(workload: Manifest) -> dict[str, str]:
    """Return the variables of the exporter that are no reference to a Secret."""
    container = workload["spec"]["template"]["spec"]["containers"][0]
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


def test_mistakes_are_refused() -> None:
    """Values that are invalid or contradict each other are refused with what is wrong."""
    rows = yaml.safe_load((FOLDER / "refused.yaml").read_text("utf-8"))
    results = render(*(Request(IMAGE | values) for values, _ in rows))
    for (values, problem), error in zip(rows, results, strict=True):
        assert isinstance(error, str), values
        assert problem in error, values


def test_examples_render() -> None:
    """The chart accepts every example of values in its README."""
    readme = (CHART / "README.md").read_text("utf-8")
    examples = re.findall(r"^```yaml\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    results = render(*(Request(IMAGE | yaml.safe_load(one)) for one in examples))
    assert len(results) > 5
    assert not [one for one in results if isinstance(one, str)]


def test_null_removes_a_default_from_a_parent_chart_too(tmp_path: Path) -> None:
    """As a dependency with a condition, the chart renders, and `null` removes the user."""
    parent = tmp_path / "parent"
    dependency = {"name": CHART.name, "alias": "results", "version": VERSION}
    dependency["condition"] = "results.enabled"
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    shutil.copytree(CHART, parent / "charts" / CHART.name)
    (parent / "templates").mkdir()
    (parent / "Chart.yaml").write_text(yaml.safe_dump(chart))
    values: dict[str, Any] = {"podSecurityContext": {"runAsUser": None, "fsGroup": None}}
    values |= IMAGE | {"enabled": True}
    (found,) = rendered_now({"results": values}, "StatefulSet", chart=parent)
    context = found["spec"]["template"]["spec"]["securityContext"]
    assert context["runAsGroup"] == 10001
    assert not {"runAsUser", "fsGroup"} & context.keys()


def test_schema_knows_the_settings() -> None:
    """Every setting can be given: by name, as a mounted file, or by a value of its own."""
    known = settings_schema()
    files = {name for name in Settings.model_fields if name.endswith(("_file", "_files"))}
    assert known.keys() == {name.upper() for name in set(Settings.model_fields) - files - FIXED}
    variables = {
        variable
        for name in SETS
        for workload in rendered(name, "StatefulSet", "Deployment")
        for variable in environment_of(workload)
    }
    assert not {f"PUSH_EXPORTER_{name.upper()}" for name in files} - variables
    assert "PUSH_EXPORTER_INSTANCE" not in variables  # which replicas lease from the database


def test_schema_accepts_what_the_exporter_does() -> None:
    """Type, choices and bounds of each setting are those of the exporter."""
    fields = Settings.model_json_schema()["properties"]
    for name, kind in settings_schema().items():
        field = fields[name.lower()]
        options = [one for one in field.get("anyOf", [field]) if one["type"] != "null"]
        assert [{key: one[key] for key in KIND if key in one} for one in options] == [kind], name


def settings_schema() -> dict[str, dict[str, Any]]:
    """Return the schema of each setting in `settings`."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    return dict(schema["properties"]["settings"]["properties"])


def test_every_value_is_documented_and_rendered() -> None:
    """Each value has a description in the schema and is given in one of the sets."""
    values = chart_values()
    assert not [value.name for value in values if not value.meaning]
    given = {f"{place}." for name in SETS for place in places(request_of(name).values)}
    names = {value.name.strip("`") for value in values}
    missing = {name for name in names if not any(one.startswith(f"{name}.") for one in given)}
    assert missing == ELSEWHERE


def places(values: dict[str, Any]) -> list[str]:
    """List the paths of all values in a set."""
    below = [
        f"{name}.{place}"
        for name, value in values.items()
        if isinstance(value, dict)
        for place in places(value)
    ]
    return [*values, *below]


def test_chart_has_the_version_of_the_exporter() -> None:
    """Chart and image have the exporter's version, and the oldest Kubernetes is a checked one."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["version"] == chart["appVersion"] == VERSION
    assert chart["kubeVersion"] == f">={OLDEST}-0"
