"""The dashboards and the alert rules for Grafana: current, true to the metrics, and valid."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from dashboards import alerting, build, layout, names, queries, rules
from dashboards.style import SEVERITY_COLORS
from exporter.classification.alerts import DECLARATIONS, RUNBOOKS, AlertName
from exporter.classification.tables import load_tables
from exporter.metrics import metrics
from exporter.results import Category, Severity
from tests.support.dashboards import BOARDS, Query, all_queries, panels, substituted
from tests.support.programs import program, unavailable
from tests.support.rules import ALERTMANAGER, RECORDED, read

PROVISIONING = build.GRAFANA / "provisioning"
HISTOGRAMS = {metrics.REQUEST_SECONDS, metrics.COMMIT_SECONDS}
FAMILIES = {value for name, value in vars(metrics).items() if name.isupper() and name[0] != "_"}
OURS = FAMILIES - HISTOGRAMS | {f"{name}_{of}" for name in HISTOGRAMS for of in ("bucket", "count")}
GRAFANA_SCHEMA = "12.4.11"
SCHEMA_GENERATOR = "2.10.0"


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """Parse a query and list what it selects."""
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)
        elif isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def urls(value: Any) -> Iterator[str]:
    """Find every URL in a dashboard."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from [item] if key == "url" else urls(item)
    elif isinstance(value, list):
        for item in value:
            yield from urls(item)


# ---------------------------------------------------------------- current


def test_every_built_file_is_current() -> None:
    """The committed files are what `make dashboards` writes now."""
    for path, text in build.files().items():
        assert path.read_text() == text, f"{path.name} is out of date: run `make dashboards`"


def test_every_dashboard_is_built() -> None:
    """No dashboard lies there without a source."""
    assert set(BOARDS) == set(layout.TITLES) == {board["uid"] for board in BOARDS.values()}


# ---------------------------------------------------------------- queries


@pytest.mark.parametrize("query", all_queries(), ids=lambda query: query.name)
def test_query_is_promql_on_our_metrics(query: Query) -> None:
    """Each query parses, and selects only series that exist."""
    expression = query.expression()
    assert "$" not in expression
    found = selectors(expression)
    assert found
    for selector in found:
        name = str(selector.name)
        if name in {"ALERTS", *RECORDED}:
            continue
        assert name in OURS or name.startswith("process_")


@pytest.mark.parametrize("query", all_queries(), ids=lambda query: query.name)
def test_query_is_of_the_chosen_exporters(query: Query) -> None:
    """Whatever a query selects follows the variables of all labels of targets."""
    for selected in re.findall(r"[\w:]+\{[^}]*\}", query.target["expr"]):
        assert all(f'{label}=~"${label}"' in selected for label in names.TARGET_LABELS)


def test_results_are_of_the_chosen_apps() -> None:
    """Whatever a dashboard with the variable shows of results follows it; All needs no label."""
    by_app = re.compile(rf"({metrics.RESULTS}|{metrics.LAST_RECEIVED}|channel:\w+:\w+|ALERTS)\{{")
    for query in all_queries():
        if query.board != layout.EXPORTER:
            for selected in re.findall(r"[\w:]+\{[^}]*\}", query.target["expr"]):
                assert bool(by_app.match(selected)) == ('app=~"$app' in selected), query.name


def test_windows_follow_the_time_range() -> None:
    """Rates over time use `$__rate_interval`; only "now" and the past have a fixed length."""
    for query in all_queries():
        expression = query.target["expr"]
        recorded = re.sub(r"\w+:\w+:\w+\{[^}]*\}\[1d\]", "", expression)  # has a share: ever
        windows = set(re.findall(r"\[([^]]+)\]", recorded))
        assert windows <= {"$__rate_interval", "$__range", queries.SHARE_WINDOW, "1h"}, query.name
        assert ("[1h]" in expression) == ("[1h] offset $__range" in expression)


