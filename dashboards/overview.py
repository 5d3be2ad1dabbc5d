"""The overview dashboard: the health of push by channel, and the failing codes."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import health, layout, queries
from dashboards.panels import Panel, stat, table, timeseries
from dashboards.queries import FAILED, NOT_INFO, SHARE_WINDOW, THROTTLED, TOKEN_INVALID
from dashboards.style import (
    COUNT,
    KEEP_APP,
    MIN_INTERVAL,
    PER_SECOND,
    RUNBOOK_OF_CELL,
    SECONDS,
    SHARE,
    TARGET_COLUMNS,
    ZERO_IS_GOOD,
    Column,
    Line,
    to_dashboard,
    to_runbook,
    up_to,
)
from exporter.classification.alerts import AlertName

_OPEN_CHANNEL = (
    "Open the channel",
    to_dashboard(
        layout.CHANNEL, KEEP_APP, "var-channel=${__field.labels.channel}", "${__url_time_range}"
    ),
)
_CHOOSE_APP = (
    "Show this app",
    to_dashboard(layout.OVERVIEW, "var-app=${__value.raw}", "${__url_time_range}"),
)


def build() -> Dashboard:
    """Build the overview."""
    return layout.dashboard(
        layout.OVERVIEW,
        "Results of mobile push by channel: volume, failures, spikes, throttling, unknown codes.",
        {
            "Now": _now(),
            f"Last {SHARE_WINDOW}": health.shares(),
            "Apps": [_apps()],
            "Channels": [_channels(), _volume(), _failures(), _accepted()],
            "From accepted to delivered": health.delivery(),
            "Codes": [_top_codes(), health.severities(), _unknown_codes()],
            "Spikes, throttling, outages": [
                _bad_device_tokens(),
                _invalid_tokens(),
                _throttling(),
                _outages(),
            ],
            "Alerts": [_alerts()],
        },
        variables=[layout.apps(), layout.channels()],
        alerts=queries.alerts(queries.FIRING, queries.OF_APP),
    )


def _now() -> list[Panel]:
    rejected = queries.total(f"{queries.critical('channel')} > bool 0")
    return [
        stat(
            "Exporter",
            "Whether Prometheus reaches every replica of the exporter.",
            "none",
            f"min({queries.select(queries.UP)})",
            mappings={"0": ("Replica down", "red"), "1": ("Up", "green")},
            link=("Open the exporter", to_dashboard(layout.EXPORTER, "${__url_time_range}")),
            no_value="Not scraped, or rules not loaded",
        ),
        stat(
            "Firing alerts",
            "Push alerts that fire in Prometheus. Grafana's own alerts are on its Alerting page.",
            COUNT,
            queries.firing(queries.OF_APP),
            steps=ZERO_IS_GOOD,
            no_value="Rules not loaded",
        ),
        stat(
            "Channels rejected",
            f"Channels with a critical code in the last {SHARE_WINDOW}: certificate, key, "
            "permission or configuration. They are probably dead until someone acts.",
            COUNT,
            rejected,
            steps=ZERO_IS_GOOD,
            link=to_runbook(AlertName.CHANNEL_REJECTED),
        ),
        health.unknown_codes(),
    ]


def _apps() -> Panel:
    return table(
        "Apps",
        f"Each app of APPS that ever had a result, the highest share of failures first. Rates and "
        f"shares are over the last {SHARE_WINDOW}.",
        [
            Column("app", "App", link=_CHOOSE_APP),
            Column("Value #A", "Last result, age", SECONDS),
            Column("Value #B", "Results", PER_SECOND),
            Column("Value #C", "Failures", SHARE, steps=up_to("failure_share")),
            Column("Value #D", "Invalid tokens", SHARE, steps=up_to("token_invalid_share")),
            Column("Value #E", "Critical results", COUNT, steps=ZERO_IS_GOOD),
        ],
        queries.last_received_age("app", 'app!=""'),
        *(
            queries.seen_apps(expression)
            for expression in (
                queries.total(queries.results(window=SHARE_WINDOW), "app"),
                queries.severity_share(FAILED, "app", window=SHARE_WINDOW),
                queries.category_share(TOKEN_INVALID, "app", window=SHARE_WINDOW),
                queries.critical("app"),
            )
        ),
        sort_by="Failures",
        no_value="No apps: the setting APPS declares them",
    )


def _channels() -> Panel:
    return table(
        "Channels",
        f"Each channel that ever had a result. Rates and shares are over the last {SHARE_WINDOW}; "
        "they are empty where no result came.",
        [
            Column("channel", "Channel", link=health.CHANNEL_OF_CELL),
            Column("Value #A", "Last result, age", SECONDS),
            Column("Value #B", "Results", PER_SECOND),
            Column("Value #C", "Failures", SHARE, steps=up_to("failure_share")),
            Column("Value #D", "Invalid tokens", SHARE, steps=up_to("token_invalid_share")),
            Column("Value #E", "Throttled", SHARE, steps=up_to("throttled_share")),
            Column("Value #F", "Vendor outage", SHARE, steps=up_to("outage_share")),
            Column("Value #G", "Critical results", COUNT, steps=ZERO_IS_GOOD),
        ],
        queries.last_received_age(),
        *(
            queries.seen_channels(expression)
            for expression in (
                queries.total(queries.results(window=SHARE_WINDOW), "channel"),
                queries.severity_share(FAILED, "channel", window=SHARE_WINDOW),
                *(
                    queries.category_share(category, "channel", window=SHARE_WINDOW)
                    for category in (TOKEN_INVALID, THROTTLED, queries.OUTAGE)
                ),
                queries.critical("channel"),
            )
        ),
        sort_by="Results",
        no_value="No result yet",
    )


def _volume() -> Panel:
    return timeseries(
        "Results by channel",
        "Push results per second.",
        PER_SECOND,
        Line(queries.seen_channels(queries.total(queries.results(), "channel")), "{{channel}}"),
        stacked=True,
        link=_OPEN_CHANNEL,
        no_value="No result yet",
    )


def _failures() -> Panel:
    return _share_by_channel(
        "Failures by channel",
        "Share of each channel's results with severity error or critical.",
        queries.severity_share(FAILED, "channel"),
        _OPEN_CHANNEL,
    )


def _accepted() -> Panel:
    return timeseries(
        "Accepted by channel",
        "Share of each channel's results that say that a push was accepted, delivered or opened. "
        "None for a quarter of an hour: the channel is dead.",
        SHARE,
        Line(queries.seen_channels(queries.accepted_share()), "{{channel}}"),
        link=to_runbook(AlertName.NOTHING_ACCEPTED),
        min_interval=MIN_INTERVAL,
        no_value="No results",
    )


def _share_by_channel(title: str, description: str, share: str, link: tuple[str, str]) -> Panel:
    return timeseries(
        title,
        description,
        SHARE,
        Line(queries.seen_channels(share), "{{channel}}"),
        link=link,
        min_interval=MIN_INTERVAL,
        no_value="No results",
    )


def _top_codes() -> Panel:
    return table(
        "Top failing codes",
        "The 20 most frequent codes of the time range that are not info, and their share of the "
        "channel's results. What to do: the runbook, or the code's action in the table behind its "
        "name (for your own codes: push-result-exporter explain).",
        health.CODE_COLUMNS,
        queries.codes_in_range(NOT_INFO),
        queries.codes_share(NOT_INFO),
        sort_by="Results",
        limit=20,
        no_value="No failing code in this time range",
    )


def _unknown_codes() -> Panel:
    ever = queries.select_results(queries.UNKNOWN)
    seen = f"count by (channel) ({queries.total(ever, 'channel', 'code')} > 0)"
    none = f"0 * {queries.total(ever, 'channel')}"
    return timeseries(
        "Unknown codes seen",
        "How many different codes of each channel are in no table, since the ledger began. A step "
        "up is a new code; the exporter's status page shows its message.",
        COUNT,
        Line(f"{seen} or {none}", "{{channel}}"),
        link=to_runbook(AlertName.UNKNOWN_CODE),
    )


def _bad_device_tokens() -> Panel:
    return health.compare_with_yesterday(
        "BadDeviceToken on APNs",
        f"Share of APNs results that are BadDeviceToken (2009), over {SHARE_WINDOW}, and what it "
        "was a day earlier. A spike is far above its own past; a steady share is not one.",
        queries.bad_device_token_share,
        AlertName.BAD_DEVICE_TOKEN_SPIKE,
        min_interval="",
        no_value="No APNs results",
    )


def _invalid_tokens() -> Panel:
    return _share_by_channel(
        "Invalid tokens by channel",
        "Share of each channel's results that say the token is invalid.",
        queries.category_share(TOKEN_INVALID, "channel"),
        to_runbook(AlertName.INVALID_TOKEN_RATIO_HIGH),
    )


def _throttling() -> Panel:
    return _by_name(
        "Throttling and quotas",
        "Results per second that a rate limit or quota refused: in all, and by channel and code.",
        THROTTLED,
        AlertName.THROTTLED,
    )


def _outages() -> Panel:
    return _by_name(
        "Vendor outages and connections",
        "Results per second that failed at the vendor or on the way: in all, and by channel and "
        "code.",
        queries.OUTAGE,
        AlertName.VENDOR_OUTAGE,
    )


def _by_name(title: str, description: str, category: str, runbook: str) -> Panel:
    whole = queries.total(queries.results())
    named = queries.named_codes(labels=("category",), info=(category,))
    return timeseries(
        title,
        description,
        PER_SECOND,
        Line(queries.or_zero(queries.of_category(category), whole), "All"),
        Line(named, "{{channel}} {{name}} ({{code}})"),
        link=to_runbook(runbook),
    )


def _alerts() -> Panel:
    columns = [
        Column("alertname", "Alert", link=RUNBOOK_OF_CELL),
        *(Column(label, label.capitalize()) for label in ("channel", "app", "severity")),
        Column("alertstate", "State"),
        *TARGET_COLUMNS,
    ]
    return table(
        "Alerts",
        "Push alerts that are pending or firing in Prometheus. Grafana's own alerts are on its "
        "Alerting page.",
        columns,
        queries.worst(queries.alerts(queries.OF_APP), *(column.field for column in columns)),
        no_value="No alert is pending or firing",
    )
