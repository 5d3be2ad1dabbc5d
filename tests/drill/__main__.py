"""Play an incident and show its timeline: `python -m tests.drill`, or `make drill`."""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.commands.progress import ProgressLine, bar
from tests.drill.incidents import INCIDENTS, Incident
from tests.drill.play import SHIPPED, SHORT, Found, Pace, play, running
from tests.drill.timeline import Event, clock
from tests.support.chain import Chain, say


def usual_seconds(incident: Incident, pace: Pace) -> float:
    """Return how long the drill usually takes."""
    return incident.minutes + 15 if pace.short else incident.minutes * 60


class Watch:
    """Waits, shows how far the drill has come, and gives up after twice the usual time."""

    def __init__(self, usual: float, line: ProgressLine) -> None:
        self._usual = usual
        self._line = line
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the drill has taken so far."""
        return time.monotonic() - self._begun

    def wait(self, what: str, condition: Callable[[], Found | None]) -> Found:
        """Wait for a condition and return its value; TimeoutError names the missing event."""
        while not (found := condition()):
            if self.seconds > 2 * self._usual + 30:
                raise TimeoutError(f"waited {clock(self.seconds)} in vain for {what}")
            self._line.show(
                lambda: (
                    f"{bar(self.seconds, self._usual)} {clock(self.seconds)} of about "
                    f"{clock(self._usual)}: waiting for {what}"
                )
            )
            time.sleep(0.1)
        return found


def introduce(incident: Incident, path: Chain) -> None:
    """Print the incident and the addresses of the pages."""
    say(f"{incident.title}.")
    say(f"Status page: {path.exporter.admin}")
    say(f"Prometheus: {path.prometheus}/alerts, Alertmanager: {path.alertmanager}")


def drill(incident: Incident, pace: Pace, *, as_json: bool) -> tuple[list[Event], str]:
    """Play an incident and print its timeline; return it, and the missing event, if any."""
    line = ProgressLine()
    watch = Watch(usual_seconds(incident, pace), line)
    events: list[Event] = []
    missing = ""
    with (
        tempfile.TemporaryDirectory(prefix="drill-") as folder,
        running(incident, Path(folder), pace) as (path, disk),
    ):
        if not as_json:
            introduce(incident, path)
        try:
            for event in play(incident, path, disk, pace, watch.wait):
                events.append(event)
                line.clear()
                if not as_json:
                    say(event.as_text(events[0].at))
        except TimeoutError as error:
            missing = str(error)
    line.end(f"The drill ended after {clock(watch.seconds)}" + (missing and f": {missing}") + ".")
    return events, missing


def parse() -> argparse.Namespace:
    """Read the flags."""
    listed = "\n".join(
        f"  {name:<18} {incident.title}; about {incident.minutes} minutes"
        + ("; root mounts that disk" if incident.full_disk else "")
        for name, incident in INCIDENTS.items()
    )
    parser = argparse.ArgumentParser(
        prog="python -m tests.drill",
        description=__doc__,
        epilog=f"incidents:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--incident", choices=INCIDENTS, default="wrong-certificate")
    parser.add_argument("--short", action="store_true", help="a minute takes a second")
    parser.add_argument("--json", action="store_true", help="print the timeline as JSON")
    return parser.parse_args()


def main() -> int:
    """Run one drill; 1 if its timeline is not complete."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is ended, too
    pace = SHORT if options.short else SHIPPED
    try:
        events, missing = drill(INCIDENTS[options.incident], pace, as_json=options.json)
    except (pytest.fail.Exception, pytest.skip.Exception) as error:  # a program is missing
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        timeline = [event.as_json(events[0].at) for event in events]
        say(json.dumps({"incident": options.incident, "timeline": timeline}, indent=1))
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
