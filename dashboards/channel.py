"""The dashboard of a channel: results, codes, categories and exemplars."""

from functools import partial

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import health, layout, queries
from dashboards.panels import Panel, stat, table, timeseries
from dashboards.queries import FAILED, NOT_INFO, SHARE_WINDOW, TOKEN_INVALID
from dashboards.style import (
    COUNT,
    PER_SECOND,
    SECONDS,
    SHARE,
    ZERO_IS_GOOD,
    Line,
    to_runbook,
)
from exporter.classification.alerts import AlertName


def build() -> Dashboard:
    """Build the dashboard of a channel."""
    return layout.dashboard(
        layout.CHANNEL,
        "One channel in depth: its codes by name, their categories and severities.",
        {
            "Now": _now(),
            f"Last {SHARE_WINDOW}": health.shares(),
            "Failing codes": [_failing_codes(), health.severities()],
            "All codes": [_codes(), _categories(), _table()],
            "From accepted to delivered": health.delivery(),
            "Against the day before": [_failures(), _invalid_tokens()],
        },
        variables=[layout.apps(), layout.channel("apns")],
        alerts=queries.alerts(queries.FIRING, queries.CHANNEL, queries.OF_APP),
    )


def _now() -> list[Panel]:
    return [
        stat(
            "Last result, age",
            "Time since the channel's last result was counted.",
            SECONDS,
            queries.last_received_age(),
            no_value="No result yet",
        ),
        stat(
            "Critical results",
            f"Results of the last {SHARE_WINDOW} with a critical code. The channel is probably "
            "dead until someone acts.",
            COUNT,
            queries.critical(),
            steps=ZERO_IS_GOOD,
            link=to_runbook(AlertName.CHANNEL_REJECTED),
        ),
        health.unknown_codes(),
    ]


def _failing_codes() -> Panel:
    named = queries.named_codes(NOT_INFO, labels=("category",))
    return timeseries(
        "Failing codes",
        "Results per second that are not info: in all, and by code. The points are exemplars: "
        "messages that had such a result, with their id in msg_id, drawn at 1. Prometheus keeps "
        "them with --enable-feature=exemplar-storage.",
        PER_SECOND,
        Line(queries.total(queries.results(NOT_INFO)), "All", exemplar=True),
        Line(named, "{{name}} ({{code}})"),
    )


def _codes() -> Panel:
    return timeseries(
        "Codes",
        "Results per second by code, those that went well included.",
        PER_SECOND,
        Line(queries.named_codes(), "{{name}} ({{code}})"),
        stacked=True,
        no_value="No results in this time range",
    )


def _categories() -> Panel:
    per_code = queries.total(queries.results(), *queries.CODE)
    per_category = queries.total(queries.joined(per_code, "category"), "category")
    whole = queries.total(queries.results())
    return timeseries(
        "Categories",
        "Share of the channel's results by category.",
        SHARE,
        Line(f"({queries.nonzero(per_category)}) / on () group_left () {whole}", "{{category}}"),
        stacked=True,
        no_value="No results in this time range",
    )


def _table() -> Panel:
    return table(
        "Codes of the time range",
        "Every code that came, and its share of the channel's results. What to do: the runbook, or "
        "the code's action in the table behind its name (for your own codes: "
        "push-result-exporter explain).",
        health.CODE_COLUMNS,
        queries.codes_in_range(),
        queries.codes_share(),
        sort_by="Results",
        no_value="No results in this time range",
    )


def _failures() -> Panel:
    return health.compare_with_yesterday(
        "Failures",
        "Share of results with severity error or critical, and what it was a day earlier.",
        partial(queries.severity_share, FAILED),
        AlertName.FAILURE_RATIO_HIGH,
    )


def _invalid_tokens() -> Panel:
    return health.compare_with_yesterday(
        "Invalid tokens",
        "Share of results that say the token is invalid, and what it was a day earlier. A spike is "
        "far above its own past; a steady share is not one.",
        partial(queries.category_share, TOKEN_INVALID),
        AlertName.INVALID_TOKEN_RATIO_HIGH,
    )
