"""What happens in a drill, and when: for a person and as JSON."""

import textwrap
import time
from enum import StrEnum
from typing import NamedTuple


class Stage(StrEnum):
    """The stages of an incident, in their order."""

    FIRST = "first bad result"
    PENDING = "pending"
    FIRING = "firing"
    MESSAGE = "message"
    RECOVERY = "recovery"
    RESOLVED = "resolved"
    ALL_CLEAR = "all-clear"


class Event(NamedTuple):
    """Something that happened."""

    at: float
    """Unix time in seconds."""
    stage: Stage
    text: str

    def as_json(self, begun: float) -> dict[str, object]:
        """Return it with the seconds since the incident began."""
        return {"seconds": round(self.at - begun, 1), "stage": self.stage, "text": self.text}

    def as_text(self, begun: float) -> str:
        """Return lines for a person, with minutes and seconds since the incident began."""
        first, _, rest = self.text.partition("\n")
        heading = f"{clock(self.at - begun):>7}  {self.stage:<16}  {first}"
        return f"{heading}\n{textwrap.indent(rest, ' ' * 27)}" if rest else heading


def clock(seconds: float) -> str:
    """Return minutes and seconds as `1:05`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02}"


def happened(stage: Stage, text: str) -> Event:
    """Return an event of this moment."""
    return Event(time.time(), stage, text)
