"""The exporter itself: who calls it, how fast it answers, and whether its ledger keeps up."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import layout, queries
from dashboards.panels import Panel, distribution, lines, number, rows
from dashboards.queries import NOW
from dashboards.style import (
    BYTES,
    CALLS_PER_SECOND,
    COUNT,
    PER_SECOND,
    SECONDS,
    SHARE,
    ZERO_IS_GOOD,
    Column,
    Line,
    to_runbook,
    up_to,
)
from exporter import metrics

_REFUSED = 'status!="accepted"'
_OURS = 'alertname=~".+(Exporter|Ledger|Webhook).+"'
_QUIET = "No calls in this time range"


def build() -> Dashboard:
    """Build the dashboard of the exporter."""
    return layout.dashboard(
        layout.EXPORTER,
        "The exporter itself: calls, latency, ledger, memory, replicas.",
        {
            "Now": _now(),
            "Calls": [_requests(), _refusals(), _latency(), _latency_quantiles()],
            "Items": [_rejections(), _duplicates()],
            "Ledger": [_commits(), _commit_seconds(), _waiting(), _commit_errors()],
            "Process": [_memory(), _processor(), _files(), _replicas()],
        },
        alerts=queries.alerts(queries.FIRING, _OURS),
    )


def _now() -> list[Panel]:
    return [*_replicas_now(), *_calls_now(), *_state_now()]


def _replicas_now() -> list[Panel]:
    up = queries.select("up")
    return [
        number(
            "Replicas up",
            "Replicas that Prometheus reaches.",
            COUNT,
            f"sum({up})",
            steps=[(None, "red"), (1, "green")],
            link=to_runbook("PushExporterDown"),
            no_value="Not scraped",
        ),
        number(
            "Replicas down",
            "Replicas that Prometheus knows and does not reach.",
            COUNT,
            f"sum({up} == bool 0)",
            steps=ZERO_IS_GOOD,
            link=to_runbook("PushExporterDown"),
            no_value="Not scraped",
        ),
    ]


def _calls_now() -> list[Panel]:
    requests = queries.total(queries.rate(metrics.REQUESTS, window=NOW))
    refused = queries.total(queries.rate(metrics.REQUESTS, _REFUSED, window=NOW))
    return [
        number(
            "Calls",
            f"Webhook calls a second, over the last {NOW}.",
            CALLS_PER_SECOND,
            requests,
        ),
        number(
            "Calls refused",
            f"Share of calls that were not accepted, over the last {NOW}.",
            SHARE,
            queries.share(refused, requests),
            steps=up_to("refused_share"),
            link=to_runbook("PushWebhookRejecting"),
            no_value=f"No calls in {NOW}",
        ),
    ]


def _state_now() -> list[Panel]:
    return [
        number(
            "Ledger errors",
            f"Failed attempts to write to the ledger in the last {NOW}.",
            COUNT,
            queries.total(queries.increase(metrics.COMMIT_ERRORS, window=NOW)),
            steps=ZERO_IS_GOOD,
            link=to_runbook("PushLedgerFailing"),
        ),
        number(
            "Last reload",
            "Whether every replica could read its keys, tokens and code tables the last time.",
            "none",
            f"min({queries.select(metrics.RELOAD_SUCCESSFUL)})",
            words={"0": ("Failed: the old ones stay", "red"), "1": ("Succeeded", "green")},
        ),
    ]


def _requests() -> Panel:
    accepted = queries.rate(metrics.REQUESTS, 'status="accepted"')
    other = queries.total(queries.rate(metrics.REQUESTS, _REFUSED), "source", "status")
    return lines(
        "Calls by status",
        "Webhook calls a second: accepted, or the reason of the error.",
        CALLS_PER_SECOND,
        Line(queries.total(accepted, "source", "status"), "{{source}} {{status}}"),
        Line(queries.some(other), "{{source}} {{status}}"),
        stacked=True,
        link=to_runbook("PushWebhookRejecting"),
    )


def _refusals() -> Panel:
    whole = queries.total(queries.rate(metrics.REQUESTS), "source")
    part = queries.total(queries.rate(metrics.REQUESTS, _REFUSED), "source")
    return lines(
        "Calls refused by webhook",
        "Share of each webhook's calls that were not accepted. Source unknown is a path that is "
        "no webhook, or a call that is not HTTP.",
        SHARE,
        Line(queries.share(part, whole), "{{source}}"),
        link=to_runbook("PushWebhookRejecting"),
        least_interval="1m",
        no_value=_QUIET,
    )


def _latency() -> Panel:
    buckets = queries.increase(f"{metrics.REQUEST_SECONDS}_bucket", window=queries.INTERVAL)
    return distribution(
        "Time to answer",
        "How many calls took how long, from the head of a call to its answer. An answer waits for "
        "the disk.",
        queries.total(buckets, "le"),
        no_value=_QUIET,
    )


def _latency_quantiles() -> Panel:
    return lines(
        "Time to answer, quantiles",
        "How long the faster half and 99 % of the calls took at most, estimated.",
        SECONDS,
        Line(queries.quantile(0.5, metrics.REQUEST_SECONDS), "median"),
        Line(queries.quantile(0.99, metrics.REQUEST_SECONDS), "99 %"),
        least_interval="1m",
        no_value=_QUIET,
    )


def _rejections() -> Panel:
    reasons = queries.total(queries.rate(metrics.REJECTED), "source", "reason")
    return lines(
        "Items rejected",
        "Items a second that were not results: in all, and by reason.",
        PER_SECOND,
        Line(queries.total(queries.rate(metrics.REJECTED)), "All"),
        Line(queries.some(reasons), "{{source}} {{reason}}"),
        link=to_runbook("PushWebhookRejecting"),
    )


def _duplicates() -> Panel:
    return lines(
        "Duplicates",
        "Items a second that had been counted before and were not counted again.",
        PER_SECOND,
        Line(queries.total(queries.rate(metrics.DUPLICATES), "source"), "{{source}}"),
    )


def _commits() -> Panel:
    commits = queries.rate(f"{metrics.COMMIT_SECONDS}_count")
    return lines(
        "Commits",
        "Commits to the ledger a second. Each holds all that came since the one before.",
        PER_SECOND,
        Line(queries.total(commits, "instance"), "{{instance}}"),
        link=to_runbook("PushLedgerFailing"),
    )


def _commit_seconds() -> Panel:
    return lines(
        "Time of a commit, quantiles",
        "How long the faster half and 99 % of the commits took at most, estimated.",
        SECONDS,
        Line(queries.quantile(0.5, metrics.COMMIT_SECONDS), "median"),
        Line(queries.quantile(0.99, metrics.COMMIT_SECONDS), "99 %"),
        link=to_runbook("PushLedgerFailing"),
        least_interval="1m",
        no_value="No commits in this time range",
    )


def _waiting() -> Panel:
    return lines(
        "Waiting",
        "Calls that are being answered, and results that wait for their commit.",
        COUNT,
        Line(queries.select(metrics.IN_FLIGHT), "{{instance}} calls"),
        Line(queries.select(metrics.PENDING), "{{instance}} results"),
        link=to_runbook("PushExporterOverloaded"),
    )


def _commit_errors() -> Panel:
    errors = queries.rate(metrics.COMMIT_ERRORS)
    return lines(
        "Ledger errors over time",
        "Failed attempts to write to the ledger, a second. Nothing is acknowledged until one "
        "succeeds.",
        PER_SECOND,
        Line(queries.total(errors, "instance"), "{{instance}}"),
        link=to_runbook("PushLedgerFailing"),
    )


def _memory() -> Panel:
    return lines(
        "Memory",
        "Resident memory of each replica.",
        BYTES,
        Line(queries.select("process_resident_memory_bytes"), "{{instance}}"),
    )


def _processor() -> Panel:
    used = queries.total(queries.rate("process_cpu_seconds_total"), "instance")
    return lines(
        "Processor",
        "Share of one core that each replica uses; a replica uses one at most.",
        SHARE,
        Line(used, "{{instance}}"),
        link=to_runbook("PushExporterOverloaded"),
    )


def _files() -> Panel:
    opened, allowed = (queries.select(f"process_{one}_fds") for one in ("open", "max"))
    return lines(
        "Open files",
        "Share of the open files, connections included, that each replica may have.",
        SHARE,
        Line(f"{opened} / {allowed}", "{{instance}}"),
        link=to_runbook("PushExporterOverloaded"),
    )


def _replicas() -> Panel:
    started = f"time() - max by (instance) ({queries.select('process_start_time_seconds')})"
    version = f"max by (instance, version) ({queries.select(metrics.BUILD_INFO)})"
    return rows(
        "Replicas",
        "Version of each replica that answers, and how long it has been running.",
        [
            Column("instance", "Instance"),
            Column("version", "Version"),
            Column("Value #B", "Running for", SECONDS),
        ],
        version,
        started,
        width=12,
        no_value="Not scraped",
    )