def test_queries_take_increases_before_sums() -> None:
    """No counter is summed before its resets are seen, except where a total is asked for."""
    for query in all_queries():
        for call in re.findall(r"(?:rate|increase)\((\w+)", query.target["expr"]):
            assert call.endswith(("_total", "_bucket", "_count")), query.name


def test_categories_and_severities_exist() -> None:
    """Queries match on categories and severities that the code tables have."""
    allowed: dict[str, set[str]] = {"category": set(Category), "severity": set(Severity)}
    for query in all_queries():
        for label, values in re.findall(
            r'(category|severity)[!=]~?"([^"]*)"', query.target["expr"]
        ):
            assert set(values.split("|")) <= allowed[label]
    assert set(SEVERITY_COLORS) == set(Severity)


def test_2009_is_bad_device_token() -> None:
    """The code that the overview watches for spikes is BadDeviceToken of APNs."""
    code = re.findall(r'"(\w+)"', queries.BAD_DEVICE_TOKEN)[0]
    assert load_tables()["apns"].codes[code].name == "BadDeviceToken"


# ---------------------------------------------------------------- panels


@pytest.mark.parametrize(
    ("uid", "panel"), panels(), ids=lambda part: part["title"] if isinstance(part, dict) else part
)
def test_panel_explains_itself(uid: str, panel: dict[str, Any]) -> None:
    """Each panel has a title, a description, a unit, and words for when there is no data."""
    defaults = panel["fieldConfig"]["defaults"]
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert defaults["unit"]
    assert defaults["noValue"]
    assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    refs = [target["refId"] for target in panel["targets"]]
    assert len(refs) == len(set(refs)) > 0
    assert panel["datasource"]["uid"] == "${datasource}", uid


def test_legends_name_what_they_show() -> None:
    """A line about a code shows its name, and no line shows a set of labels."""
    for query in all_queries():
        if query.panel["type"] == "timeseries":
            legend = query.target["legendFormat"]
            assert legend
            assert ("{{code}}" in legend) <= ("{{name}}" in legend), query.name


def test_panels_do_not_overlap() -> None:
    """Each panel has a place and an id of its own."""
    for board in BOARDS.values():
        places = [
            (x, y)
            for panel in board["panels"]
            for place in [panel["gridPos"]]
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(places) == len(set(places))
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))


def test_exemplars_are_asked_for() -> None:
    """The failing codes of a channel come with messages to look at."""
    asking = [query for query in all_queries() if query.target.get("exemplar")]
    assert [query.panel["title"] for query in asking] == ["Failing codes"]
    assert metrics.RESULTS in asking[0].target["expr"]


# ---------------------------------------------------------------- dashboards


@pytest.mark.parametrize("uid", layout.TITLES)
def test_dashboard_has_variables_and_annotations(uid: str) -> None:
    """Data source, labels of targets and channel or gateway can be chosen; alerts are marked."""
    board = BOARDS[uid]
    assert board["schemaVersion"] == 42
    variables = [variable["name"] for variable in board["templating"]["list"]]
    of_results = ["app", "channel"]
    own = ["source"] if uid == layout.EXPORTER else of_results
    assert variables == ["datasource", *names.TARGET_LABELS, *own]
    for variable in board["templating"]["list"][1:]:
        query = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert query
        assert query[2] == variable["name"]
        assert {str(one.name) for one in selectors(substituted(query[1]))} <= OURS
    (annotation,) = board["annotations"]["list"]
    assert selectors(substituted(annotation["target"]["expr"]))[0].name == "ALERTS"


