"""Series of several exporters beside other programs, and the evaluation of queries on them.

Two releases of the chart over PostgreSQL have replicas of the same names, and their metrics another
instance than `up`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from exporter.metrics import metrics
from tests.support.promtool import promtool
from tests.support.rules import METRICS

REPLICAS = [(namespace, number) for namespace in ("prod", "staging") for number in (0, 1)]
"""The namespace and the number of each replica."""

_PROCESS = (
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
)
_LABELS = {
    metrics.BUILD_INFO: ['version="1.0", revision="abc"'],
    metrics.REQUESTS: [
        f'source="mps", status="{status}"' for status in ("accepted", "internal_error")
    ],
    metrics.RESULTS: ['channel="apns", code="2009", severity="error"'],
    f"{metrics.COMMIT_SECONDS}_bucket": ['le="1"', 'le="+Inf"'],
    f"{metrics.COMMIT_SECONDS}_count": [""],
}
"""The labels of metrics whose queries need them; the others have none here."""

EXPORTERS = [
    f'{name}{{job="push-result-exporter", namespace="{namespace}", instance="{instance}", {more}}}'
    for namespace, number in REPLICAS
    for instance, names in [
        (f"replica-{number}", {*METRICS, *_PROCESS, *_LABELS}),
        (f"10.0.0.{number}:10988", {"up", "instance:push_exporter:up"}),
    ]
    for name in sorted(names)
    for more in _LABELS.get(name, [""])
]
OTHERS = [
    *(f'{name}{{job="prometheus", instance="127.0.0.1:9090"}}' for name in ("up", *_PROCESS)),
    'ALERTS{job="pushgateway", alertname="PushgatewayDown", alertstate="firing"}',
]


def without_exporter(query: str) -> str:
    """Return the series of a query that name a replica but not its namespace: none should."""
    replica = metrics.BUILD_INFO
    return f"(({query}) unless on (namespace) {replica}) and on (instance) {replica}"


def differences(series: Iterable[str], values: Mapping[str, float | None]) -> str:
    """Evaluate queries on series that grow; report those with other values than expected."""
    tests = [
        {
            "expr": query,
            "eval_time": "30m",
            "exp_samples": [] if value is None else [{"labels": "{}", "value": value}],
        }
        for query, value in values.items()
    ]
    given = [{"series": one, "values": "1+1x120"} for one in series]
    case = {"interval": "15s", "input_series": given, "promql_expr_test": tests}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "test.yml"
        path.write_text(yaml.safe_dump({"tests": [case]}), "utf-8")
        done = promtool("test", "rules", path)
    return done.stdout + done.stderr if done.returncode else ""
