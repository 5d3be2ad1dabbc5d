"""The dashboard of the exporter: requests, response times and the ledger."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import layout, queries, replicas
from dashboards.names import TARGET_LABELS
from dashboards.panels import Panel, heatmap, stat, timeseries
from dashboards.queries import SHARE_WINDOW
from dashboards.style import (
    COUNT,
    PER_SECOND,
    REQUESTS_PER_SECOND,
    SECONDS,
    SHARE,
    ZERO_IS_GOOD,
    Line,
    to_runbook,
    up_to,
)
from exporter.classification.alerts import AlertName
from exporter.metrics import metrics

_REFUSED = 'status!~"accepted|verified"'
_OURS = 'alertname=~".+(Exporter|Ledger|Webhook|Request|Item|Reload|Dedupe|Certificate).+"'
_QUIET = "No requests in this time range"


def build() -> Dashboard:
    """Build the dashboard of the exporter."""
    return layout.dashboard(
        layout.EXPORTER,
        "The exporter itself: requests, latency, ledger, memory, replicas.",
        {
            "Now": _now(),
            "Requests": [_requests(), _refusals(), _latency(), _latency_quantiles()],
            "Gateways": [_gateway()],
            "Items": [_rejections(), _duplicates()],
            "Ledger": replicas.ledger(),
            "Configuration": replicas.configuration(),
            "Process": replicas.process(),
        },
        variables=[layout.sources()],
        alerts=queries.alerts(queries.FIRING, _OURS),
    )


def _now() -> list[Panel]:
    return [*_replicas_now(), *_calls_now(), *_state_now()]


def _replicas_now() -> list[Panel]:
    up = queries.select(queries.UP)
    return [
        stat(
            "Replicas up",
            "Replicas that Prometheus reaches.",
            COUNT,
            f"sum({up})",
            steps=[(None, "red"), (1, "green")],
            link=to_runbook(AlertName.EXPORTER_DOWN),
            no_value="Not scraped, or rules not loaded",
        ),
        stat(
            "Replicas down",
            "Replicas that Prometheus knows and does not reach.",
            COUNT,
            f"sum({up} == bool 0)",
            steps=ZERO_IS_GOOD,
            link=to_runbook(AlertName.EXPORTER_DOWN),
            no_value="Not scraped, or rules not loaded",
        ),
    ]


def _calls_now() -> list[Panel]:
    requests = queries.total(queries.rate(metrics.REQUESTS, window=SHARE_WINDOW))
    return [
        stat(
            "Requests",
            f"Webhook requests per second, over the last {SHARE_WINDOW}.",
            REQUESTS_PER_SECOND,
            requests,
        ),
        stat(
            "Requests refused",
            f"Share of requests that were not accepted, over the last {SHARE_WINDOW}; of several "
            "exporters, that of the worst.",
            SHARE,
            _refused_share(window=SHARE_WINDOW),
            steps=up_to("refused_share"),
            link=to_runbook(AlertName.WEBHOOK_REJECTING),
            no_value=f"No requests in {SHARE_WINDOW}",
        ),
    ]


def _state_now() -> list[Panel]:
    return [
        stat(
            "Ledger errors",
            f"Failed attempts to write to the ledger in the last {SHARE_WINDOW}.",
            COUNT,
            queries.total(queries.increase(metrics.COMMIT_ERRORS, window=SHARE_WINDOW)),
            steps=ZERO_IS_GOOD,
            link=to_runbook(AlertName.LEDGER_FAILING),
        ),
        stat(
            "Last reload",
            "Whether every replica could read its keys, tokens and code tables the last time.",
            "none",
            f"min({queries.select(metrics.RELOAD_SUCCESSFUL)})",
            mappings={"0": ("Failed: the old ones stay", "red"), "1": ("Succeeded", "green")},
        ),
    ]


def _requests() -> Panel:
    accepted = queries.rate(metrics.REQUESTS, 'status=~"accepted|verified"')
    other = queries.total(queries.rate(metrics.REQUESTS, _REFUSED), "source", "status")
    return timeseries(
        "Requests by status",
        "Webhook requests per second: accepted, verified (a handshake or probe), or the reason of "
        "the error.",
        REQUESTS_PER_SECOND,
        Line(queries.total(accepted, "source", "status"), "{{source}} {{status}}"),
        Line(queries.nonzero(other), "{{source}} {{status}}"),
        stacked=True,
        link=to_runbook(AlertName.WEBHOOK_REJECTING),
    )


def _refusals() -> Panel:
    return timeseries(
        "Requests refused by webhook",
        "Share of each webhook's requests that were not accepted; of several exporters, that of "
        "the worst. Source unknown is a path that is no webhook, or a request that is not HTTP.",
        SHARE,
        Line(_refused_share("source"), "{{source}}"),
        link=to_runbook(AlertName.WEBHOOK_REJECTING),
        min_interval="1m",
        no_value=_QUIET,
    )


def _refused_share(*by: str, window: str = queries.INTERVAL) -> str:
    """Return the share of requests that were not accepted; the highest of the exporters."""
    part, whole = (
        queries.total(queries.rate(metrics.REQUESTS, *status, window=window), *TARGET_LABELS, *by)
        for status in ([_REFUSED], [])
    )
    return queries.worst(queries.share(part, whole), *by)


def _latency() -> Panel:
    buckets = queries.increase(f"{metrics.REQUEST_SECONDS}_bucket", window=queries.INTERVAL)
    return heatmap(
        "Response time",
        "How many requests took how long, from their headers to the response. It waits for "
        "the disk.",
        queries.total(buckets, "le"),
        no_value=_QUIET,
    )


def _latency_quantiles() -> Panel:
    return timeseries(
        "Response time, quantiles",
        "How long the faster half and 99 % of the requests took at most, estimated; of several "
        "exporters, the slowest.",
        SECONDS,
        Line(queries.quantile(0.5, metrics.REQUEST_SECONDS), "median"),
        Line(queries.quantile(0.99, metrics.REQUEST_SECONDS), "99 %"),
        min_interval="1m",
        no_value=_QUIET,
    )


def _gateway() -> Panel:
    """Draw a panel for each selected gateway, repeated by Grafana."""
    source = 'source="$source"'
    requests = queries.total(queries.rate(metrics.REQUESTS, source), "status")
    items = [
        Line(queries.total(queries.rate(metric, source)), f"items {outcome}")
        for metric, outcome in (
            (metrics.REJECTED, "rejected"),
            (metrics.DUPLICATES, "duplicate"),
            (metrics.SKIPPED, "skipped"),
        )
    ]
    panel = timeseries(
        "Gateway $source",
        "Requests of the gateway per second, by status, and the items in them that were not "
        "counted: rejected, repeated, or of a kind that is not wanted.",
        PER_SECOND,
        Line(queries.nonzero(requests), "requests {{status}}"),
        *items,
        link=to_runbook(AlertName.WEBHOOK_REJECTING),
        no_value=_QUIET,
    )
    panel.repeat("source")
    panel.repeat_direction("h")
    return panel.max_per_row(3)


def _rejections() -> Panel:
    reasons = queries.total(queries.rate(metrics.REJECTED), "source", "reason")
    return timeseries(
        "Items rejected",
        "Items per second that were rejected: in all, and by reason.",
        PER_SECOND,
        Line(queries.total(queries.rate(metrics.REJECTED)), "All"),
        Line(queries.nonzero(reasons), "{{source}} {{reason}}"),
        link=to_runbook(AlertName.WEBHOOK_REJECTING),
    )


def _duplicates() -> Panel:
    return timeseries(
        "Duplicates",
        "Items per second that had been counted before and were not counted again.",
        PER_SECOND,
        Line(queries.total(queries.rate(metrics.DUPLICATES), "source"), "{{source}}"),
    )
