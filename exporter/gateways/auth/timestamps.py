"""Checks that a signed timestamp is close to the exporter's clock."""

import re
import time
from typing import Literal

from exporter.errors import Reason, RequestError

Unit = Literal["s", "ms"]

_NUMBER = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,9})?", re.ASCII)
_SMALLEST_MILLISECONDS = 100_000_000_000
"""As seconds, the year 5138; as milliseconds, 1973."""


def check_timestamp(text: str, name: str, *, unit: Unit = "s", tolerance: float = 300) -> None:
    """Raise RequestError unless a timestamp is within `tolerance` seconds of now, either way.

    `name` is the timestamp's name in the message.
    """
    if not _NUMBER.fullmatch(text):
        raise RequestError(Reason.BAD_SIGNATURE, f"{name} is not a Unix time.")
    given = float(text)
    seconds = given / 1000 if unit == "ms" else given
    if abs(time.time() - seconds) <= tolerance:
        return
    detail = (
        f"{name} differs from the exporter's clock by more than {tolerance:g} s. Sign the request "
        "again, and keep its id."
    )
    looks_like_ms = given >= _SMALLEST_MILLISECONDS
    if looks_like_ms != (unit == "ms"):
        found, expected = ("milliseconds", "seconds")[:: 1 if looks_like_ms else -1]
        detail = f"{name} looks like {found}, but {expected} are expected."
    raise RequestError(Reason.STALE_TIMESTAMP, detail)