@pytest.mark.parametrize("uid", layout.TITLES)
def test_links_resolve(uid: str) -> None:
    """Links lead to our dashboards, or to runbooks and code tables of the repository."""
    alerts = {rule["alert"] for rule in rules.alerts()}
    found = set(urls(BOARDS[uid]))
    for url in found:
        if url.startswith("/d/"):
            assert url.removeprefix("/d/").split("?")[0] in BOARDS
        elif url.startswith(RUNBOOKS) and "${" not in url:
            assert url.removeprefix(RUNBOOKS).removesuffix(".md") in alerts
        else:
            folder = re.sub(r"/(\$\{[^/]+|)$", "", url.split("/main/")[1])
            assert (rules.DEPLOY.parent / folder).is_dir()
    for other in set(BOARDS) - {uid}:
        assert any(url.startswith(f"/d/{other}?") for url in found)


def test_codes_have_runbooks_that_exist() -> None:
    """The runbook named for a failing code is one of an alert."""
    named = re.findall(rf'"{queries.RUNBOOK}", "(\w+)", "', queries.with_runbook("x"))
    assert named
    assert set(named) <= {rule["alert"] for rule in rules.alerts()}


def test_a_label_that_nobody_has_hides_nothing() -> None:
    """All stands for every value of a target's label, also for none."""
    for board in BOARDS.values():
        for variable in board["templating"]["list"]:
            if variable["name"] in (*names.TARGET_LABELS, "app"):
                assert (variable["allValue"], variable["includeAll"]) == (".*", True)


def test_each_gateway_has_a_panel() -> None:
    """The exporter's dashboard repeats a panel for each gateway that is chosen."""
    repeated = [panel for _, panel in panels() if panel.get("repeat")]
    assert [(panel["repeat"], panel["title"]) for panel in repeated] == [
        ("source", "Gateway $source")
    ]
    assert all('source="$source"' in one["expr"] for one in repeated[0]["targets"])


@pytest.mark.slow  # installs types from npm
def test_grafanas_own_types_accept_the_dashboards(tmp_path: Path) -> None:
    """The JSON fits the TypeScript types of Grafana, panel by panel, with nothing else in it."""
    npm, npx = (program(name, "npm") for name in ("npm", "npx"))
    (tmp_path / "package.json").write_text('{"private": true}')
    shutil.copy(Path(build.__file__).with_name("types.ts"), tmp_path)
    (tmp_path / "tsconfig.json").write_text(COMPILER)
    wanted = [
        f"@grafana/schema@{GRAFANA_SCHEMA}",
        f"ts-json-schema-generator@{SCHEMA_GENERATOR}",
    ]
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    install = [npm, "install", *quiet, *wanted]
    if subprocess.run(install, cwd=tmp_path, capture_output=True, check=False).returncode:
        unavailable(f"npm cannot install {' and '.join(wanted)}")
    schema = tmp_path / "schema.json"
    options = ["--expose", "none", "--tsconfig", "tsconfig.json", "--out", str(schema)]
    generator = ["ts-json-schema-generator", "--path", "types.ts", "--type", "Dashboard"]
    run(tmp_path, npx, "--no-install", *generator, *options)
    files = [str(build.GRAFANA / "dashboards" / f"{uid}.json") for uid in BOARDS]
    run(tmp_path, sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), *files)
    broken = json.loads(Path(files[0]).read_text())
    broken["panels"][1]["options"]["colorMode"] = "loud"
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    with pytest.raises(AssertionError, match="loud"):
        run(tmp_path, sys.executable, "-m", "check_jsonschema", "--verbose",
            "--schemafile", str(schema), "broken.json")  # fmt: skip


