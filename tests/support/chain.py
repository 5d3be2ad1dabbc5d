"""The chain that alerts travel: exporter, Prometheus, Alertmanager, and a webhook that is told."""

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import yaml

from tests.support.exporter import TOKEN
from tests.support.programs import (
    ExporterProcess,
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
from tests.support.receiver import Receiver, receiver
from tests.support.rules import ALERTMANAGER, PROMETHEUS, RULES, read, sends_resolved

MAX_PENDING_RESULTS = 20
"""Few enough for a batch to be refused while others wait, enough for the simulators."""
SECONDS = ("120", "300", "840", "900", "3600", "7200")
"""The windows that the rules write in seconds."""
NORMAL = [(channel, 2, 4.0) for channel in ("apns", "fcm", "huawei", "vivo", "oppo")]
"""Results as usual: channel, code and results per second."""
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def shortened(text: str) -> str:
    """Shorten every duration to a sixtieth, so that a minute takes a second; thresholds stay.

    Durations are windows, offsets, `for`, Alertmanager's times, and windows in seconds. Names such
    as `increase15m` stay, too.
    """

    def shorten(match: re.Match[str]) -> str:
        parts = re.findall(r"(\d+)([dhms])", match[0])
        return f"{sum(int(number) * UNITS[unit] for number, unit in parts) * 1000 // 60}ms"

    in_seconds = rf"(?<!vector\()\b({'|'.join(SECONDS)})\b"
    short = re.sub(in_seconds, lambda match: str(int(match[0]) // 60), text)
    return re.sub(r"(?<!\w)(?:\d+[dhms])+(?!\w)", shorten, short)


def short_rules(rules: Path) -> str:
    """Return the rules with windows of a sixtieth, evaluated each second.

    The window of 105 s becomes a little longer: scraped each second, 1.75 s may have one sample.
    """
    short = shortened(rules.read_text("utf-8")).replace("[1750ms]", "[2250ms]")
    return re.sub("interval: 250ms|interval: 1000ms", "interval: 1s", short)


def _redirected(shipped: dict[str, Any], url: str) -> dict[str, Any]:
    """Send a receiver's alerts to our URL, and to `/message` what a person reads.

    That is the shipped template's text for Slack, and the texts of the alerts for mail and pager.
    """
    ((kind, [config]),) = ((key, value) for key, value in shipped.items() if key != "name")
    webhooks: list[dict[str, object]] = [{"url": url}]
    if kind == "slack_configs":
        chat = {kind: [config | {"api_url": f"{url}/message"}]}
    else:
        chat = {}
        resolved = sends_resolved(shipped["name"])
        webhooks.append({"url": f"{url}/message", "send_resolved": resolved})
    return {"name": shipped["name"], "webhook_configs": webhooks, **chat}


@contextmanager
def alertmanager(
    folder: Path, told: Receiver, pace: Callable[[str], str] = shortened
) -> Iterator[str]:
    """Run Alertmanager with our routes, at a pace; every receiver is a path of the webhook."""
    config = yaml.safe_load(pace(ALERTMANAGER.read_text("utf-8")))
    base = f"http://127.0.0.1:{told.server_port}"
    config["receivers"] = [_redirected(one, f"{base}/{one['name']}") for one in config["receivers"]]
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
    """Take our configuration, with a copy of the rules, that lets a minute take a second."""
    rules = folder / "rules.yml"
    rules.write_text(short_rules(RULES))
    fast = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "1s")
    return connected(rules, exporter, alerts, **fast)


def connected(rules: Path, exporter: ExporterProcess, alerts: str, **settings: str) -> str:
    """Point our configuration at the rules, the exporter and the Alertmanager that run here."""
    config = read(PROMETHEUS)
    config["global"].update(settings)
    config["rule_files"] = [str(rules)]
    ours = config["scrape_configs"][0]
    for where, url in (
        (config["alerting"]["alertmanagers"][0], alerts),
        (ours, exporter.admin),
    ):
        del where["file_sd_configs"]
        where["static_configs"] = [{"targets": [url.removeprefix("http://")]}]
    config["scrape_configs"] = [ours]
    return yaml.safe_dump(config)


class Chain(NamedTuple):
    """What runs."""

    exporter: ExporterProcess
    prometheus: str
    alertmanager: str
    told: Receiver
    folder: Path
    key: Path | None = None
    """The private key of the simulator."""


@contextmanager
def chain(
    folder: Path, *, short: bool, key: Path | None = None, **settings: object
) -> Iterator[Chain]:
    """Run everything with the shipped files: as they are, or a minute takes a second.

    Senders to the generic webhook have the token.
    """
    (folder / "token").write_text(TOKEN)
    with (
        exporter_process(folder, results_token_files=folder / "token", **settings) as exporter,
        receiver() as told,
        alertmanager(folder, told, pace=shortened if short else str) as alerts,
    ):
        config = (
            prometheus_config(folder, exporter, alerts)
            if short
            else connected(RULES, exporter, alerts)
        )
        with prometheus(folder, config) as url:
            yield Chain(exporter, url, alerts, told, folder, key)


def post_results(
    url: str,
    traffic: Iterable[tuple[str, str | int, float]],
    seconds: float,
    token: str = TOKEN,
) -> None:
    """Post the results of so many seconds: of each channel and code so many per second."""
    results = [
        {"channel": channel, "code": code, "count": max(1, round(rate * seconds))}
        for channel, code, rate in traffic
    ]
    headers = {"Authorization": f"Bearer {token}"}
    fetch(f"{url}/webhooks/results", json.dumps(results).encode(), headers)


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


@contextmanager
def strangers(path: Chain, seconds: float) -> Iterator[None]:
    """Send what no scenario has for so long, beginning with the block.

    Results of a channel that no table has, some of them in batches that are too many at a time
    for MAX_PENDING_RESULTS; calls that are malformed or forged. Then that channel is silent.
    """
    result = {"channel": "acme", "code": 7}
    single = json.dumps(result | {"count": 5}).encode()
    batch = json.dumps([result] * (MAX_PENDING_RESULTS + 1)).encode()
    bodies = [single, batch, batch, batch, b"{", b'[{"channel": "apns"}]']
    token = {"Authorization": f"Bearer {TOKEN}"}
    over = threading.Event()

    def post(body: bytes, headers: dict[str, str]) -> None:
        with suppress(OSError):  # most are refused: that is what they are for
            fetch(f"{path.exporter.ingest}/webhooks/results", body, headers)

    def send() -> None:
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(len(bodies) + 1) as pool:
            while time.monotonic() < end and not over.wait(0.1):
                forged = pool.submit(post, batch, {"Authorization": "Bearer of nothing"})
                list(pool.map(post, bodies, [token] * len(bodies)))
                forged.result()

    with in_background(send, over.set):
        yield


def query(path: Chain, expression: str) -> list[dict[str, Any]]:
    """Evaluate an expression; an HTTPError says that Prometheus cannot."""
    answer = json.loads(fetch(f"{path.prometheus}/api/v1/query?query={quote(expression)}"))
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
