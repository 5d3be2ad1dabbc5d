"""Play an incident to an exporter, Prometheus and Alertmanager, and watch what they do."""

import json
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tests.drill.incidents import Incident, Results
from tests.drill.timeline import Event, Stage, happened
from tests.support.chain import NORMAL, Chain, chain, post_results
from tests.support.programs import fetch, fill, in_background, mounted
from tests.support.receiver import Message
from tests.support.rules import sends_resolved

BACKLOG = 20
"""The rate after the incident in usual rates: what had to wait is sent, and shares drop sooner."""

Found = TypeVar("Found")
Wait = Callable[[str, Callable[[], Found | None]], Found]
"""Waits for something, which it names, and gives what was found; TimeoutError if in vain."""


class Pace(NamedTuple):
    """How fast a drill is played."""

    short: bool
    normal_seconds: float
    """How long results are normal before the incident: as long as the window of a spike. Over less
    than a window the share of bad results rises sooner than it does at night."""
    interval: float
    """Seconds between two posts; a post has at least one of each result, and no part of one."""
    rate: float
    """How many times the results per second of an incident are sent."""


SHIPPED = Pace(short=False, normal_seconds=300, interval=5, rate=1)
SHORT = Pace(short=True, normal_seconds=5, interval=0.2, rate=60)
"""A minute takes a second, so it takes sixty times the results for the same numbers."""


class Traffic:
    """Posts results all the time, until it is stopped; which ones may change at any time."""

    def __init__(self, url: str, pace: Pace) -> None:
        self._url = url
        self._pace = pace
        self._over = threading.Event()
        self.results: Results = NORMAL
        self.latest = (0.0, "")
        """When the latest post began, as Unix time, and why it was refused, if it was."""

    def run(self) -> None:
        """Post until it is stopped."""
        while not self._over.wait(self._pace.interval):
            self.latest = (time.time(), self._post())

    def stop(self) -> None:
        """End `run`."""
        self._over.set()

    def bad_since(self, begun: float, *, refused: bool) -> tuple[float, str] | None:
        """Return the latest post if it is of the incident, and either refused or accepted."""
        at, error = self.latest
        return (at, error) if at >= begun and bool(error) == refused else None

    def _post(self) -> str:
        rated = [(channel, code, rate * self._pace.rate) for channel, code, rate in self.results]
        try:
            post_results(self._url, rated, self._pace.interval)
        except urllib.error.HTTPError as error:
            with error:
                return f"{error.code} {json.loads(error.read())['error']}"
        except OSError as error:
            return str(error)
        return ""


@contextmanager
def running(incident: Incident, folder: Path, pace: Pace) -> Iterator[tuple[Chain, Path | None]]:
    """Run everything; give the disk, too, if it will be filled."""
    with ExitStack() as stack:
        settings, disk = {}, None
        if incident.full_disk:
            flags = ("-t", "tmpfs", "-o", "size=16m")
            disk = stack.enter_context(mounted("tmpfs", folder / "disk", *flags))
            settings = {"ledger_path": disk / "ledger.sqlite3"}
        yield stack.enter_context(chain(folder, short=pace.short, **settings)), disk


def play(
    incident: Incident, path: Chain, disk: Path | None, pace: Pace, wait: Wait[Any]
) -> Iterator[Event]:
    """Play the incident; yield what happens when it does. TimeoutError names what did not."""
    latest = 0.0
    for event in _stages(incident, path, disk, pace, wait):
        # States are asked for in turns: one may be noticed after the message that it led to.
        latest = max(latest, event.at)
        yield event._replace(at=latest)


def _stages(
    incident: Incident, path: Chain, disk: Path | None, pace: Pace, wait: Wait[Any]
) -> Iterator[Event]:
    traffic = Traffic(path.exporter.ingest, pace)
    with in_background(traffic.run, traffic.stop):
        normal = time.monotonic() + pace.normal_seconds
        wait("some time of normal results", lambda: time.monotonic() >= normal)
        filler = fill(disk) if disk else None
        traffic.results = incident.traffic()
        begun = time.time()
        yield _first(
            incident,
            wait("a bad result", lambda: traffic.bad_since(begun, refused=incident.full_disk)),
        )
        yield from _alarm(incident, path, wait)
        if filler:
            filler.unlink()
        traffic.results = [(channel, code, rate * BACKLOG) for channel, code, rate in NORMAL]
        yield happened(Stage.RECOVERY, "The incident is over; results are as usual again")
        yield from _end(incident, path, wait)


def _first(incident: Incident, bad: tuple[float, str]) -> Event:
    at, refused = bad
    codes = ", ".join(f"{channel} {code}" for channel, code, _ in incident.results if code != 2)
    return Event(at, Stage.FIRST, f"The exporter responds with {refused}" if refused else codes)


def _alarm(incident: Incident, path: Chain, wait: Wait[Any]) -> Iterator[Event]:
    alert = wait("the alert to be pending", lambda: _alert(path, incident))
    active = datetime.fromisoformat(alert["activeAt"]).timestamp()
    yield Event(active, Stage.PENDING, f"{incident.alert} {incident.channel}".rstrip())
    alert = wait("the alert to fire", lambda: _alert(path, incident, "firing"))
    yield happened(Stage.FIRING, alert["annotations"]["summary"])
    yield from _messages(incident, path, wait, Stage.MESSAGE)


def _end(incident: Incident, path: Chain, wait: Wait[Any]) -> Iterator[Event]:
    wait("the alert to be resolved", lambda: _alert(path, incident) is None)
    yield happened(Stage.RESOLVED, f"{incident.alert} {incident.channel}".rstrip())
    yield from _messages(incident, path, wait, Stage.ALL_CLEAR)


def _messages(incident: Incident, path: Chain, wait: Wait[Any], stage: Stage) -> Iterator[Event]:
    """Wait for a message to each receiver, whichever is next; to some none is sent at the end."""
    first = stage is Stage.MESSAGE
    missing = {name for name in incident.receivers if first or sends_resolved(name)}
    while missing:
        sent = partial(_message, path, incident, missing, first=first)
        message = wait(f"the message to {' and '.join(sorted(missing))}", sent)
        missing.remove(message.receiver)
        yield Event(message.at, stage, f"to {message.receiver}\n{message.text}")


def _message(
    path: Chain, incident: Incident, receivers: set[str], *, first: bool
) -> Message | None:
    """Return the first message to one of the receivers that the alert fires, or is over.

    That it is over is also said in a message about others of the channel that still fire, and if an
    alert inhibited it at its end, in the message that this one is over.
    """
    for message in path.told.messages:
        is_about = _is_firing if first else _is_over
        if message.receiver in receivers and is_about(message.text, incident):
            return message
    return None


def _is_firing(text: str, incident: Incident) -> bool:
    return text.startswith("FIRING") and incident.alert in text


def _is_over(text: str, incident: Incident) -> bool:
    about = incident.channel or incident.alert
    return f"Over: {incident.alert}" in text or (text.startswith("RESOLVED") and about in text)


def _alert(path: Chain, incident: Incident, state: str = "") -> dict[str, Any] | None:
    """Return the alert as Prometheus has it, in any state or in one."""
    alerts: list[dict[str, Any]] = json.loads(fetch(f"{path.prometheus}/api/v1/alerts"))["data"][
        "alerts"
    ]
    for alert in alerts:
        labels = alert["labels"]
        named = (labels["alertname"], labels.get("channel", ""))
        if named == (incident.alert, incident.channel) and state in ("", alert["state"]):
            return alert
    return None
