"""The common parts of the dashboards: variables, links, alert annotations, rows."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards import panels, queries
from dashboards.names import TARGET_LABELS
from dashboards.panels import DATASOURCE, Panel
from dashboards.style import KEEP_APP, REPOSITORY, to_dashboard
from exporter.metrics import metrics

SCHEMA_VERSION = 42
"""The schema version of Grafana 12; newer versions migrate it when loading."""

OVERVIEW = "push-overview"
CHANNEL = "push-channel"
EXPORTER = "push-exporter"
TITLES = {OVERVIEW: "Push overview", CHANNEL: "Push channel", EXPORTER: "Push exporter"}

_WIDTH = 24  # of Grafana's grid
_ALL = VariableOption(text="All", value="$__all", selected=True)


def dashboard(
    uid: str,
    description: str,
    rows: Mapping[str, Sequence[Panel]],
    *,
    variables: Sequence[builders.QueryVariable] = (),
    alerts: str,
) -> Dashboard:
    """Put panels into rows, number them in order, and add the common parts."""
    board = (
        builders.Dashboard(TITLES[uid])
        .uid(uid)
        .description(description)
        .tags(["push-result-exporter"])
        .editable()
        .time("now-6h", "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables([_datasource(), *targets(), *variables])
        .annotation(_annotation(alerts))
        .links([*(_link(uid, other) for other in TITLES if other != uid), _runbooks()])
    )
    panel_id = 0
    for title, row in rows.items():
        panel_id += 1
        board.with_row(builders.Row(title).id(panel_id))
        _spread(row)
        for panel in row:
            panel_id += 1
            board.with_panel(panel.id(panel_id))
    built = board.build()
    built.schema_version = SCHEMA_VERSION
    return built


def _spread(row: Sequence[Panel]) -> None:
    """Distribute the width of the page among the stats of a row."""
    if all(isinstance(panel, stat.Panel) for panel in row):
        for place, panel in enumerate(row):
            panel.span(_WIDTH // len(row) + (place < _WIDTH % len(row)))


def targets() -> list[builders.QueryVariable]:
    """Make the variables of target labels; the default is all, also targets without the label."""
    return [
        _query_variable(label, label.capitalize(), metrics.BUILD_INFO)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(_ALL)
        for label in TARGET_LABELS
    ]


def channels() -> builders.QueryVariable:
    """Make the variable of channels; the default is all."""
    selector = queries.select(metrics.RESULTS)
    variable = _query_variable("channel", "Channel", selector)
    return variable.multi(True).include_all(True).current(_ALL)


def apps() -> builders.QueryVariable:
    """Make the variable of apps; the default is all, including results without the label."""
    variable = _query_variable("app", "App", queries.select(metrics.LAST_RECEIVED))
    return variable.multi(True).include_all(True).all_value(".*").current(_ALL)


def sources() -> builders.QueryVariable:
    """Make the variable of gateways; the default is all."""
    variable = _query_variable("source", "Gateway", queries.select(metrics.REQUESTS))
    return variable.multi(True).include_all(True).current(_ALL)


def channel(first: str) -> builders.QueryVariable:
    """Make the variable of a single channel."""
    option = VariableOption(text=first, value=first, selected=True)
    variable = _query_variable("channel", "Channel", queries.select(metrics.RESULTS))
    return variable.multi(False).include_all(False).current(option)


def _datasource() -> builders.DatasourceVariable:
    variable = builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
    return variable.current(VariableOption(text="Prometheus", value="prometheus", selected=True))


def _query_variable(name: str, label: str, selector: str) -> builders.QueryVariable:
    query = f"label_values({selector}, {name})"
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(
            {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}
        )
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def _annotation(expression: str) -> builders.AnnotationQuery:
    """Annotate the times at which Prometheus' alerts fired."""
    query = panels.query("Anno", expression).range().interval("1m")
    return (
        builders.AnnotationQuery()
        .name("Alerts")
        .datasource(DATASOURCE)
        .enable(True)
        .icon_color("red")
        .target(query)
        .title_format("{{alertname}}")
        .text_format("{{severity}} {{channel}} {{app}}")
        .tag_keys("alertname,channel,app,severity")
    )


def _link(here: str, to: str) -> builders.DashboardLink:
    kept = () if EXPORTER in (here, to) else (KEEP_APP,)
    link = builders.DashboardLink(TITLES[to]).type(DashboardLinkType.LINK).icon("dashboard")
    return link.url(to_dashboard(to, *kept)).keep_time(True)


def _runbooks() -> builders.DashboardLink:
    link = builders.DashboardLink("Runbooks").type(DashboardLinkType.LINK).icon("doc")
    return link.url(f"{REPOSITORY}/tree/main/deploy/runbooks").target_blank(True)
