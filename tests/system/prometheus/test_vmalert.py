"""The rules in vmagent, VictoriaMetrics and vmalert beside Prometheus: the same alerts fire."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.support.chain import NORMAL, post_results, short_rules
from tests.support.exporter import TOKEN
from tests.support.programs import (
    ExporterProcess,
    Settings,
    answers,
    exporter_process,
    fetch,
    free_port,
    in_background,
    program,
    prometheus,
    started,
    wait_for,
)
from tests.support.rules import RULES, RULES_FOR_VMALERT

pytestmark = pytest.mark.load

PACKAGE = "victoria-metrics"
FLAGS = {
    "victoria-metrics": ["-search.latencyOffset=0s"],
    "vmagent": ["-remoteWrite.flushInterval=1s"],
    "vmalert": ["-remoteWrite.flushInterval=1s", "-datasource.queryTimeAlignment=false"],
}
"""Those of the manual, with which alerts come nearly as soon as in Prometheus."""
OLD_REJECTIONS = 7
"""Rejections from before: so few that VictoriaMetrics' `increase` takes them for new ones."""
RATE = 60
"""A minute takes a second, so it takes sixty times the results for the same numbers."""
INCIDENT = [
    ("apns", 2, 0.8), ("apns", 2009, 3.2),  # four of five tokens
    ("vivo", 2, 1.6), ("vivo", 10072, 2.4),  # throttled
    ("huawei", 110, 4),  # an outage
    ("fcm", 2, 3.8), ("fcm", 90000401, 0.2),  # a wrong key of one app
    ("oppo", 2, 4),
]  # fmt: skip
EXPECTED = {
    ("PushBadDeviceTokenSpike", "apns"),
    ("PushInvalidTokenRatioHigh", "apns"),
    ("PushThrottled", "vivo"),
    ("PushVendorOutage", "huawei"),
    ("PushFailureRatioHigh", "huawei"),
    ("PushNothingAccepted", "huawei"),
    ("PushChannelRejected", "fcm"),
}

Alerts = set[tuple[str, str]]


class Watched(NamedTuple):
    """Both systems, and the file of the targets that both scrape."""

    prometheus: str
    vmalert: str
    targets: Path

    def point_at(self, exporter: ExporterProcess) -> None:
        """Let both scrape an exporter, under the address that it has."""
        target = exporter.admin.removeprefix("http://")
        new = self.targets.with_suffix(".new")
        new.write_text(yaml.safe_dump([{"targets": [target]}]))
        new.replace(self.targets)

    def firing(self) -> tuple[Alerts, Alerts]:
        """Return what fires in Prometheus and in vmalert."""
        return _firing(self.prometheus), _firing(self.vmalert)


def _firing(url: str) -> Alerts:
    """Return what fires, but for PushExporterDown: here a restart takes minutes."""
    alerts = json.loads(fetch(f"{url}/api/v1/alerts"))["data"]["alerts"]
    return {
        (one["labels"]["alertname"], one["labels"].get("channel", ""))
        for one in alerts or []  # vmalert has null where there are none
        if one["state"] == "firing" and one["labels"]["alertname"] != "PushExporterDown"
    }


def _fires(url: str) -> bool:
    return _firing(url) >= EXPECTED


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Run Prometheus and VictoriaMetrics with the rules, evaluated each second."""
    targets = folder / "targets.yml"
    targets.write_text("[]")
    for name, shipped in (("rules.yml", RULES), ("vmalert.yml", RULES_FOR_VMALERT)):
        (folder / name).write_text(short_rules(shipped))
    scrapes = [
        {
            "job_name": "push-result-exporter",
            "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1s"}],
        }
    ]
    every_second = dict.fromkeys(("scrape_interval", "scrape_timeout"), "1s")
    config = {"global": every_second, "scrape_configs": scrapes}
    (folder / "scrape.yml").write_text(yaml.safe_dump(config))
    rules = {"rule_files": [str(folder / "rules.yml")]}
    config["global"] = every_second | {"evaluation_interval": "1s"}
    with (
        prometheus(folder, yaml.safe_dump(config | rules)) as first,
        victoria_metrics(folder) as second,
    ):
        yield Watched(first, second, targets)


@contextmanager
def running(name: str, folder: Path, *flags: str) -> Iterator[str]:
    """Run a program of VictoriaMetrics with the flags of the manual and others."""
    address = f"127.0.0.1:{free_port()}"
    command = [program(name, PACKAGE), f"-httpListenAddr={address}", *FLAGS[name], *flags]
    with started(command, folder / f"{name}.log"):
        wait_for(lambda: answers(f"http://{address}/health"), f"{name} is ready")
        yield f"http://{address}"


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[str]:
    """Run the database, vmagent that scrapes, and vmalert with the file that is built for it."""
    with running("victoria-metrics", folder, f"-storageDataPath={folder / 'data'}") as database:
        scrapes = (
            f"-promscrape.config={folder / 'scrape.yml'}",
            "-promscrape.config.strictParse=false",  # it does not know refresh_interval
            "-promscrape.fileSDCheckInterval=1s",
            f"-remoteWrite.url={database}/api/v1/write",
            f"-remoteWrite.tmpDataPath={folder / 'vmagent'}",
        )
        rules = (
            f"-rule={folder / 'vmalert.yml'}",
            f"-datasource.url={database}",
            f"-remoteWrite.url={database}",
            f"-notifier.url=http://127.0.0.1:{free_port()}",  # nobody is told
        )
        with running("vmagent", folder, *scrapes), running("vmalert", folder, *rules) as url:
            yield url


@contextmanager
def sending(exporter: ExporterProcess, traffic: list[tuple[str, int, float]]) -> Iterator[None]:
    """Post results five times a second inside the block."""
    scaled = [(channel, code, rate * RATE) for channel, code, rate in traffic]
    over = threading.Event()

    def post() -> None:
        while not over.wait(0.2):
            post_results(exporter.ingest, scaled, 0.2)

    with in_background(post, over.set):
        yield


def test_both_raise_the_same_alerts(tmp_path: Path) -> None:
    """An incident and a restart: both fire the same, and a new instance alone makes neither fire.

    The exporter goes on with its ledger under another port, and so under another `instance`, with
    a few rejections of long ago.
    """
    (tmp_path / "token").write_text(TOKEN)
    settings: Settings = {"results_token_files": tmp_path / "token"}
    with watched(tmp_path) as both:
        with exporter_process(tmp_path, **settings) as exporter:
            post_results(exporter.ingest, [("fcm", 90000401, OLD_REJECTIONS)], 1)
            both.point_at(exporter)
            with sending(exporter, NORMAL):
                time.sleep(10)
                assert both.firing() == (set(), set())
        with exporter_process(tmp_path, **settings) as exporter:
            both.point_at(exporter)
            with sending(exporter, NORMAL):
                for _ in range(20):
                    time.sleep(1)
                    assert both.firing() == (set(), set())
            with sending(exporter, INCIDENT):
                for url in (both.prometheus, both.vmalert):
                    wait_for(partial(_fires, url), f"{url} has all alerts")
                assert both.firing() == (EXPECTED, EXPECTED)
