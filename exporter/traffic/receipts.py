"""Simulated receipts of a described gateway: mostly delivered, with a few of every failure."""

import random
import time
from collections.abc import Iterator

from exporter.classification.tables import CodeTable
from exporter.errors import ConfigurationError
from exporter.gateways.described.gateway import Described
from exporter.results import Category
from exporter.traffic.described import Writer

_WEIGHTS = {Category.DELIVERED: 80.0, Category.OPENED: 12.0, Category.ACCEPTED: 80.0}
_FAILURES = 8.0
"""Total weight of all failures."""


def receipts(
    gateway: Described, table: CodeTable | None, seed: int | None = None
) -> Iterator[bytes]:
    """Yield an endless sequence of bodies with one receipt each.

    Raises ConfigurationError if the channel has no codes.
    """
    if table is None or not table.codes:
        raise ConfigurationError(
            f"gateway {gateway.name}: its channel has no codes to send: set CODE_TABLE_FILES"
        )
    rng = random.Random(seed)  # noqa: S311 - traffic, not secrets
    writer = Writer(gateway.description)
    codes = list(table.codes)
    failures = [row for row in table.codes.values() if row.category not in _WEIGHTS]
    weights = [
        _WEIGHTS.get(row.category, _FAILURES / max(1, len(failures)))
        for row in table.codes.values()
    ]
    run = int(time.time() * 1000) if seed is None else seed
    number = 0
    while True:
        number += 1
        code = rng.choices(codes, weights)[0]
        target = f"target-{rng.getrandbits(64):016x}"
        yield writer.body(code, table.codes[code].name, f"simulated_{run}_{number}", target)