def run(folder: Path, *command: str) -> None:
    """Run a command; fail with all that it said."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr


COMPILER = """{
  "compilerOptions": {
    "module": "esnext", "moduleResolution": "bundler", "strict": true, "skipLibCheck": true
  },
  "files": ["types.ts"]
}"""
# ---------------------------------------------------------------- provisioning


def provisioned(name: str) -> dict[str, Any]:
    """Read a provisioning file."""
    content: dict[str, Any] = yaml.safe_load((PROVISIONING / name).read_text())
    assert content["apiVersion"] == 1
    return content


def test_grafana_alerts_agree_with_prometheus() -> None:
    """The same alerts with the same expressions, durations, labels and links, none more."""
    (group,) = provisioned("alerting/rules.yaml")["groups"]
    assert len(group["rules"]) == len(rules.alerts())
    for ours, theirs in zip(group["rules"], rules.alerts(), strict=True):
        assert ours["uid"] == ours["title"] == theirs["alert"]
        query, there, true = ours["data"]
        assert query["refId"] == "A"
        assert query["model"]["expr"] == theirs["expr"].strip()
        assert query["model"]["instant"]
        assert "$A" in there["model"]["expression"]
        assert true["model"]["expression"] == there["refId"]
        assert ours["condition"] == true["refId"]
        assert ours["for"] == theirs.get("for", "0s")
        assert ours["labels"] == theirs["labels"]
        assert ours["annotations"].keys() == theirs["annotations"].keys()
        for link in ("runbook_url", "dashboard_url"):
            assert ours["annotations"][link] == theirs["annotations"][link].strip()


RENAMED = {"DATASOURCE": "mine", "FOLDER": "Ours", "TEAM": "everyone", "ON_CALL": "nights"}


@pytest.mark.parametrize("name", RENAMED)
def test_a_name_is_changed_in_one_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change in names.py no provisioned file has the old name."""
    old = getattr(names, name)
    monkeypatch.setattr(names, name, RENAMED[name])
    made = {
        path: text
        for path, text in build.files().items()
        if path.is_relative_to(PROVISIONING) and path.suffix == ".yaml"
    }
    value = re.compile(rf"(?:uid|datasourceUid|folder|name|receiver): {old}$", re.MULTILINE)
    assert not [path.name for path, text in made.items() if value.search(text)]
    assert any(f": {RENAMED[name]}\n" in text for text in made.values())


STATES = {
    # pkg/services/ngalert/models/alert_rule.go: NoDataStateFromString, ErrStateFromString.
    "noDataState": {"Alerting", "NoData", "OK", "KeepLast"},
    "execErrState": {"Alerting", "Error", "OK", "KeepLast"},
}
FIELDS = {
    # pkg/services/provisioning/alerting/rules_types.go, AlertRuleV1: another name is ignored.
    "uid", "title", "condition", "data", "dashboardUid", "panelId", "noDataState", "execErrState",
    "for", "keepFiringFor", "missing_series_evals_to_resolve", "annotations", "labels", "isPaused",
}  # fmt: skip
DURATION = r"(\d+[smhdwy])+|0"
SCHEDULER_SECONDS = 10
"""Grafana refuses an interval that is no multiple (`[unified_alerting] scheduler interval`)."""


def test_grafanas_provisioning_accepts_the_group() -> None:
    """A group has name, folder and an interval that the scheduler can keep."""
    (group,) = provisioned("alerting/rules.yaml")["groups"]
    assert group.keys() == {"orgId", "name", "folder", "interval", "rules"}
    assert group["name"].strip()
    assert group["folder"].strip()
    assert int(group["interval"].removesuffix("s")) % SCHEDULER_SECONDS == 0
    uids, titles = ([rule[one] for rule in group["rules"]] for one in ("uid", "title"))
    assert len(set(uids)) == len(uids)
    assert len(set(titles)) == len(titles)  # unique in a folder


