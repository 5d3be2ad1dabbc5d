"""Rules and dashboards in the chart: the shipped ones, with the changes that the values make."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from tests.support.helm import IMAGE, Manifest, rendered, rendered_now
from tests.support.programs import checked, fetch, program, prometheus, wait_for
from tests.support.rules import DEPLOY, RULES

SHIPPED: dict[str, Any] = yaml.safe_load(RULES.read_text("utf-8"))
CONSTANT = re.compile(r"vector\([-+.0-9e]+\)")


def spec_of(**values: Any) -> dict[str, Any]:
    """Render the chart with values; return the specification of the PrometheusRule."""
    (rule,) = rendered_now(IMAGE | values, "PrometheusRule")
    return dict(rule["spec"])


def rules_of(spec: dict[str, Any]) -> dict[str, Manifest]:
    """Return the rules by name."""
    return {
        rule.get("record") or rule["alert"]: rule
        for group in spec["groups"]
        for rule in group["rules"]
    }


def test_rules_are_the_shipped_ones() -> None:
    """Without values of their own, nothing is changed."""
    assert spec_of(prometheusRule={"enabled": True}) == SHIPPED


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
    given = {"enabled": True, "thresholds": thresholds, "alertLabels": {"team": "push"}}
    given |= {"alerts": alerts}
    spec = spec_of(prometheusRule=given, runbookBaseUrl="https://example.com/r/")
    rules = rules_of(spec)
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
    file.write_text(yaml.safe_dump(spec))
    checked(program("promtool", "prometheus"), "check", "rules", file)


@pytest.mark.parametrize(
    ("values", "old", "new"),
    [
        ({"job": "push-.+"}, r'job=~"[^"]*"', 'job=~"push-.+"'),
        ({"replicaLabels": ["rack", "slot"]}, "instance, pod, node, host", r"\g<0>, rack, slot"),
    ],
)
def test_rules_name_jobs_and_replicas_once(values: dict[str, Any], old: str, new: str) -> None:
    """A value replaces its text wherever it stands in the rules."""
    shipped = RULES.read_text("utf-8")
    changed = re.sub(old, new, shipped)
    assert changed != shipped
    assert spec_of(prometheusRule=values | {"enabled": True}) == yaml.safe_load(changed)


def test_rules_follow_the_settings_of_the_exporter() -> None:
    """The exporter's address and the settings behind two thresholds go into the rules."""
    settings = {"MAX_PENDING_RESULTS": 5_000_000, "DEDUPE_WINDOW_SECONDS": 90_000.5}
    values = {"settings": settings, "externalUrl": "https://push.example.com/"}
    rules = rules_of(spec_of(**values, prometheusRule={"enabled": True}))
    assert rules["push:pending_results:threshold"]["expr"] == "vector(4000000)"
    assert rules["push:dedupe_window_seconds:threshold"]["expr"] == "vector(90000.5)"
    links = [rule["annotations"]["runbook_url"] for rule in rules.values() if "alert" in rule]
    prefix = '{{ $exporter := "https://push.example.com" }}'
    assert links
    assert [one for one in links if not one.startswith(prefix)] == []


@pytest.mark.parametrize("name", ["monitored", "operator"])
def test_prometheus_operator_calls_the_job_as_the_rules_do(name: str) -> None:
    """The monitor gives targets the job by which the rules select."""
    (monitor,) = rendered(name, "ServiceMonitor", "PodMonitor")
    (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
    job = endpoint["relabelings"][0]
    assert job["targetLabel"] == "job"
    selectors = re.findall(r'job=~?"([^"]+)"', RULES.read_text("utf-8"))
    assert selectors
    assert all(re.fullmatch(selector, job["replacement"]) for selector in selectors)


EXPOSED = """\
# TYPE push_results_total counter
push_results_total{channel="apns",instance="replica-0"} 7
# TYPE push_exporter_build_info gauge
push_exporter_build_info 1
"""


class Exposition(BaseHTTPRequestHandler):
    """Responds with what an exporter exposes whose name is leased, and with a metric without it."""

    def do_GET(self) -> None:
        """Respond to a scrape."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(EXPOSED.encode())


@contextmanager
def exposing() -> Iterator[str]:
    """Serve the exposition inside the block; give its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Exposition) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_leased_name_replaces_instance_and_pod(tmp_path: Path) -> None:
    """Prometheus stores samples under the name of the replica, so another Pod continues them."""
    (monitor,) = rendered("postgresql", "ServiceMonitor")
    relabelings = monitor["spec"]["endpoints"][0]["metricRelabelings"]
    names = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    native = [{names.get(key, key): value for key, value in one.items()} for one in relabelings]
    with exposing() as address:
        job = {
            "job_name": "push-result-exporter",
            "static_configs": [{"targets": [address], "labels": {"pod": "push-7f"}}],
            "metric_relabel_configs": native,
        }
        config = yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]})
        with prometheus(tmp_path, config) as url:

            def labels(metric: str) -> dict[str, str]:
                found = json.loads(fetch(f"{url}/api/v1/query?query={metric}"))["data"]["result"]
                return dict(found[0]["metric"]) if found else {}

            wait_for(lambda: labels("push_results_total"), "the exporter is scraped")
            common = {"job": "push-result-exporter"}
            total = {"__name__": "push_results_total", "channel": "apns", "instance": "replica-0"}
            assert labels("push_results_total") == total | common
            assert labels("push_exporter_build_info")["instance"] == address
            assert (
                labels("up") == {"__name__": "up", "instance": address, "pod": "push-7f"} | common
            )


@pytest.mark.parametrize("uid", [None, "prod-metrics"])
def test_dashboards_are_the_built_ones(uid: str | None) -> None:
    """Each is in a ConfigMap of its own with the sidecar's label; only the data source differs."""
    values = {"enabled": True} | ({"datasourceUid": uid} if uid else {})
    maps = rendered_now(IMAGE | {"dashboards": values}, "ConfigMap")
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
