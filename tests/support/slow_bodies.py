"""How long large bodies take by the widest description: a program, so that nothing traces it."""

import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from exporter.configuration.settings import load_settings
from exporter.errors import RequestError
from exporter.gateways.described.values import MAX_PATHS
from exporter.gateways.gateway import Gateway, ReceivedRequest
from exporter.gateways.registry import load_gateways

MEBIBYTE = 1 << 20

WIDE = "\n".join(
    f"{name} = {json.dumps([f'{name}{n}.x' for n in range(paths - 1)] + [name])}"
    for name, paths in (
        ("code", MAX_PATHS),
        ("channel", 4),
        ("message", 3),
        ("id", 1),
        ("dedupe", MAX_PATHS),
    )
)
"""As many paths as a description may have."""

LARGE = {
    "numbers": b"[" + b",".join(b"%d" % n for n in range(140_000)) + b"]",
    "empty-objects": b"[" + b"{}," * (MEBIBYTE // 3 - 2) + b"{}]",
    "distinct": b"[" + b",".join(b'{"code":%d}' % n for n in range(60_000)) + b"]",
    "of-another-shape": b"["
    + b",".join(b'{"code":%d,"channel0":true}' % n for n in range(30_000))
    + b"]",
    "one-text": b'[{"code":1,"message":"' + b"\\ud83d" * (MEBIBYTE // 6 - 10) + b'"}]',
    "deep": b"[" * MEBIBYTE,
    "map": b"{" + b",".join(b'"%d":{"code":1}' % n for n in range(50_000)) + b"}",
    "lines": b"\n".join(b'{"code":%d}' % n for n in range(60_000)),
    "binary": bytes(range(256)) * 4096,
}
FORMATS = ("json", "ndjson", "form")
PATHS = ("", 'path = "*"')


def measure() -> dict[str, float]:
    """Return how long each body takes, by body, format and path.

    In units of what Python's own `json` takes for a body of 60,000 objects: a fortieth of a second
    of one processor, more of another.
    """
    unit = best_of_three(lambda: json.loads(LARGE["distinct"]))
    gc.disable()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "wide.toml")
        found = {}
        for content in FORMATS:
            for path in PATHS:
                file.write_text(
                    f'[items]\n{path}\n[content]\nformat = "{content}"\n[fields]\n{WIDE}\n'
                )
                gateway = load_gateways(load_settings(gateway_files=[file]))["wide"]
                for name, body in LARGE.items():
                    seconds = best_of_three(partial(decode, gateway, body))
                    found[f"{name} {content} {path}"] = seconds / unit
                    gc.collect()
    return found


def decode(gateway: Gateway, body: bytes) -> None:
    """Decode a body, or refuse it."""
    with suppress(RequestError):
        for _ in gateway.decode(ReceivedRequest(body)):
            pass


def best_of_three(work: Callable[[], object]) -> float:
    """Return the processor's seconds for some work."""
    seconds = []
    for _ in range(3):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds)


if __name__ == "__main__":
    json.dump(measure(), sys.stdout)
