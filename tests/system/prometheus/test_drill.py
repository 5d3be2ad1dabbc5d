"""The drill, played in short, and its incidents."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.commands.progress import ProgressLine
from tests.drill.__main__ import Watch
from tests.drill.incidents import INCIDENTS, Incident
from tests.drill.timeline import Stage
from tests.support.programs import program
from tests.support.rules import ALERTMANAGER, ALERTS, read

pytestmark = pytest.mark.load

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["wrong-certificate", "huawei-outage"])
def test_a_drill_shows_its_timeline_on_a_terminal_and_as_json(name: str) -> None:
    """All stages come, in their order; a bar shows how far it is, on a terminal alone.

    One cause is one alert, or several of which one mutes the others, and is the last to end.
    """
    for needed in ("prometheus", "prometheus-alertmanager"):
        program(needed, needed)
    incident = INCIDENTS[name]
    terminal, inside = os.openpty()
    command = [sys.executable, "-m", "tests.drill", "--short", "--json", "--incident", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=inside, cwd=ROOT) as drill:
        os.close(inside)
        shown = _read_all(terminal)
        out, _ = drill.communicate(timeout=120)
    assert drill.returncode == 0, shown
    assert "\r[###" in shown
    assert shown.rstrip().split("\r")[-1].startswith("The drill ended after 0:")
    timeline = json.loads(out)["timeline"]
    assert [event["stage"] for event in timeline] == [*Stage]
    times = [event["seconds"] for event in timeline]
    assert times == sorted(times)
    messages = {event["stage"]: event["text"].splitlines() for event in timeline}
    for stage, status in ((Stage.MESSAGE, "FIRING"), (Stage.ALL_CLEAR, "RESOLVED")):
        assert messages[stage][0] == f"to {incident.receivers[0]}"
        assert messages[stage][1].startswith(f"{status} {incident.channel}")
    codes = [str(code) for _, code, _ in incident.results if code != 2]
    assert all(code in " ".join(messages[Stage.MESSAGE]) for code in codes)
    assert any(line.startswith("Over: Push") for line in messages[Stage.ALL_CLEAR])


def _read_all(terminal: int) -> str:
    """Read the output to a terminal until its other side is closed."""
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # so Linux says that the other side is closed
        pass
    os.close(terminal)
    return b"".join(parts).decode()


@pytest.mark.parametrize("incident", INCIDENTS.values(), ids=INCIDENTS.keys())
def test_an_incident_has_its_alert_and_receivers(incident: Incident) -> None:
    """The alert and receivers of an incident are shipped ones, and its results are failures."""
    assert incident.alert in {alert.name for alert in ALERTS}
    assert {*incident.receivers} <= {
        receiver["name"] for receiver in read(ALERTMANAGER)["receivers"]
    }
    assert incident.full_disk or {channel for channel, _, _ in incident.results} == {
        incident.channel
    }


def test_a_drill_gives_up() -> None:
    """What does not come is waited for until twice the usual time is over, and is named."""
    watch = Watch(-15, ProgressLine())
    with pytest.raises(TimeoutError, match="in vain for the alert to fire"):
        watch.wait("the alert to fire", lambda: None)
