"""Every query of every dashboard against the real Prometheus and two real exporters."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import pytest

from dashboards import rules
from exporter.gateways.auth.public_keys import load_private_key
from exporter.traffic.mps import signer
from exporter.traffic.sender import send as send_requests
from exporter.traffic.simulator import bodies, signed_requests
from tests.support.dashboards import BOARDS, Query, all_queries, substituted
from tests.support.exporter import TOKEN, KeyPair
from tests.support.programs import exporter_process, fetch, free_port, prometheus, wait_for

pytestmark = pytest.mark.load

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: push-result-exporter
    static_configs: [{{targets: ["{first}", "{second}"]}}]
"""
# Replicas may differ for a while, as in a rolling update: the joins must bear it.
OWN_CODES = """
channel = "vivo"
[codes.10072]
name = "TooFast"
category = "quota"
"""
RATE = 60
"""Results a second that each exporter gets ..."""
SECONDS = 6
"""... for this long in each phase, if the machine keeps up."""
TROUBLE = {
    "first": ("throttled", "bad-device-token-spike"),
    "second": ("certificate-expired", "outage"),
}
RARE = {
    # What no simulation sends: a code that no table has, and calls that are refused.
    "unknown": b'[{"channel": "apns", "code": 4711, "id": "u-1"}, '
    b'{"channel": "apns", "code": 4711, "id": "u-2"}, {"channel": "vivo", "code": 4712}]',
    "rejected": b'[{"channel": "apns"}, {"code": 2, "id": "good"}]',
    "malformed": b"{",
}
QUIET_WHEN_HEALTHY = {"Alerts", "Top failing codes"}
"""The only panels that may be empty while all is well: lists of what went wrong."""

WITHOUT_A_SOURCE = {
    "Delivered of accepted",  # needs receipts and hours: tests/rules/delivery.yml
    "Opened of accepted",
    "Reach of deduplication",  # needs a ledger that tells how far back it reaches
    "Apps",  # without APPS, without TLS, without PostgreSQL
    "Certificates",
    "Oldest transaction of PostgreSQL",
    "Time spent on expiry in PostgreSQL",
}
"""Panels that nothing in this test can fill."""

Scenarios = Mapping[str, tuple[str, ...]]
Samples = list[dict[str, Any]]


class World(NamedTuple):
    """A Prometheus that has seen a healthy time, a restart and then trouble."""

    url: str
    begun: float
    healthy: float
    trouble: float

    def ask(self, path: str, **parameters: object) -> Any:
        """Call the API of Prometheus; an error there is a failure."""
        answer = json.loads(fetch(f"{self.url}/api/v1/{path}?{urlencode(parameters, doseq=True)}"))
        assert answer["status"] == "success", answer
        return answer["data"]

    def samples(self, expression: str, at: float) -> Samples:
        """Evaluate a query at a time."""
        found: Samples = self.ask("query", query=expression, time=at)["result"]
        return found

    def drawn(self, query: Query, begin: float, end: float) -> Samples:
        """Evaluate a query of a panel as Grafana would: over the time, or at its end."""
        expression = in_test(query)
        if query.target.get("instant"):
            return self.samples(expression, end)
        found: Samples = self.ask("query_range", query=expression, start=begin, end=end, step=1)[
            "result"
        ]
        return found


