"""From an openssl signature to PromQL: the real process, scraped by the real Prometheus."""

import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.classification.tables import COMMON_CHANNEL, load_tables
from tests.support.exporter import KeyPair, url_sign
from tests.support.programs import ExporterProcess, exporter_process, fetch, prometheus, wait_for
from tests.support.promql import QUERY, Series, ask

pytestmark = pytest.mark.load

SCRAPE = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: push-result-exporter
    static_configs: [{{targets: ["{target}"]}}]
"""


def post(exporter: ExporterProcess, keys: KeyPair, body: bytes) -> int:
    """Post a callback signed by openssl; return how many results were new."""
    answer = fetch(f"{exporter.ingest}/webhooks/mps?sign={url_sign(keys.sign(body))}", body)
    accepted: int = json.loads(answer)["accepted"]
    return accepted


def traffic() -> tuple[list[bytes], Counter[Series]]:
    """Make callbacks for every code of every channel, each a few times, and what they add up to."""
    rng = random.Random(20261123)
    tables = load_tables()
    bodies: list[bytes] = []
    expected: Counter[Series] = Counter()
    for channel, table in tables.items():
        common = tables[COMMON_CHANNEL].codes if table.common_codes else {}
        for code, row in {**common, **table.codes}.items():
            for _ in range(rng.randrange(1, 4)):
                expected[channel, code, row.severity.value] += 1
                callback = {
                    "msgId": f"m{len(bodies)}",
                    "channel": channel.upper(),
                    "statusCode": code,
                    "statusDesc": row.name,
                    "targetId": f"target-{rng.getrandbits(64)}",
                }
                bodies.append(json.dumps(callback).encode())
    rng.shuffle(bodies)
    return bodies, expected


def test_prometheus_counts_exactly_the_acknowledged_results(tmp_path: Path, keys: KeyPair) -> None:
    """PromQL returns each series with the number that was acknowledged, over a restart too."""
    bodies, expected = traffic()
    half = len(bodies) // 2
    settings = {"mps_public_key_files": keys.public}
    with exporter_process(tmp_path, **settings) as exporter, ThreadPoolExecutor(4) as senders:
        config = SCRAPE.format(target=exporter.admin.removeprefix("http://"))
        new = senders.map(lambda body: post(exporter, keys, body), bodies[:half])
        assert sum(new) == half
        exporter.process.terminate()
        assert exporter.process.wait(20) == 0
    with (
        exporter_process(tmp_path, admin_port=port_of(exporter.admin), **settings) as exporter,
        prometheus(tmp_path, config) as url,
        ThreadPoolExecutor(4) as senders,
    ):
        again = bodies[half - 20 :]  # the first twenty are retries
        new = senders.map(lambda body: post(exporter, keys, body), again)
        assert sum(new) == len(bodies) - half
        wait_for(lambda: ask(url, QUERY) == expected, "Prometheus has every result")
        known = json.loads(fetch(f"{url}/api/v1/query?query=count(push_code_info)"))
        assert float(known["data"]["result"][0]["value"][1]) >= len(expected)
        sent = {(channel, code) for channel, code, _ in expected}  # some have two severities
        # A series that exists before its first failure is what makes `increase` see that failure.
        idle = f"{url}/api/v1/query?query={quote('push_results_total == 0')}"
        assert not any(
            sample["metric"]["code"] != "other"
            for sample in json.loads(fetch(idle))["data"]["result"]
            if (sample["metric"]["channel"], sample["metric"]["code"]) not in sent
        )


HOSTILE_IDS = [
    "a\0b",
    "\ud83d",
    'a"b"c"d',
    "x\\\n# EOF\n",
    "\u2028\u202e",
    "\x1b[31m",
    "é" * 122,
    "{} # 1",
]


def test_prometheus_scrapes_hostile_texts(tmp_path: Path) -> None:
    """With exemplar storage, hostile texts leave the target up and every count right."""
    token = tmp_path / "token"
    token.write_text("a-token")
    items = [
        {"channel": "vivo", "code": code, "id": text, "message": text}
        for text in HOSTILE_IDS
        for code in (10072, text)
    ]
    with exporter_process(tmp_path, results_token_files=token) as exporter:
        config = SCRAPE.format(target=exporter.admin.removeprefix("http://"))
        headers = {"Authorization": "Bearer a-token", "Content-Type": "application/json"}
        flag = "--enable-feature=exemplar-storage"
        with prometheus(tmp_path, config, flag) as url:
            for item in items:  # each is the latest exemplar for a scrape
                body = json.dumps(item).encode()
                answer = json.loads(fetch(f"{exporter.ingest}/webhooks/results", body, headers))
                assert answer["accepted"] == 1, (item, answer)
                wait_for(
                    lambda: ask(url, QUERY) == ask_exporter(exporter.admin), "Prometheus agrees"
                )
            up = json.loads(fetch(f"{url}/api/v1/query?query=min_over_time(up[10m])"))
            assert [sample["value"][1] for sample in up["data"]["result"]] == ["1"]
            found = json.loads(
                fetch(
                    f"{url}/api/v1/query_exemplars?query=push_results_total"
                    f"&start={time.time() - 600:.0f}&end={time.time() + 60:.0f}"
                )
            )
            shown = {
                exemplar["labels"]["msg_id"]
                for series in found["data"]
                for exemplar in series["exemplars"]
            }
            assert "a\N{REPLACEMENT CHARACTER}b" in shown
        assert sum(ask_exporter(exporter.admin).values()) == len(items)


def ask_exporter(admin: str) -> dict[Series, float]:
    """Read the results that are not 0 off the exporter itself."""
    found = {}
    for family in text_string_to_metric_families(fetch(f"{admin}/metrics").decode()):
        for sample in family.samples:
            if sample.name == "push_results_total" and sample.value:
                labels = sample.labels
                found[labels["channel"], labels["code"], labels["severity"]] = sample.value
    return found


def port_of(url: str) -> int:
    """Return the port of a URL."""
    return int(url.rpartition(":")[2])
