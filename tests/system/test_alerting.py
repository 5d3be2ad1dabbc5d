"""The whole path: exporter, Prometheus, Alertmanager, and a webhook that is told what is wrong."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
import yaml

from tests.conftest import KeyPair
from tests.rules.files import (
    ALERTMANAGER,
    ALERTS,
    EXPRESSIONS,
    PROMETHEUS,
    RULES,
    RUNBOOKS,
    code_blocks,
    read,
    template_queries,
)
from tests.system.programs import (
    ExporterProcess,
    answers,
    exporter_process,
    fetch,
    free_port,
    program,
    prometheus,
    started,
    wait_for,
)

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def hurried(text: str) -> str:
    """Shorten every duration to a sixtieth, so that a minute takes a second; thresholds stay.

    Durations are windows, offsets, `for` and Alertmanager's times; `900` is the window of 15
    minutes in seconds. Names such as `increase15m` stay, too.
    """

    def shorten(match: re.Match[str]) -> str:
        parts = re.findall(r"(\d+)([dhms])", match[0])
        return f"{sum(int(number) * UNITS[unit] for number, unit in parts) * 1000 // 60}ms"

    return re.sub(r"(?<!\w)(?:\d+[dhms])+(?!\w)", shorten, re.sub(r"\b900\b", "15", text))


class Receiver(ThreadingHTTPServer):
    """A webhook that keeps what Alertmanager sends, by the path that it was sent to."""

    def __init__(self) -> None:
        self.alerts: dict[tuple[str, str, str], dict[str, Any]] = {}
        """The latest state of each alert by path, name and channel."""
        super().__init__(("127.0.0.1", 0), _Handler)

    def told(self, path: str, alert: str, channel: str = "") -> dict[str, Any] | None:
        """Return an alert as it was sent to a path while it was firing."""
        return self.alerts.get((path, alert, channel))


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in body["alerts"]:
            labels = alert["labels"]
            key = (self.path.strip("/"), labels["alertname"], labels.get("channel", ""))
            if alert["status"] == "firing":
                self.server.alerts[key] = alert
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is inherited
        """Write nothing."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run the webhook inside the block."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def alertmanager(folder: Path, told: Receiver) -> Iterator[str]:
    """Run Alertmanager with our routes in a hurry; every receiver is a path of the webhook."""
    config = yaml.safe_load(hurried(ALERTMANAGER.read_text("utf-8")))
    config["receivers"] = [
        {
            "name": one["name"],
            "webhook_configs": [{"url": f"http://127.0.0.1:{told.server_port}/{one['name']}"}],
        }
        for one in config["receivers"]
    ]
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus-alertmanager", "prometheus-alertmanager"),
        f"--config.file={file}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with started(command, folder / "alertmanager.log"):
        wait_for(lambda: answers(f"http://{address}/-/ready"), "Alertmanager is ready")
        yield f"http://{address}"


def prometheus_config(folder: Path, exporter: ExporterProcess, alerts: str) -> str:
    """Take our configuration in a hurry, with a copy of the rules in a hurry."""
    rules = folder / "rules.yml"
    rules.write_text(hurried(RULES.read_text("utf-8")))
    config = read(PROMETHEUS)
    config["global"] = {
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "evaluation_interval": "1s",
    }
    config["rule_files"] = [str(rules)]
    (managers,) = config["alerting"]["alertmanagers"]
    managers["static_configs"] = [{"targets": [alerts.removeprefix("http://")]}]
    ours = config["scrape_configs"][0]
    ours["static_configs"] = [{"targets": [exporter.admin.removeprefix("http://")]}]
    config["scrape_configs"] = [ours]
    return yaml.safe_dump(config)


class Chain(NamedTuple):
    """What runs."""

    exporter: ExporterProcess
    prometheus: str
    alertmanager: str
    told: Receiver
    key: Path
    folder: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, keys: KeyPair) -> Iterator[Chain]:
    """Run everything while three scenarios are played at once."""
    folder = tmp_path_factory.mktemp("alerting")
    with (
        exporter_process(folder, mps_public_key_files=keys.public) as exporter,
        receiver() as told,
        alertmanager(folder, told) as alerts,
        prometheus(folder, prometheus_config(folder, exporter, alerts)) as url,
    ):
        path = Chain(exporter, url, alerts, told, keys.private, folder)
        # Each makes the shares of the others smaller; with these rates all are well above.
        rates = {"bad-device-token-spike": 100, "throttled": 160, "outage": 80}
        with played(path, rates):
            yield path


@contextmanager
def played(path: Chain, rates: dict[str, int]) -> Iterator[None]:
    """Let the simulator send the results of scenarios, so many a second, inside the block."""
    url = f"{path.exporter.ingest}/webhooks/mps"
    with ExitStack() as stack:
        for scenario, rate in rates.items():
            command = [sys.executable, "-m", "exporter", "simulate", "--scenario", scenario]
            to = ["--url", url, "--private-key", str(path.key), "--rate", str(rate)]
            stack.enter_context(started([*command, *to], path.folder / f"{scenario}.log"))
        yield


