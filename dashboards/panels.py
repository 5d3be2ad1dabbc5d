"""The kinds of panels, with unit, thresholds, legend and text for no data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import heatmap as heatmap_builders
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.builders import stat as stat_builders
from grafana_foundation_sdk.builders import table as table_builders
from grafana_foundation_sdk.builders import timeseries as timeseries_builders
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import prometheus as prometheus_models
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from dashboards.style import COUNT, NEUTRAL, SECONDS, SHARE, Column, Line, Steps

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

Panel = (
    timeseries_builders.Panel | stat_builders.Panel | table_builders.Panel | heatmap_builders.Panel
)
AnyPanel = TypeVar(
    "AnyPanel",
    timeseries_builders.Panel,
    stat_builders.Panel,
    table_builders.Panel,
    heatmap_builders.Panel,
)


def timeseries(
    title: str,
    description: str,
    unit: str,
    *drawn: Line,
    stacked: bool = False,
    colors: Mapping[str, str] | None = None,
    dashed: str = "",
    link: tuple[str, str] | None = None,
    min_interval: str = "",
    no_value: str = "No data",
) -> timeseries_builders.Panel:
    """Draw values over time; series whose name matches `dashed` have dashed lines."""
    panel = (
        _described(timeseries_builders.Panel(), title, description, unit, no_value)
        .min(0)
        .line_width(1)
        .fill_opacity(40 if stacked else 8)
        .show_points(common.VisibilityMode.AUTO)
        .legend(_legend())
        .tooltip(_tooltip())
        .span(12)
        .height(9)
    )
    if stacked:
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if unit == SHARE:
        panel.axis_soft_max(0.01)
    _distinguish(panel, colors or {}, dashed)
    if link:
        panel.data_links([_data_link(*link)])
    if min_interval:
        panel.interval(min_interval)
    for ref, line in zip(_refs(), drawn, strict=False):
        target = query(ref, line.expression).range().legend_format(line.legend)
        panel.with_target(target.exemplar(line.exemplar))
    return panel


def stat(
    title: str,
    description: str,
    unit: str,
    expression: str,
    *,
    steps: Steps = NEUTRAL,
    mappings: Mapping[str, tuple[str, str]] | None = None,
    link: tuple[str, str] | None = None,
    no_value: str = "No data",
) -> stat_builders.Panel:
    """Show a current value; `mappings` assigns texts and colors to values."""
    panel = (
        _described(stat_builders.Panel(), title, description, unit, no_value)
        .thresholds(_thresholds(steps))
        .color_scheme(builders.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .text_mode(common.BigValueTextMode.VALUE)
        .span(4)
        .height(4)
    )
    if unit == COUNT:
        panel.decimals(0)
    if mappings:
        panel.mappings([_value_mappings(mappings)])
    if link:
        panel.data_links([_data_link(*link)])
    target = query("A", expression).instant().legend_format(title)
    return panel.with_target(target)


def table(
    title: str,
    description: str,
    columns: Sequence[Column],
    *expressions: str,
    sort_by: str = "",
    limit: int = 0,
    width: int = 24,
    no_value: str = "No data",
) -> table_builders.Panel:
    """Show instant values as a table: queries with the same labels share a row."""
    panel = (
        _described(table_builders.Panel(), title, description, COUNT, no_value)
        .thresholds(_thresholds(NEUTRAL))
        .cell_options(common.TableAutoCellOptions())
        .span(width)
        .height(9)
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(_organized(columns, expressions))
    )
    if sort_by:
        order = {"fields": {}, "sort": [{"field": sort_by, "desc": True}]}
        panel.with_transformation(DataTransformerConfig(id_val="sortBy", options=order))
    if limit:
        most = {"limitField": limit}
        panel.with_transformation(DataTransformerConfig(id_val="limit", options=most))
    for column in columns:
        panel.override_by_name(column.title, list(_look(column)))
    for ref, expression in zip(_refs(), expressions, strict=False):
        target = query(ref, expression).instant()
        panel.with_target(target.format(prometheus_models.PromQueryFormat.TABLE))
    return panel


def heatmap(
    title: str, description: str, expression: str, *, no_value: str = "No data"
) -> heatmap_builders.Panel:
    """Show the buckets of a histogram of seconds over time."""
    target = query("A", expression).range().legend_format("{{le}}")
    color = heatmap_builders.HeatmapColorOptions()
    color.mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Blues").steps(64).exponent(0.5)
    return (
        _described(heatmap_builders.Panel(), title, description, COUNT, no_value)
        .color(color.fill("dark-blue").scale(heatmap_models.HeatmapColorScale.EXPONENTIAL))
        .y_axis(
            heatmap_builders.YAxisConfig().unit(SECONDS).axis_placement(common.AxisPlacement.LEFT)
        )
        .cell_values(heatmap_builders.CellValues().unit(COUNT).decimals(0))
        .cell_gap(1)
        .show_legend()
        .tooltip(
            heatmap_builders.HeatmapTooltip()
            .mode(common.TooltipDisplayMode.SINGLE)
            .show_color_scale(True)
        )
        .with_target(target.format(prometheus_models.PromQueryFormat.HEATMAP))
        .span(12)
        .height(9)
    )


def _described(panel: AnyPanel, title: str, description: str, unit: str, no_value: str) -> AnyPanel:
    panel.title(title).description(description).datasource(DATASOURCE)
    return panel.unit(unit).no_value(no_value)


def query(ref: str, expression: str) -> prometheus.Dataquery:
    """Make a Prometheus query with the options of most panels."""
    return (
        prometheus.Dataquery()
        .ref_id(ref)
        .datasource(DATASOURCE)
        .editor_mode(prometheus_models.QueryEditorMode.CODE)
        .expr(expression)
        .format(prometheus_models.PromQueryFormat.TIME_SERIES)
    )


def _refs() -> Iterable[str]:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _distinguish(panel: timeseries_builders.Panel, colors: Mapping[str, str], dashed: str) -> None:
    """Assign colors by series name, and dashes to matching names."""
    for name, color in colors.items():
        fixed = {"mode": FieldColorModeId.FIXED, "fixedColor": color}
        panel.override_by_name(name, [DynamicConfigValue("color", fixed)])
    if dashed:
        style = {"fill": "dash", "dash": [8, 8]}
        faint = [DynamicConfigValue("custom.lineStyle", style)]
        panel.override_by_regexp(dashed, [*faint, DynamicConfigValue("custom.fillOpacity", 0)])


def _legend() -> common_builders.VizLegendOptions:
    return (
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
        .show_legend(True)
        .sort_by("Max")
        .sort_desc(True)
    )


def _tooltip() -> common_builders.VizTooltipOptions:
    tooltip = common_builders.VizTooltipOptions()
    return tooltip.mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)


def _thresholds(steps: Steps) -> builders.ThresholdsConfig:
    return (
        builders.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(color=color, value=value) for value, color in steps])
    )


def _value_mappings(mappings: Mapping[str, tuple[str, str]]) -> ValueMapping:
    options = {
        value: ValueMappingResult(text=text, color=color, index=index)
        for index, (value, (text, color)) in enumerate(mappings.items())
    }
    return ValueMap(options=options)


def _data_link(title: str, url: str) -> builders.DashboardLink:
    return builders.DashboardLink(title).url(url).target_blank(url.startswith("https:"))


def _organized(columns: Sequence[Column], expressions: Sequence[str]) -> DataTransformerConfig:
    """Order and name the columns, and hide the other fields."""
    values = [f"Value #{ref}" for ref, _ in zip(_refs(), expressions, strict=False)]
    fields = [column.field for column in columns]
    hidden = ["Time", *(value for value in (*values, "Value") if value not in fields)]
    options = {
        "excludeByName": dict.fromkeys(hidden, True),
        "indexByName": {field: index for index, field in enumerate(fields)},
        "renameByName": {column.field: column.title for column in columns},
    }
    return DataTransformerConfig(id_val="organize", options=options)


def _look(column: Column) -> Iterable[DynamicConfigValue]:
    if column.unit:
        yield DynamicConfigValue("unit", column.unit)
    if column.unit == COUNT:
        yield DynamicConfigValue("decimals", 0)
    if column.width:
        yield DynamicConfigValue("custom.width", column.width)
    if column.link:
        title, url = column.link
        outside = url.startswith("https:")
        yield DynamicConfigValue("links", [{"title": title, "url": url, "targetBlank": outside}])
    if column.steps:
        yield DynamicConfigValue("thresholds", _thresholds(column.steps).build())
        yield DynamicConfigValue("custom.cellOptions", {"type": "color-text"})