@pytest.mark.parametrize("alert", AlertName)
def test_grafanas_provisioning_accepts_the_rule(alert: str) -> None:
    """Its fields are known, its durations parse, its states exist, its parts fit together."""
    (group,) = provisioned("alerting/rules.yaml")["groups"]
    (rule,) = (one for one in group["rules"] if one["uid"] == alert)
    assert rule.keys() <= FIELDS
    for field, states in STATES.items():
        assert rule[field] in states
    assert re.fullmatch(DURATION, rule["for"])
    assert rule["missing_series_evals_to_resolve"] >= 0
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", rule["uid"])
    refs = [part["refId"] for part in rule["data"]]
    assert len(set(refs)) == len(refs)
    assert rule["condition"] in refs
    assert {label: type(text) for label, text in rule["labels"].items()} == {"severity": str}
    for part, before in zip(rule["data"], [set(refs[:n]) for n in range(len(refs))], strict=True):
        model, span = part["model"], part["relativeTimeRange"]
        assert model["refId"] == part["refId"]
        assert model["datasource"]["uid"] == part["datasourceUid"]
        if part["datasourceUid"] != "__expr__":
            assert span["from"] > span["to"] >= 0  # "invalid relative time range"
            assert model["instant"]  # one value a series: no reduce expression is needed
        else:
            used = set(re.findall(r"\$?\b([A-Z])\b", model["expression"]))
            assert used <= before
            assert model["type"] in {"math", "threshold"}


def test_grafana_alerts_mean_what_grafana_reads() -> None:
    """Nothing is left for Grafana to take for a variable of the environment or to fail on."""
    (group,) = provisioned("alerting/rules.yaml")["groups"]
    for rule in group["rules"]:
        assert "$" not in "".join(rule["labels"].values())
        assert len(rule["uid"]) <= 40
        for text in rule["annotations"].values():
            assert "${" not in text


def test_alerts_show_their_panels() -> None:
    """Each Grafana alert is tied to a panel that draws over time, and each alert has one."""
    (group,) = provisioned("alerting/rules.yaml")["groups"]
    for rule in group["rules"]:
        shown = [panel for panel in BOARDS[rule["dashboardUid"]]["panels"]
                 if panel["id"] == rule["panelId"]]  # fmt: skip
        assert [(panel["type"], panel["title"]) for panel in shown] == [
            ("timeseries", alerting.PANELS[rule["title"]][1])
        ]
    assert set(alerting.PANELS) == {rule["alert"] for rule in rules.alerts()}


def test_annotations_say_what_to_do_without_a_query() -> None:
    """Grafana cannot query in an annotation: summary and declared advice, and nothing else."""
    (group,) = provisioned("alerting/rules.yaml")["groups"]
    for rule in group["rules"]:
        texts = rule["annotations"]
        assert texts["description"].startswith(texts["summary"])
        assert texts["description"].endswith(DECLARATIONS[rule["title"]].advice)
        for action in re.findall(r"\{\{.*?\}\}", " ".join(texts.values())):
            assert not re.search(r"\b(query|first|value|strvalue)\b|\$value\b", action)


def test_datasource_is_the_one_that_alerts_use() -> None:
    """The alerts' data source is provisioned, and has Prometheus's scrape interval."""
    (datasource,) = provisioned("datasources/prometheus.yaml")["datasources"]
    assert datasource["uid"] == names.DATASOURCE
    assert datasource["url"] == "http://prometheus:9090"
    config = rules.DEPLOY / "prometheus" / "prometheus.yml"
    assert (
        datasource["jsonData"]["timeInterval"]
        == yaml.safe_load(config.read_text())["global"]["scrape_interval"]
    )


def test_policies_name_contact_points_that_exist() -> None:
    """Every policy leads to someone, and critical alerts to whoever is on call."""
    points = {
        point["name"] for point in provisioned("alerting/contact-points.yaml")["contactPoints"]
    }
    (root,) = provisioned("alerting/policies.yaml")["policies"]
    assert {root["receiver"], *(route["receiver"] for route in root["routes"])} == points
    critical = root["routes"][0]
    assert ["severity", "=", "critical"] in critical["object_matchers"]


def test_policies_group_as_alertmanager_does() -> None:
    """The same alerts share a message, whichever of the two sends it."""
    (root,) = provisioned("alerting/policies.yaml")["policies"]
    assert root["group_by"] == read(ALERTMANAGER)["route"]["group_by"]


def test_provider_reads_the_folder_of_the_container() -> None:
    """Dashboards are read from where deploy/ mounts them."""
    (provider,) = provisioned("dashboards/push.yaml")["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
