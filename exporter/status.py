"""What the status page and its JSON say."""

import time
from typing import Any

from exporter.code_tables import Tables
from exporter.results import ClassifiedResult, Severity
from exporter.service import VERSION, Service

MAX_FAILING_CODES = 20


def status_of(service: Service) -> dict[str, Any]:
    """Sum up the exporter's state, ready for JSON: times in Unix seconds, no secret."""
    problem = service.not_ready()
    counted = _counted(service)
    return {
        "ready": problem is None,
        "problem": problem,
        "version": VERSION,
        "host": service.host,
        "process": service.process,
        "started_at": service.started_at,
        "uptime_seconds": time.time() - service.started_at,
        "ledger": {
            "path": str(service.settings.ledger_path),
            "problem": service.ledger.problem,
            "pending_results": service.ledger.pending,
        },
        "channels": _channels(service, counted),
        "failing_codes": _failing(service, counted),
        "unknown_codes": [
            {"channel": one.channel, "code": one.code, "message": one.message,
             "last_seen": one.last_seen}
            for one in service.unknown_codes
        ],
    }  # fmt: skip


def code_rows(tables: Tables) -> list[dict[str, str]]:
    """List every row of the code tables."""
    return [
        {"channel": table.channel, "code": code} | row.model_dump(mode="json", exclude={"messages"})
        for table in tables.values()
        for code, row in table.codes.items()
    ]


Counted = list[tuple[ClassifiedResult, int, float]]  # meaning, results, last received


def _counted(service: Service) -> Counted:
    current = service.configuration.classifier.current
    return [
        (current(series), count.total, count.last_at)
        for series, count in service.ledger.counts.items()
    ]


def _channels(service: Service, counted: Counted) -> list[dict[str, Any]]:
    rows = {
        channel: {
            "channel": channel,
            "results": 0,
            "last_received": None,
            "severities": dict.fromkeys(map(str, Severity), 0),
        }
        for channel in service.configuration.classifier.channels()
    }
    for meaning, total, last in counted:
        channel = meaning.series.channel
        row: dict[str, Any] = rows.setdefault(channel, {**rows["other"], "channel": channel})
        row["results"] += total
        row["last_received"] = max(last, row["last_received"] or 0)
        row["severities"][meaning.severity.value] += total
    return list(rows.values())


def _failing(service: Service, counted: Counted) -> list[dict[str, Any]]:
    failing = [one for one in counted if one[0].severity is not Severity.INFO]
    failing.sort(key=lambda one: -one[1])
    rows = []
    for meaning, total, last in failing[:MAX_FAILING_CODES]:
        row = service.configuration.classifier.row(meaning.series)
        rows.append({
            "channel": meaning.series.channel,
            "code": meaning.series.code,
            "name": meaning.name,
            "severity": meaning.severity.value,
            "results": total,
            "last_received": last,
            "description": row.description if row else "No table has this code.",
            "action": row.action if row else "Add a row for it to a table of your own.",
        })  # fmt: skip
    return rows