def query(path: Chain, expression: str) -> list[dict[str, Any]]:
    """Evaluate an expression; an HTTPError says that Prometheus cannot."""
    answer = json.loads(fetch(f"{path.prometheus}/api/v1/query?query={quote(expression)}"))
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def sent(path: Chain, receiver_: str, alert: str, channel: str) -> dict[str, Any]:
    """Wait until an alert has reached a receiver."""
    return wait_for(
        lambda: path.told.told(receiver_, alert, channel), f"{alert} of {channel} is sent"
    )


def test_bad_device_tokens_reach_the_ios_team(running: Chain) -> None:
    """A spike of BadDeviceToken travels to the webhook, with its code and where to read on."""
    alert = sent(running, "ios-chat", "PushBadDeviceTokenSpike", "apns")
    assert alert["labels"]["severity"] == "warning"
    assert "2009 BadDeviceToken" in alert["annotations"]["description"]
    assert re.match(r"\d+\.\d+% of APNs results", alert["annotations"]["summary"])
    assert alert["annotations"]["dashboard_url"] == "/d/push-channel?var-channel=apns"
    assert Path(alert["annotations"]["runbook_url"]).stem in RUNBOOKS


@pytest.mark.parametrize(
    ("channel", "codes"),
    [
        ("vivo", ["10072 SendTooFast", "10070 TotalSendLimit"]),
        ("mipush", ["10027 AppFrequencyLimit"]),
        ("oppo", ["-2 Service in Flow Control"]),
    ],
)
def test_throttling_reaches_the_android_team(
    running: Chain, channel: str, codes: list[str]
) -> None:
    """Throttling travels to the webhook as one alert a channel, which names the codes."""
    alert = sent(running, "android-chat", "PushThrottled", channel)
    assert all(code in alert["annotations"]["description"] for code in codes)
    assert not re.search(r"%!|  |<no value>|<error", alert["annotations"]["description"])


def test_an_outage_mutes_its_failure_share(running: Chain) -> None:
    """An outage is told once, not as a share of failures as well."""
    sent(running, "android-chat", "PushVendorOutage", "huawei")
    muted(running, "PushFailureRatioHigh", "huawei")


def muted(path: Chain, alert: str, channel: str) -> None:
    """Wait until Alertmanager has an alert and holds it back for another."""

    def held_back() -> bool:
        alerts = json.loads(fetch(f"{path.alertmanager}/api/v2/alerts"))
        return any(
            one["status"]["inhibitedBy"]
            for one in alerts
            if one["labels"]["alertname"] == alert and one["labels"].get("channel") == channel
        )

    wait_for(held_back, f"{alert} of {channel} is held back")


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_prometheus_evaluates_each_rule(running: Chain, name: str) -> None:
    """Every expression of a rule can be evaluated on real data."""
    query(running, EXPRESSIONS[name])


def test_no_rule_fails(running: Chain) -> None:
    """Prometheus reports every rule as healthy, and all together take little time."""
    answer = json.loads(fetch(f"{running.prometheus}/api/v1/rules"))
    (group,) = answer["data"]["groups"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    assert group["evaluationTime"] < 1


@pytest.mark.parametrize("name", sorted(RUNBOOKS))
def test_queries_of_runbooks_run(running: Chain, name: str) -> None:
    """Every query of a runbook runs, and has data where the scenario is the runbook's own."""
    for expression in code_blocks(name, "promql"):
        found = query(running, expression)
        if name in {"PushBadDeviceTokenSpike", "PushThrottled", "PushVendorOutage"}:
            assert found, expression


def test_queries_of_annotations_run(running: Chain) -> None:
    """Every query in the template of an annotation runs."""
    for alert in ALERTS:
        for expression in template_queries(alert.annotations["description"]):
            query(running, expression)


@pytest.mark.parametrize("name", sorted(RUNBOOKS))
def test_commands_of_runbooks_silence(running: Chain, name: str) -> None:
    """The command of a runbook silences its alert."""
    program("amtool", "prometheus-alertmanager")
    (command,) = code_blocks(name, "sh")

    def shell(line: str) -> str:
        environment = {**os.environ, "USER": "somebody"}
        ran = subprocess.run(
            ["sh", "-c", line], env=environment, capture_output=True, text=True, check=True
        )
        return ran.stdout.strip()

    silence = shell(command.replace("http://127.0.0.1:9093", running.alertmanager))
    try:
        made = json.loads(fetch(f"{running.alertmanager}/api/v2/silence/{silence}"))
        matched = {matcher["name"]: matcher["value"] for matcher in made["matchers"]}
        assert matched["alertname"] == name
    finally:
        shell(f"amtool silence expire --alertmanager.url={running.alertmanager} {silence}")


def test_a_rejected_channel_wakes_somebody_and_mutes_its_shares(running: Chain) -> None:
    """An expired certificate reaches the one on call; the spike of the same channel is muted."""
    sent(running, "ios-chat", "PushBadDeviceTokenSpike", "apns")
    with played(running, {"certificate-expired": 40}):
        alert = sent(running, "on-call", "PushChannelRejected", "apns")
        assert "2014 BadCertificate" in alert["annotations"]["description"]
        sent(running, "ios-chat", "PushChannelRejected", "apns")
        muted(running, "PushBadDeviceTokenSpike", "apns")
