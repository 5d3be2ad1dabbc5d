"""The pages for a person: HTML without scripts or styles inside, and the files it needs."""

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import PurePath
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from exporter.admin.history import MINUTE, MINUTES
from exporter.admin.status import status_of, watched_rows
from exporter.runtime import Service

# The pages need nothing from elsewhere, and nothing that they show may run.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

MAX_UNKNOWN_CODES = 20
"""On the page; the JSON has all of them."""

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_AGES = ((86400, "d"), (3600, "h"), (60, "min"))  # seconds, unit
_LEAST_WIDTH = 2.0  # of a part of a bar, in hundredths: what is rare is seen all the same
_SPARK_HEIGHT = 20.0


class Asset(NamedTuple):
    """A file that the pages need."""

    content: bytes
    content_type: str


class Pages:
    """The templates and the files beside them, read once."""

    def __init__(self) -> None:
        templates = Environment(
            loader=PackageLoader("exporter.admin"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        templates.filters |= {
            "number": number,
            "age": age,
            "share": share,
            "clock": clock,
            "bars": bars,
            "parts": parts,
        }
        self._status = templates.get_template("status.html")
        self._codes = templates.get_template("codes.html")
        self.assets = {
            file.name: Asset(file.read_bytes(), _TYPES[PurePath(file.name).suffix])
            for file in files("exporter.admin").joinpath("assets").iterdir()
            if PurePath(file.name).suffix in _TYPES
        }

    def status(self, service: Service) -> str:
        """Show the state of the exporter."""
        status = status_of(service)
        return self._status.render(
            status=status, host=status.host, max_unknown=MAX_UNKNOWN_CODES, hour=MINUTES * MINUTE
        )

    def codes(self, service: Service, query: str) -> str:
        """Show every code of the tables; those that lack a word of the query are hidden."""
        words = query.casefold().split()
        rows = [(row, _has(row, words)) for row in watched_rows(service)]
        shown = sum(found for _, found in rows)
        return self._codes.render(rows=rows, shown=shown, query=query, host=service.host)


def _has(row: dict[str, Any], words: list[str]) -> bool:
    alerts = [alert.name for alert in row["alerts"]]
    text = " ".join([*filter(lambda cell: isinstance(cell, str), row.values()), *alerts]).casefold()
    return all(word in text for word in words)


def number(value: int) -> str:
    """Write a number so that it can be read at a glance."""
    return f"{value:,}"


def age(seconds: float) -> str:
    """Say how long something takes or is ago, in its largest unit."""
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
    """Lay the severities along a bar of 100: each with its place and its width."""
    total = sum(severities.values())
    widths = {
        severity: max(_LEAST_WIDTH, 100 * count / total)
        for severity, count in severities.items()
        if count
    }
    scale = 100 / (sum(widths.values()) or 1)
    place, laid = 0.0, []
    for severity, width in widths.items():
        laid.append((severity, round(place, 2), round(width * scale, 2)))
        place += width * scale
    return laid
