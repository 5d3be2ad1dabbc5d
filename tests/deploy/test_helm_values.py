"""What single values of the chart do, and which are refused with which words."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.configuration.settings import ENV_PREFIX
from tests.deploy.test_deploy import DEPLOY, checked
from tests.support.helm import CHART, IMAGE, Manifest, Release, helm, released
from tests.support.programs import program
from tests.support.rules import RULES

HERE = Path(__file__).parent
EFFECTS = yaml.safe_load((HERE / "helm_effects.yaml").read_text("utf-8"))
REFUSED = yaml.safe_load((HERE / "helm_refused.yaml").read_text("utf-8"))
POD = ("spec", "template", "spec")
PLACES = {"pod": POD, "container": (*POD, "containers", 0)}
ABSENT = object()


def at(manifest: Manifest, place: list[str | int]) -> Any:
    """Return what is at a place of an object, or ABSENT."""
    value: Any = manifest
    for key in (*PLACES.get(str(place[0]), place[:1]), *place[1:]):
        try:
            value = value[key]
        except (KeyError, IndexError):
            return ABSENT
    return value


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda one: f"{one['set']}-{one['at'][-1]}")
def test_values_have_their_effect(effect: dict[str, Any]) -> None:
    """What a set of values gives is at its place in the objects of its kind, and no more."""
    objects = released(effect["set"]).kinds(effect["kind"])
    assert objects
    found = [at(one, effect["at"]) for one in objects]
    assert effect.get("is", ABSENT) in found
    assert "is" in effect or all(one is ABSENT for one in found)


@pytest.mark.parametrize(
    ("name", "workload"), [("default", "StatefulSet"), ("postgresql", "Deployment")]
)
def test_ledger_decides_the_workload(name: str, workload: str) -> None:
    """A SQLite ledger belongs to its replica; with PostgreSQL replicas come and go."""
    release = released(name)
    assert [one["kind"] for one in release.kinds("StatefulSet", "Deployment")] == [workload]


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("public", "MAX_BODY_BYTES", "2097152"),
        ("public", "MPS_PUBLIC_KEY_FILES", "{}/mps-public-keys/new.pem,{}/mps-public-keys/old.pem"),
        ("public", "RESULTS_TOKEN_FILES", "{}/results-tokens/ours,{}/results-tokens/theirs"),
        ("public", "CODE_TABLE_FILES", "{}/code-tables/vivo.toml"),
        ("default", "INGEST_HOST", "0.0.0.0"),
        ("default", "INSTANCE", None),
        ("default", "RUNBOOK_BASE_URL", None),
        ("guarded", "RUNBOOK_BASE_URL", "https://push.example.com/runbooks/"),
        ("guarded", "TLS_KEY_FILE", "{}/tls/key.pem"),
        ("guarded", "ADMIN_PASSWORD_FILE", "{}/admin-auth/htpasswd"),
        ("postgresql", "INGEST_HOST", "::"),
        ("postgresql", "ADMIN_HOST", "::"),
        ("postgresql", "GATEWAY_FILES", "{}/gateways/huawei.toml,{}/gateways/own.toml"),
        ("postgresql", "LEDGER_PATH", None),
        ("postgresql", "LEDGER_URL", "postgresql://push@db.example.com:6432/push"),
        ("postgresql", "LEDGER_PASSWORD_FILE", "{}/ledger-password/password"),
        ("postgresql", "DEDUPE_WINDOW_SECONDS", "86400"),
    ],
)
def test_settings_of_the_exporter(name: str, setting: str, value: str | None) -> None:
    """The exporter gets each setting in its environment, and files where they are mounted."""
    wanted = value and value.replace("{}", "/etc/push-result-exporter")
    assert released(name).environment.get(ENV_PREFIX + setting) == wanted


def test_each_pod_is_an_instance_and_urls_may_be_secret() -> None:
    """Replicas of one ledger count under their own names; the URL comes from a Secret if named."""
    env = {one["name"]: one for one in released("postgresql").container["env"]}
    name = {"fieldRef": {"fieldPath": "metadata.name"}}
    assert env[f"{ENV_PREFIX}INSTANCE"]["valueFrom"] == name
    env = {one["name"]: one for one in released("operator").container["env"]}
    reference = {"secretKeyRef": {"name": "push-app", "key": "uri"}}
    assert env[f"{ENV_PREFIX}LEDGER_URL"]["valueFrom"] == reference


def test_gateways_alone_authenticate() -> None:
    """Descriptions bring credentials of their own, so that no other has to be named."""
    no_keys = {"credentials": {"mpsPublicKeys": {"secret": ""}}}
    gateways = {"gateways": {"secret": "push-gateways", "entries": ["huawei.toml"]}}
    (volume,) = Release(IMAGE | no_keys | gateways).pod["volumes"]
    assert volume["secret"]["secretName"] == "push-gateways"


def test_users_can_be_removed_from_above(tmp_path: Path) -> None:
    """As a part of another chart, too, `null` takes the user out."""
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    (parent / "templates").mkdir()
    dependency = {"name": CHART.name, "version": "0.1.0"}
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (parent / "templates" / "NOTES.txt").write_text("parent")
    assert helm(IMAGE, parent / "charts").returncode == 0
    below = IMAGE | {"podSecurityContext": {"runAsUser": None, "fsGroup": None}}
    context = Release({CHART.name: below}, parent).pod["securityContext"]
    assert context["runAsGroup"] == 10001
    assert not {"runAsUser", "fsGroup"} & context.keys()


@pytest.mark.parametrize("row", REFUSED, ids=lambda one: one["problem"][:40])
def test_bad_values_are_refused(row: dict[str, Any], tmp_path: Path) -> None:
    """A mistake is an error that names it."""
    done = helm(IMAGE | row["values"], tmp_path)
    assert done.returncode
    assert row["problem"] in done.stderr


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({"replicas": 2}, "a retry is known only to the replica"),
        ({"ledger": {"accessModes": ["ReadWriteMany"]}}, "network file systems"),
        (
            {"serviceMonitor": {"enabled": True}, "networkPolicy": {"adminFrom": []}},
            "cannot scrape",
        ),
        ({}, None),
    ],
)
def test_notes_warn(values: dict[str, Any], warned: str | None) -> None:
    """What goes wrong later is said at the installation."""
    notes = Release(IMAGE | values).notes
    assert ("WARNING" in notes) == bool(warned)
    assert not warned or warned in notes


# ---------------------------------------------------------------- rules

SHIPPED: dict[str, Any] = yaml.safe_load(RULES.read_text("utf-8"))
CONSTANT = re.compile(r"vector\([-+.0-9e]+\)")


def rules_of(spec: dict[str, Any]) -> dict[str, Manifest]:
    """Return the rules by name."""
    return {
        rule.get("record") or rule["alert"]: rule
        for group in spec["groups"]
        for rule in group["rules"]
    }


def test_rules_are_the_shipped_ones() -> None:
    """Without values of their own, nothing is changed."""
    (rule,) = released("monitored").kinds("PrometheusRule")
    assert rule["spec"] == SHIPPED


def test_rules_change_as_the_values_say(tmp_path: Path) -> None:
    """Each threshold, label and runbook is the given one, all else is as shipped, and is valid."""
    shipped = rules_of(SHIPPED)
    constants = [name for name, rule in shipped.items() if CONSTANT.fullmatch(rule["expr"].strip())]
    assert len(constants) > 10
    thresholds = {
        name.removeprefix("push:").removesuffix(":threshold"): number + 0.25
        for number, name in enumerate(constants)
    }
    thresholds |= {"pending_results": 12_000_000}
    changed = {"for": "42m", "labels": {"severity": "info"}, "annotations": {"summary": "changed"}}
    alerts = {"PushThrottled": changed, "PushUnknownCode": {"enabled": False}}
    given = {"thresholds": thresholds, "alertLabels": {"team": "push"}, "alerts": alerts}
    release = Release(
        IMAGE
        | {"prometheusRule": given | {"enabled": True}, "runbookBaseUrl": "https://example.com/r/"}
    )
    (rule,) = release.kinds("PrometheusRule")
    rules = rules_of(rule["spec"])
    assert shipped.keys() - rules.keys() == {"PushUnknownCode"}
    for name, one in rules.items():
        short = name.removeprefix("push:").removesuffix(":threshold")
        wanted = dict(shipped[name])
        if name in constants:
            wanted["expr"] = f"vector({thresholds[short]})"
        if "alert" in one:
            wanted["labels"] = {"team": "push"} | wanted["labels"]
            wanted["annotations"] |= {"runbook_url": f"https://example.com/r/{name}"}
        if name == "PushThrottled":
            wanted["for"] = "42m"
            wanted["labels"] |= {"severity": "info"}
            wanted["annotations"] |= {"summary": "changed"}
        assert one == wanted, name
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump(rule["spec"]))
    checked(program("promtool", "prometheus"), "check", "rules", file)


@pytest.mark.parametrize(
    ("values", "old", "new"),
    [
        ({"job": "push-.+"}, r'job=~"[^"]*"', 'job=~"push-.+"'),
        ({"replicaLabels": ["rack", "slot"]}, "instance, pod, node, host", r"\g<0>, rack, slot"),
    ],
)
def test_rules_name_jobs_and_replicas_once(values: dict[str, Any], old: str, new: str) -> None:
    """A text of the rules is another wherever it stands."""
    shipped = RULES.read_text("utf-8")
    changed = re.sub(old, new, shipped)
    assert changed != shipped
    (rule,) = Release(IMAGE | {"prometheusRule": values | {"enabled": True}}).kinds(
        "PrometheusRule"
    )
    assert rule["spec"] == yaml.safe_load(changed)


def test_prometheus_operator_calls_the_job_by_its_name() -> None:
    """The job label leads to the name that rules may select by; every Pod is seen."""
    release = released("monitored")
    (monitor,) = release.kinds("ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    (service,) = [
        one for one in release.kinds("Service") if wanted <= one["metadata"]["labels"].items()
    ]
    job = service["metadata"]["labels"][monitor["spec"]["jobLabel"]]
    selectors = re.findall(r'job=~?"([^"]+)"', RULES.read_text("utf-8"))
    assert all(re.fullmatch(selector, job) for selector in selectors)
    assert service["spec"]["publishNotReadyAddresses"]
    assert monitor["spec"]["endpoints"][0]["port"] in [
        one["name"] for one in service["spec"]["ports"]
    ]
    for one in (monitor, *release.kinds("PrometheusRule")):
        assert one["metadata"]["labels"]["release"] == "kube-prometheus-stack"


# ---------------------------------------------------------------- dashboards


@pytest.mark.parametrize("uid", [None, "prod-metrics"])
def test_dashboards_are_the_built_ones(uid: str | None) -> None:
    """Each is in a ConfigMap of its own with the sidecar's label; only the data source differs."""
    values = {"dashboards": {"enabled": True} | ({"datasourceUid": uid} if uid else {})}
    maps = Release(IMAGE | values).kinds("ConfigMap")
    found = {name: json.loads(text) for one in maps for name, text in one["data"].items()}
    built = {
        path.name: json.loads(path.read_text("utf-8"))
        for path in (DEPLOY / "grafana" / "dashboards").glob("*.json")
    }
    sources = [
        variable
        for board in built.values()
        for variable in board["templating"]["list"]
        if variable["type"] == "datasource"
    ]
    assert len(sources) == len(built)
    for variable in sources:
        assert variable["current"]["value"] == "prometheus"
        variable["current"]["value"] = uid or "prometheus"
    assert found == built
    assert {one["metadata"]["labels"]["grafana_dashboard"] for one in maps} == {"1"}
