"""Template filters: numbers, times and bars."""

from datetime import UTC, datetime
from urllib.parse import quote, urlencode

_AGES = ((86400, "d"), (3600, "h"), (60, "min"))  # seconds, unit
_LEAST_WIDTH = 2.0  # of a severity in a bar, in percent: rare severities stay visible
_HEIGHT = 100  # of a sparkline
_LEAST_HEIGHT = 5
_STEPS = [f"V{_HEIGHT - height}h1" for height in range(_HEIGHT + 1)]
"""The path of a bar by its height."""


def number(value: int) -> str:
    """Format a number with thousands separators."""
    return f"{value:,}"


def age(seconds: float) -> str:
    """Format a duration in its largest unit."""
    for size, unit in _AGES:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def share(part: int, total: int) -> str:
    """Format a share in percent: 0% and 100% mean exactly none and all."""
    if not part or part == total:
        return "100%" if part else "0%"
    percent = 100 * part / total
    if percent < 1:
        return "<1%"
    return ">99%" if percent > 99 else f"{percent:.0f}%"  # noqa: PLR2004


def share_of(part: int, total: int) -> str:
    """Format a share as a suffix of its number; empty if it is 0 or undefined."""
    return f" ({share(part, total)})" if 0 < part <= total else ""


def plural(count: int, noun: str) -> str:
    """Format a number with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def clock(at: float) -> str:
    """Format a time in UTC, to the second."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def time_of_day(at: float, now: float) -> str:
    """Format a time in UTC, to the minute, with the date unless it is the current date."""
    moment, today = (datetime.fromtimestamp(time, UTC) for time in (at, now))
    return f"{moment:{'%H:%M' if moment.date() == today.date() else '%Y-%m-%d %H:%M'}} UTC"


def iso(at: float) -> str:
    """Format a time for HTML's `datetime` attribute."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def bars(values: list[int], peak: int) -> str:
    """Return an SVG path with a bar for each value, 1 wide; `peak` is _HEIGHT high."""
    scale = _HEIGHT / (peak or 1)
    steps = [_STEPS[max(_LEAST_HEIGHT, round(scale * value)) if value else 0] for value in values]
    return f"M0 {_HEIGHT}{''.join(steps)}V{_HEIGHT}z"


def parts(severities: dict[str, int]) -> list[tuple[str, float, float]]:
    """Return the start and width of each severity in a bar of length 100."""
    total = sum(severities.values())
    widths = {
        severity: max(_LEAST_WIDTH, 100 * count / total)
        for severity, count in severities.items()
        if count
    }
    scale = 100 / (sum(widths.values()) or 1)
    place, placed = 0.0, []
    for severity, width in widths.items():
        placed.append((severity, round(place, 2), round(width * scale, 2)))
        place += width * scale
    return placed


def sentence(text: str) -> str:
    """Capitalize the first letter only."""
    return text[:1].upper() + text[1:]


def query_string(**parameters: object) -> str:
    """Return the query string of the non-empty parameters; empty if there are none."""
    given = {name: value for name, value in parameters.items() if value}
    return f"?{urlencode(given, quote_via=quote)}" if given else ""


FILTERS = {
    "sentence": sentence,
    "number": number,
    "plural": plural,
    "age": age,
    "share": share,
    "share_of": share_of,
    "clock": clock,
    "time_of_day": time_of_day,
    "iso": iso,
    "bars": bars,
    "parts": parts,
}
