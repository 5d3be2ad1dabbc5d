"""What a soak measures: the processes, the database and its log."""

import os
import urllib.request
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.support.postgres import Server
from tests.support.programs import cpu_seconds

PAGE = os.sysconf("SC_PAGE_SIZE")

STATEMENTS = """
SELECT
    CASE
        WHEN query ~ 'exporter.commit\\(|INTO push_result_exporter.keys AS known'
            THEN 'commit'
        WHEN query ~ 'advance\\(|empty_slot\\(|slots|DELETE FROM push_result_exporter.keys|old_keys'
            THEN 'expiry'
        ELSE 'other'
    END,
    sum(total_exec_time + total_plan_time)
FROM pg_stat_statements WHERE toplevel GROUP BY 1
"""

SIZES = """
SELECT sum(pg_relation_size(oid))::bigint, sum(pg_indexes_size(oid))::bigint
FROM pg_class
WHERE relnamespace = 'push_result_exporter'::regnamespace AND relkind = 'r' AND relname ~ '^keys'
"""


class Sample(NamedTuple):
    """The state of things at a moment; what only grows is a total."""

    counted: int
    """Results in the database."""
    heap: int
    indexes: int
    """Bytes of the key tables and their indexes."""
    wal: int
    log: int
    """Bytes that were written since the start."""
    statements: dict[str, float]
    """Milliseconds of the database by kind of statement."""
    commits: dict[float, float]
    """Commits by the bounds of the histogram's buckets, of all replicas."""
    resident: int
    """Bytes of the largest replica."""
    cpu: float
    """Seconds of all replicas."""


def take(server: Server, processes: list[int], admins: list[str]) -> Sample:
    """Measure everything once."""
    [(counted,)] = server.execute("SELECT sum(count)::bigint FROM push_result_exporter.counts")
    [(heap, indexes)] = server.execute(SIZES)
    [(wal,)] = server.execute("SELECT pg_current_wal_insert_lsn() - '0/0'")
    statements = {kind: float(spent) for kind, spent in server.execute(STATEMENTS)}
    commits: dict[float, float] = {}
    for admin in admins:
        for bound, number in _commits(admin).items():
            commits[bound] = commits.get(bound, 0) + number
    return Sample(
        int(counted or 0),
        heap,
        indexes,
        int(wal),
        server.log.stat().st_size,
        statements,
        commits,
        max(map(_resident, processes)),
        sum(map(cpu_seconds, processes)),
    )


def _commits(admin: str) -> dict[float, float]:
    with urllib.request.urlopen(f"{admin}/metrics", timeout=30) as response:
        text = response.read().decode()
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(text)
        if family.name == "push_ledger_commit_duration_seconds"
        for sample in family.samples
        if "le" in sample.labels
    }


def _resident(process: int) -> int:
    with open(f"/proc/{process}/statm", "rb") as file:  # noqa: PTH123 - no file of ours
        return int(file.read().split()[1]) * PAGE


def quantile(before: dict[float, float], after: dict[float, float], share: float) -> float:
    """Return the bound, in seconds, below which that share of the commits between is."""
    total = after[float("inf")] - before.get(float("inf"), 0)
    for bound in sorted(after):
        if after[bound] - before.get(bound, 0) >= share * total:
            return bound
    return float("inf")
