"""Arrays for PostgreSQL: keys as bigint, and the arguments of its function `commit`."""

from array import array
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from exporter.ledger.store import Commit


def signed(numbers: Iterable[int]) -> str:
    """Format unsigned 64-bit numbers as an array of bigint."""
    return integers(array("q", array("Q", numbers).tobytes()))


def integers(numbers: Iterable[int]) -> str:
    """Format numbers as an array."""
    return f"{{{','.join(map(str, numbers))}}}"


def unsigned(numbers: Iterable[int] | None) -> "array[int]":
    """Convert an array of bigint to unsigned 64-bit numbers."""
    return array("Q", array("q", numbers or ()).tobytes())


def commit_arrays(commit: Commit, known: AbstractSet[int]) -> dict[str, object]:
    """Return the arguments of the function `commit`, without the known keys."""
    counts = commit.without(known)
    place = {series: number for number, series in enumerate(counts, 1)}
    keys, contents, deliveries = array("Q"), array("Q"), array("L")
    delivery, series, each = array("L"), array("L"), array("Q")
    for number, entry in enumerate(commit.entries):
        new = [key for key in entry.keys if key not in known] if known else entry.keys
        keys.extend(new)
        contents.extend([entry.content] * len(new))
        deliveries.extend([number] * len(new))
        for counted, count in entry.delivery.counts.items() if new else ():
            delivery.append(number)
            series.append(place[counted])
            each.append(count)
    return {
        "keys": signed(keys),
        "contents": signed(contents),
        "deliveries": integers(deliveries),
        "channels": [counted.channel for counted in counts],
        "codes": [counted.code for counted in counts],
        "tables": [counted.table for counted in counts],
        "apps": [counted.app for counted in counts],
        "counts": integers(counts.values()),
        "delivery": integers(delivery),
        "series": integers(series),
        "each": integers(each),
    }
