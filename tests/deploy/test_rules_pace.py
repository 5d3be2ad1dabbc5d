"""The rules in a real Prometheus at the pace at which they are shipped, which promtool ignores."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.chain import connected, post_results
from tests.support.exporter import TOKEN
from tests.support.programs import exporter_process, fetch, free_port, prometheus, wait_for
from tests.support.rules import GROUPS, RULES

SECONDS = 15
"""Between two scrapes, and between two evaluations of a group."""
SLOWER = {"push-delivery": 60}
"""Its windows are hours."""


def _asked(url: str, path: str) -> Any:
    return json.loads(fetch(f"{url}/api/v1/{path}"))["data"]


def _found(url: str, query: str) -> Any:
    return _asked(url, f"query?query={quote(query)}")["result"]


def test_groups_are_evaluated_every_15_seconds(tmp_path: Path) -> None:
    """Groups have their intervals, and an alert fires within a minute."""
    (tmp_path / "token").write_text(TOKEN)
    nobody = f"http://127.0.0.1:{free_port()}"
    with (
        exporter_process(tmp_path, results_token_files=tmp_path / "token") as exporter,
        prometheus(tmp_path, connected(RULES, exporter, nobody)) as url,
    ):
        groups = {one["name"]: one["interval"] for one in _asked(url, "rules")["groups"]}
        assert groups == dict.fromkeys(GROUPS, SECONDS) | SLOWER
        wait_for(lambda: _found(url, "push_results_total"), "the exporter is scraped")
        post_results(exporter.ingest, [("fcm", 90000401, 3)], 1)
        firing = 'ALERTS{alertname="PushChannelRejected", alertstate="firing"}'
        wait_for(lambda: _found(url, firing), "the alert fires within a minute")
        (samples,) = _found(url, "push:min_results:threshold[2m]")
        first, second, *_ = (at for at, _ in samples["values"])
        assert round(second - first) == SECONDS