def in_test(query: Query) -> str:
    """Fill in the variables, with seconds for the days before."""
    channel = "apns" if query.board == "push-channel" else ".+"
    expression = query.expression(channel=channel, interval="5s", time_range="1m")
    return expression.replace("offset 1d", f"offset {SECONDS}s")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, keys: KeyPair) -> Iterator[World]:
    """Run two exporters through a healthy time, a restart and trouble, watched by Prometheus."""
    folder = tmp_path_factory.mktemp("dashboards")
    (folder / "token").write_text(TOKEN)
    (folder / "own.toml").write_text(OWN_CODES)
    settings: dict[str, dict[str, object]] = {}
    for name in ("first", "second"):
        (folder / name).mkdir()
        settings[name] = {
            "admin_port": free_port(),
            "ingest_port": free_port(),
            "mps_public_key_files": keys.public,
            "results_token_files": folder / "token",
        }
    settings["second"]["code_table_files"] = folder / "own.toml"
    targets = {name: f"127.0.0.1:{given['admin_port']}" for name, given in settings.items()}
    often = rules.FILE.read_text("utf-8").replace("interval: 15s", "interval: 1s")
    (folder / "rules.yml").write_text(often)
    config = CONFIG.format(rules=folder / "rules.yml", **targets)
    ingest = {name: f"http://127.0.0.1:{given['ingest_port']}" for name, given in settings.items()}
    with ExitStack() as stack:
        stack.enter_context(exporter_process(folder / "first", **settings["first"]))
        url = stack.enter_context(
            prometheus(folder, config, "--enable-feature=exemplar-storage", "--log.level=error")
        )
        begun = time.time()
        with exporter_process(folder / "second", **settings["second"]):
            send(ingest, keys, dict.fromkeys(ingest, ("healthy",)), seed=1)
            healthy = seen(url, begun)
        stack.enter_context(exporter_process(folder / "second", **settings["second"]))
        wait_for(lambda: up(url) == 2, "Prometheus sees both replicas again")
        send_rare(ingest["first"])
        send(ingest, keys, TROUBLE, seed=2)
        yield World(url, begun, healthy, seen(url, healthy))


def send(ingest: dict[str, str], keys: KeyPair, scenarios: Scenarios, seed: int) -> None:
    """Simulate scenarios on both exporters at a time; each seed makes other messages."""
    key = signer(load_private_key(keys.private))

    async def all_of_them() -> None:
        simulations = [
            send_requests(
                signed_requests(
                    key, f"{ingest[name]}/webhooks/mps", bodies(scenario, 10 * seed + place)
                ),
                rate=RATE / len(chosen),
                count=RATE * SECONDS // len(chosen),
            )
            for name, chosen in scenarios.items()
            for place, scenario in enumerate(chosen)
        ]
        for summary in await asyncio.gather(*simulations):
            assert set(summary.responses) == {"200"}

    asyncio.run(all_of_them())


def send_rare(ingest: str) -> None:
    """Send what the simulator does not."""
    for body in RARE.values():
        with suppress(OSError):  # the malformed one is answered 400
            fetch(f"{ingest}/webhooks/results", body, {"Authorization": f"Bearer {TOKEN}"})
    with suppress(OSError):
        fetch(f"{ingest}/webhooks/mps?sign=Zm9yZ2Vk", b"{}")


def up(url: str) -> float:
    """Count the replicas that Prometheus reaches."""
    return value(json.loads(fetch(f"{url}/api/v1/query?query=sum(up)"))["data"]["result"])


def seen(url: str, since: float) -> float:
    """Wait until Prometheus has scraped and evaluated all that was sent; return that time."""
    sent = time.time()
    query = quote("min(timestamp(up)) and on () min(timestamp(push_results_total))")

    def scraped() -> float | None:
        found = json.loads(fetch(f"{url}/api/v1/query?query={query}"))["data"]["result"]
        return time.time() if found and value(found) > sent + 1 else None

    at = wait_for(scraped, "Prometheus has scraped what was sent")
    assert at > since
    return at


def value(samples: Samples) -> float:
    """Return the value of the only sample."""
    (sample,) = samples
    return float(sample["value"][1])


def of_panel(board: str, title: str, ref: str = "A") -> Query:
    """Find a query by its place."""
    (found,) = (query for query in all_queries() if query.name == f"{board}: {title}: {ref}")
    return found


def test_no_panel_is_empty_when_healthy(world: World) -> None:
    """Every panel has data while all is well, but for the lists of what went wrong."""
    shown = {
        (query.board, query.panel["title"])
        for query in all_queries()
        if world.drawn(query, world.begun, world.healthy)
    }
    empty = {(query.board, query.panel["title"]) for query in all_queries()} - shown
    assert {title for _, title in empty} <= QUIET_WHEN_HEALTHY | WITHOUT_A_SOURCE


def test_every_query_returns_data_in_trouble(world: World) -> None:
    """Each query returns data, with replicas that disagree and after a restart."""
    with ThreadPoolExecutor(2) as pool:
        drawn = pool.map(
            lambda query: world.drawn(query, world.healthy, world.trouble), all_queries()
        )
        empty = {
            query.panel["title"]
            for query, found in zip(all_queries(), drawn, strict=True)
            if not found
        }
    assert empty <= WITHOUT_A_SOURCE


