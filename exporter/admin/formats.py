"""How the pages write numbers and times, and draw bars: the filters of their templates."""

from datetime import UTC, datetime

_AGES = ((86400, "d"), (3600, "h"), (60, "min"))  # seconds, unit
_LEAST_WIDTH = 2.0  # of a part of a bar, in hundredths: what is rare stays visible
_SPARK_HEIGHT = 20.0


def number(value: int) -> str:
    """Write a number so that it can be read at a glance."""
    return f"{value:,}"


def age(seconds: float) -> str:
    """Write a duration in its largest unit."""
    for size, unit in _AGES:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def share(part: int, total: int) -> str:
    """Write a share in percent: never 0% of something, nor 100% of less than all."""
    if not part or part == total:
        return "100%" if part else "0%"
    percent = 100 * part / total
    if percent < 1:
        return "<1%"
    return ">99%" if percent > 99 else f"{percent:.0f}%"  # noqa: PLR2004


def share_of(part: int, total: int) -> str:
    """Write a share to stand after its number, or nothing where it would say nothing."""
    return f" ({share(part, total)})" if 0 < part <= total else ""


def clock(at: float) -> str:
    """Write a moment in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def bars(values: list[int], peak: int) -> str:
    """Draw one bar a value as an SVG path, 1 wide, the peak as high as the picture."""
    return "".join(
        f"M{place}.1 {_SPARK_HEIGHT:g}v-{height:.3g}h.8v{height:.3g}z"
        for place, value in enumerate(values)
        if (height := max(1.0, _SPARK_HEIGHT * value / peak) if value else 0)
    )


def parts(severities: dict[str, int]) -> list[tuple[str, float, float]]:
    """Place the severities along a bar of 100: each with its start and its width."""
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
    """Begin with a capital letter, and leave the rest as it is."""
    return text[:1].upper() + text[1:]


FILTERS = {
    "sentence": sentence,
    "number": number,
    "age": age,
    "share": share,
    "share_of": share_of,
    "clock": clock,
    "bars": bars,
    "parts": parts,
}
