"""The queries of the dashboards with several exporters, and with other programs beside them."""

import re

from tests.support.dashboards import BOARDS, all_queries, substituted
from tests.support.several_exporters import (
    EXPORTERS,
    OTHERS,
    REPLICAS,
    differences,
    without_exporter,
)

BY_NAME = {query.name: query.expression() for query in all_queries()}


def test_other_programs_are_not_shown() -> None:
    """With All selected, no query returns series of other programs."""
    marks = [board["annotations"]["list"][0]["target"]["expr"] for board in BOARDS.values()]
    queries = [*BY_NAME.values(), *map(substituted, marks)]
    assert not differences(OTHERS, dict.fromkeys(queries, None))


def test_no_replica_without_its_exporter() -> None:
    """No query merges the replicas of the same name of two exporters."""
    queries = map(without_exporter, BY_NAME.values())
    assert not differences([*EXPORTERS, *OTHERS], dict.fromkeys(queries, None))


def test_each_replica_has_a_legend() -> None:
    """Every replica is a line with a distinct legend."""
    lines = {
        query.expression(): ", ".join(re.findall(r"{{(\w+)}}", query.target["legendFormat"]))
        for query in all_queries()
        if "{{instance}}" in query.target.get("legendFormat", "")
    }
    assert lines
    counts = [f"count(count by ({labels}) ({line}))" for line, labels in lines.items()]
    assert not differences([*EXPORTERS, *OTHERS], dict.fromkeys(counts, len(REPLICAS)))


def test_replicas_are_counted() -> None:
    """The replicas that are up are those of the exporters, and each has an uptime."""
    up = BY_NAME["push-exporter: Replicas up: A"].replace("sum", "count")
    uptime = f"count({BY_NAME['push-exporter: Replicas: B']})"
    assert not differences([*EXPORTERS, *OTHERS], dict.fromkeys([up, uptime], len(REPLICAS)))


def test_no_exporter_hides_another() -> None:
    """A share or a quantile is that of the worst exporter, and each has its own alerts."""
    labels = 'job="push-result-exporter", namespace="{}", source="mps"'
    good, bad = (labels.format(namespace) for namespace in ("prod", "staging"))
    series = [
        f'push_webhook_requests_total{{{good}, status="accepted"}}',
        f'push_webhook_requests_total{{{bad}, status="bad_signature"}}',
        *(
            f'push_webhook_request_duration_seconds_bucket{{{of}, le="{le}"}}'
            for of, bounds in ((good, ("0.1", "+Inf")), (bad, ("10", "+Inf")))
            for le in bounds
        ),
        *(f'ALERTS{{{of}, alertname="PushWebhookRejecting"}}' for of in (good, bad)),
    ]
    expected = {
        BY_NAME["push-exporter: Requests refused: A"]: 1.0,
        f"count({BY_NAME['push-exporter: Response time, quantiles: A']} > 1)": 1,
        f"count({BY_NAME['push-overview: Alerts: A']})": 2,
    }
    assert not differences(series, expected)