def test_every_variable_and_annotation_has_values(world: World) -> None:
    """Jobs, channels and gateways can be chosen; PushChannelRejected, which fired, is marked."""
    for board in BOARDS.values():
        for variable in board["templating"]["list"][1:]:
            query = substituted(variable["query"]["query"])
            selector = query.removeprefix("label_values(").rpartition(",")[0]
            parameters = {"match[]": selector, "start": world.begun, "end": world.trouble}
            values = world.ask(f"label/{variable['name']}/values", **parameters)
            assert bool(values) == (variable["name"] in {"job", "channel", "source"})
        (annotation,) = board["annotations"]["list"]
        expression = substituted(annotation["target"]["expr"])
        assert bool(world.samples(expression, world.trouble)) == (board["uid"] != "push-exporter")


def test_health_is_good_then_bad(world: World) -> None:
    """The figures at the top are good at first, and then show the trouble."""
    exporter, failures, rejected, throttled, unknown, firing = (
        in_test(of_panel("push-overview", title))
        for title in ("Exporter", "Failures", "Channels rejected", "Throttled", "Unknown codes",
                      "Firing alerts")
    )  # fmt: skip
    for expression, expected in [(exporter, 1), (rejected, 0), (unknown, 0), (firing, 0)]:
        assert value(world.samples(expression, world.healthy)) == expected
    assert value(world.samples(failures, world.healthy)) < 0.01
    assert value(world.samples(throttled, world.healthy)) == 0
    assert value(world.samples(failures, world.trouble)) > 0.02
    assert 0.002 < value(world.samples(throttled, world.trouble)) < 0.2
    assert value(world.samples(rejected, world.trouble)) == 1
    assert value(world.samples(unknown, world.trouble)) == 3
    assert value(world.samples(firing, world.trouble)) == 1


def test_shares_are_shares(world: World) -> None:
    """No share is above 1 or not a number where a panel shows one."""
    for query in all_queries():
        if query.panel["fieldConfig"]["defaults"]["unit"] == "percentunit":
            for series in world.drawn(query, world.begun, world.trouble):
                points = series.get("values") or [series["value"]]
                assert all(0 <= float(point[1]) <= 1 for point in points), query.name


def test_failing_codes_are_named_once(world: World) -> None:
    """The table names each failing code once, with its runbook, although replicas disagree."""
    found = world.samples(in_test(of_panel("push-overview", "Top failing codes")), world.trouble)
    rows = {
        (query["metric"]["channel"], query["metric"]["code"]): query["metric"] for query in found
    }
    assert len(rows) == len(found)
    assert rows["vivo", "10072"]["name"] in {"SendTooFast", "TooFast"}
    for code, name, runbook in [
        (("apns", "2009"), "BadDeviceToken", "PushInvalidTokenRatioHigh"),
        (("apns", "2014"), "BadCertificate", "PushChannelRejected"),
        (("apns", "4711"), "Unknown", "PushUnknownCode"),
    ]:
        assert (rows[code]["name"], rows[code]["runbook"]) == (name, runbook)


def test_restart_shows_no_traffic(world: World) -> None:
    """A replica that restarts continues its counts, and no panel shows more than was sent."""
    query = of_panel("push-overview", "Results by channel")
    series = world.drawn(query, world.begun, world.trouble)
    totals: dict[float, float] = {}
    for labels in series:
        for at, rate in labels["values"]:
            totals[at] = totals.get(at, 0) + float(rate)
    assert 0 < max(totals.values()) < 1.5 * 2 * RATE


def test_exemplars_lead_to_messages(world: World) -> None:
    """The failing codes of a channel come with the id of a message."""
    query = of_panel("push-channel", "Failing codes")
    found = world.ask("query_exemplars", query=in_test(query), start=world.begun, end=world.trouble)
    labels = [exemplar["labels"] for labels in found for exemplar in labels["exemplars"]]
    assert any(label["msg_id"].startswith("simulated_") for label in labels)


def test_every_dashboard_works_for_a_channel_with_common_codes_only(world: World) -> None:
    """A channel with an empty table has figures, too: 0 where it has no codes."""
    for query in all_queries():
        if query.board == "push-channel" and query.panel["type"] == "stat":
            expression = query.expression(channel="honor", interval="5s", time_range="1m")
            assert world.samples(expression, world.trouble), query.name
