"""Panels shared by the overview and the dashboard of a channel."""

from collections.abc import Callable

from dashboards import layout, queries
from dashboards.panels import Panel, stat, timeseries
from dashboards.queries import (
    COMPARISON_OFFSET,
    FAILED,
    NOT_INFO,
    OUTAGE,
    SHARE_WINDOW,
    THROTTLED,
    TOKEN_INVALID,
)
from dashboards.style import (
    CODES,
    COUNT,
    KEEP_APP,
    MIN_INTERVAL,
    PER_SECOND,
    RUNBOOK_OF_CELL,
    SEVERITY_COLORS,
    SHARE,
    ZERO_IS_USUAL,
    Column,
    Line,
    to_dashboard,
    to_runbook,
    up_to,
)
from exporter.classification.alerts import AlertName

CHANNEL_OF_CELL = (
    "Open the channel",
    to_dashboard(layout.CHANNEL, KEEP_APP, "var-channel=${__value.raw}", "${__url_time_range}"),
)
CODE_COLUMNS = [
    Column("channel", "Channel", link=CHANNEL_OF_CELL, width=110),
    Column(
        "name",
        "Name",
        link=("The channel's codes, with actions", f"{CODES}/${{__data.fields.Channel}}.toml"),
    ),
    Column("code", "Code", width=110),
    Column("severity", "Severity", width=110),
    Column("category", "Category", width=140),
    Column("retry", "Retry", width=120),
    Column("Value #A", "Results", COUNT, width=110),
    Column("Value #B", "Share", SHARE, width=110),
    Column(
        queries.RUNBOOK,
        "Runbook",
        link=RUNBOOK_OF_CELL,
        width=230,
    ),
]
"""The columns of a table of codes, for queries.codes_in_range and queries.codes_share."""


def shares() -> list[Panel]:
    """Show the current rate of results, and the shares of their failures by kind."""
    return [
        stat(
            "Results",
            f"Results per second, over the last {SHARE_WINDOW}.",
            PER_SECOND,
            queries.total(queries.results(window=SHARE_WINDOW)),
        ),
        _share(
            "Failures",
            "Share of results with severity error or critical",
            queries.severity_share(FAILED, window=SHARE_WINDOW),
            AlertName.FAILURE_RATIO_HIGH,
            "failure_share",
        ),
        _share(
            "Invalid tokens",
            "Share of results that say the token is invalid",
            queries.category_share(TOKEN_INVALID, window=SHARE_WINDOW),
            AlertName.INVALID_TOKEN_RATIO_HIGH,
            "token_invalid_share",
        ),
        _share(
            "Throttled",
            "Share of results that a rate limit or quota refused",
            queries.category_share(THROTTLED, window=SHARE_WINDOW),
            AlertName.THROTTLED,
            "throttled_share",
        ),
        _share(
            "Vendor outage",
            "Share of results that failed at the vendor or on the way",
            queries.category_share(OUTAGE, window=SHARE_WINDOW),
            AlertName.VENDOR_OUTAGE,
            "outage_share",
        ),
    ]


def compare_with_yesterday(
    title: str,
    description: str,
    share: Callable[..., str],
    runbook: str,
    *,
    min_interval: str = MIN_INTERVAL,
    no_value: str = "No results",
) -> Panel:
    """Draw a share and, dashed, the share a day earlier; `share` takes the offset as `past`."""
    return timeseries(
        title,
        description,
        SHARE,
        Line(share(), "Share"),
        Line(share(past=COMPARISON_OFFSET), "A day earlier"),
        dashed="/earlier/",
        link=to_runbook(runbook),
        min_interval=min_interval,
        no_value=no_value,
    )


def delivery() -> list[Panel]:
    """Draw the outcome of accepted pushes according to receipts, by channel of sending."""
    return [
        _of_accepted(
            "Delivered of accepted",
            "Share of the pushes that a vendor accepted within two hours that were delivered, as "
            "its receipts say. A receipt has half an hour; at most 1.",
            "delivered",
        ),
        _of_accepted(
            "Opened of accepted",
            "Share of the pushes that a vendor accepted within two hours that were opened, as its "
            "receipts say.",
            "opened",
        ),
    ]


def _of_accepted(title: str, description: str, outcome: str) -> Panel:
    return timeseries(
        title,
        description,
        SHARE,
        Line(queries.of_accepted(outcome), "{{channel}}"),
        link=to_runbook(AlertName.DELIVERY_RATIO_LOW),
        no_value="No receipts, or too few accepted pushes",
    )


def unknown_codes() -> Panel:
    """Count the results with unknown codes."""
    return stat(
        "Unknown codes",
        "Results in the time range whose code is in no table.",
        COUNT,
        queries.unknown_in_range(),
        steps=ZERO_IS_USUAL,
        link=to_runbook(AlertName.UNKNOWN_CODE),
    )


def severities() -> Panel:
    """Draw the results with severities other than info, by severity."""
    return timeseries(
        "Results that are not info",
        "Results per second by severity: warning is one recipient or passes by itself, error is "
        "one message, critical is the channel, unknown is a code that no table has.",
        PER_SECOND,
        Line(queries.total(queries.results(NOT_INFO), "severity"), "{{severity}}"),
        stacked=True,
        colors=SEVERITY_COLORS,
    )


def _share(title: str, of: str, expression: str, runbook: str, threshold: str) -> Panel:
    return stat(
        title,
        f"{of}, over the last {SHARE_WINDOW}; of several exporters, that of the worst.",
        SHARE,
        expression,
        steps=up_to(threshold),
        link=to_runbook(runbook),
        no_value=f"No results in {SHARE_WINDOW}",
    )
