"""Panels of the exporter's replicas: ledger, configuration and process."""

from dashboards import queries
from dashboards.panels import Panel, table, timeseries
from dashboards.style import (
    BYTES,
    COUNT,
    PER_SECOND,
    REPLICA,
    SECONDS,
    SHARE,
    TARGET_COLUMNS,
    Column,
    Line,
    to_runbook,
)
from exporter.classification.alerts import AlertName
from exporter.metrics import metrics

_OLDEST_TRANSACTION = "push_ledger_oldest_transaction_seconds"
_EXPIRY = "push_ledger_expiry_seconds_total"
_CERTIFICATE_EXPIRY = "push_exporter_tls_certificate_expiry_timestamp_seconds"


def ledger() -> list[Panel]:
    """Return the panels of the ledger."""
    return [
        _commits(),
        _commit_seconds(),
        _waiting(),
        _commit_errors(),
        _dedupe_reach(),
        _oldest_transaction(),
        _expiry(),
    ]


def configuration() -> list[Panel]:
    """Return the panels of the loaded configuration."""
    return [_reloads(), _certificates()]


def process() -> list[Panel]:
    """Return the panels of the process."""
    return [_memory(), _processor(), _files(), _replicas()]


def _commits() -> Panel:
    commits = queries.rate(f"{metrics.COMMIT_SECONDS}_count")
    return timeseries(
        "Commits",
        "Commits to the ledger per second. Each holds all that came since the one before.",
        PER_SECOND,
        Line(queries.total(commits, *queries.REPLICA), REPLICA),
        link=to_runbook(AlertName.LEDGER_FAILING),
    )


def _commit_seconds() -> Panel:
    return timeseries(
        "Time of a commit, quantiles",
        "How long the faster half and 99 % of the commits took at most, estimated; of several "
        "exporters, the slowest.",
        SECONDS,
        Line(queries.quantile(0.5, metrics.COMMIT_SECONDS), "median"),
        Line(queries.quantile(0.99, metrics.COMMIT_SECONDS), "99 %"),
        link=to_runbook(AlertName.LEDGER_FAILING),
        min_interval="1m",
        no_value="No commits in this time range",
    )


def _waiting() -> Panel:
    return timeseries(
        "Waiting",
        "Requests in flight, and results that wait for their commit.",
        COUNT,
        Line(queries.select(metrics.IN_FLIGHT), f"{REPLICA} requests"),
        Line(queries.select(metrics.PENDING), f"{REPLICA} results"),
        link=to_runbook(AlertName.EXPORTER_OVERLOADED),
    )


def _commit_errors() -> Panel:
    errors = queries.rate(metrics.COMMIT_ERRORS)
    return timeseries(
        "Ledger errors over time",
        "Failed attempts to write to the ledger per second. Nothing is acknowledged until one "
        "succeeds.",
        PER_SECOND,
        Line(queries.total(errors, *queries.REPLICA), REPLICA),
        link=to_runbook(AlertName.LEDGER_FAILING),
    )


def _dedupe_reach() -> Panel:
    return timeseries(
        "Reach of deduplication",
        "How far back a repeated result is recognised. Below DEDUPE_WINDOW_SECONDS the bound on "
        "entries is reached, and a retry that is older is counted again.",
        SECONDS,
        Line(queries.select(metrics.DEDUPE_REACH), REPLICA),
        link=to_runbook(AlertName.DEDUPE_REACH_LOW),
        no_value="No deduplication",
    )


def _oldest_transaction() -> Panel:
    return timeseries(
        "Oldest transaction of PostgreSQL",
        "Age of the oldest transaction in the database of the ledger. While one is open, rows that "
        "expired stay on the disk.",
        SECONDS,
        Line(f"max({queries.select(_OLDEST_TRANSACTION)})", "age"),
        no_value="No ledger in PostgreSQL",
    )


def _expiry() -> Panel:
    spent = queries.total(queries.rate(_EXPIRY), *queries.REPLICA)
    return timeseries(
        "Time spent on expiry in PostgreSQL",
        "Share of the time that each replica spends on removing expired keys from the database.",
        SHARE,
        Line(spent, REPLICA),
        no_value="No ledger in PostgreSQL",
    )


def _reloads() -> Panel:
    return timeseries(
        "Reloads",
        "Whether each replica could read its keys, tokens and code tables the last time: 1, or 0.",
        COUNT,
        Line(queries.select(metrics.RELOAD_SUCCESSFUL), REPLICA),
        link=to_runbook(AlertName.RELOAD_FAILED),
    )


def _certificates() -> Panel:
    left = f"{queries.select(_CERTIFICATE_EXPIRY)} - time()"
    return timeseries(
        "Certificates",
        "Time until the TLS certificate of each listener ends.",
        SECONDS,
        Line(
            f"min by ({', '.join(queries.REPLICA)}, listener) ({left})",
            f"{REPLICA} {{{{listener}}}}",
        ),
        link=to_runbook(AlertName.CERTIFICATE_EXPIRING),
        no_value="No TLS",
    )


def _memory() -> Panel:
    return timeseries(
        "Memory",
        "Resident memory of each replica.",
        BYTES,
        Line(queries.of_exporters(queries.select("process_resident_memory_bytes")), REPLICA),
    )


def _processor() -> Panel:
    used = queries.of_exporters(queries.rate("process_cpu_seconds_total"))
    return timeseries(
        "Processor",
        "Share of one core that each replica uses; a replica uses one at most.",
        SHARE,
        Line(queries.total(used, *queries.REPLICA), REPLICA),
        link=to_runbook(AlertName.EXPORTER_OVERLOADED),
    )


def _files() -> Panel:
    opened, allowed = (queries.select(f"process_{kind}_fds") for kind in ("open", "max"))
    return timeseries(
        "Open files",
        "Share of the open files, connections included, that each replica may have.",
        SHARE,
        Line(queries.of_exporters(f"{opened} / {allowed}"), REPLICA),
        link=to_runbook(AlertName.EXPORTER_OVERLOADED),
    )


def _replicas() -> Panel:
    replica = ", ".join(queries.REPLICA)
    started = queries.of_exporters(queries.select("process_start_time_seconds"))
    version = f"max by ({replica}, version, revision) ({queries.select(metrics.BUILD_INFO)})"
    return table(
        "Replicas",
        "Version of each replica that is up, and how long it has been running.",
        [
            *TARGET_COLUMNS,
            Column("instance", "Instance"),
            Column("version", "Version"),
            Column("revision", "Revision"),
            Column("Value #B", "Running for", SECONDS),
        ],
        version,
        f"time() - max by ({replica}) {started}",
        width=12,
        no_value="Not scraped",
    )
