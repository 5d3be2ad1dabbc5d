"""The arrays that PostgreSQL takes and returns: keys as bigint, a commit as its function has it."""

from array import array
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from exporter.ledger.store import Commit


def signed(numbers: Iterable[int]) -> str:
    """Write 64-bit numbers as an array of bigint."""
    return integers(array("q", array("Q", numbers).tobytes()))


def integers(numbers: Iterable[int]) -> str:
    """Write numbers as an array."""
    return f"{{{','.join(map(str, numbers))}}}"


def unsigned(numbers: Iterable[int] | None) -> "array[int]":
    """Read bigint as 64-bit numbers."""
    return array("Q", array("q", numbers or ()).tobytes())


def commit_arrays(commit: Commit, known: AbstractSet[int]) -> dict[str, object]:
    """Return what the function `commit` takes, without keys that are known already."""
    counts = commit.without(known)
    place = {series: number for number, series in enumerate(counts, 1)}
    keys, contents, deliveries = array("Q"), array("Q"), array("L")
    delivery, series, each = array("L"), array("L"), array("Q")
    for number, entry in enumerate(commit.entries):
        new = [key for key in entry.keys if key not in known] if known else entry.keys
        keys.extend(new)
        contents.extend([entry.content] * len(new))
        deliveries.extend([number] * len(new))
        for one, count in entry.delivery.counts.items() if new else ():
            delivery.append(number)
            series.append(place[one])
            each.append(count)
    return {
        "keys": signed(keys),
        "contents": signed(contents),
        "deliveries": integers(deliveries),
        "channels": [one.channel for one in counts],
        "codes": [one.code for one in counts],
        "tables": [one.table for one in counts],
        "apps": [one.app for one in counts],
        "counts": integers(counts.values()),
        "delivery": integers(delivery),
        "series": integers(series),
        "each": integers(each),
    }
