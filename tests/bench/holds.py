"""`make bench ARGS=holds`: how long one body keeps the event loop, before and after authentication.

In process, without the network: milliseconds of the processor, the best of some rounds. Run it on
an idle machine: others that share its caches make it a half slower.
"""

import argparse
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from multidict import CIMultiDict
from yarl import URL

from exporter.gateways.compression import unpack_gzip
from exporter.gateways.gateway import Gateway, ReceivedRequest
from exporter.gateways.registry import load_gateways
from tests.bench.servers import Bench
from tests.support.bodies import FORMATS, LIMIT, Body, Format, bodies, with_more_inside
from tests.support.exporter import make_key_pair
from tests.support.senders import SENDERS, Sender, Sent
from tests.support.work import Step, authentication, decoding, timing

ROUNDS = 5
WORTH_A_LOOK = 3.0
"""Milliseconds."""

SHOWN = 12
"""Bodies of each table, the longest first."""


class Hold(NamedTuple):
    """The longest uninterrupted work for a body."""

    milliseconds: float
    format: str
    body: str
    sent: int
    steps: int = 1


def holds(bench: Bench, args: argparse.Namespace) -> None:
    """Print the longest holds of all bodies, gateways and formats."""
    del args
    public = make_key_pair(bench.folder, "holds").public
    before: list[Hold] = []
    after: list[Hold] = []
    for name, form in FORMATS.items():
        sender = _sender(form.gateway)
        settings = sender.settings(bench.folder)
        if form.gateway == "mps":
            settings = settings.model_copy(update={"mps_public_key_files": [public]})
        gateway = load_gateways(settings)[form.gateway]
        after += [_decoded(gateway, name, form, body) for body in bodies(form)]
        before += [
            _authenticated(gateway, name, sender, *signed) for signed in _unsigned(sender, form)
        ]
    _print("Before authentication, with gzip", before)
    _print("A step after authentication", after)


def _sender(name: str) -> Sender:
    nobody = Sender(name, lambda body, _secret, _age: Sent(body, {}, "sign=" + "A" * 342))
    found = (sender for sender in SENDERS if sender.name == name)
    return next(found, nobody)


def _unsigned(sender: Sender, form: Format) -> Iterator[tuple[Body, Sent]]:
    """Yield requests without credentials, and requests with the signature of another body."""
    signed = sender.sign(json.dumps(form.item).encode(), "of nobody", 0)
    for body in bodies(form):
        yield body, signed._replace(body=body.content)
    for body in with_more_inside(signed.body):
        yield body, signed._replace(body=body.content)


def _authenticated(gateway: Gateway, name: str, sender: Sender, body: Body, sent: Sent) -> Hold:
    """Measure the work for a compressed request until it is refused."""
    packed = zlib.compress(sent.body, wbits=31)
    query = URL(sender.path(sent)).query

    def once() -> float:
        with timing() as clock:
            before = clock()
            content = unpack_gzip(packed, LIMIT) if len(sent.body) <= LIMIT else b""
            request = ReceivedRequest(packed, CIMultiDict(sent.headers), query, content=content)
            return clock() - before + authentication(gateway, request, clock)

    return Hold(_best(once), name, body.name, len(packed))


def _decoded(gateway: Gateway, name: str, form: Format, body: Body) -> Hold:
    """Measure the longest step of decoding an authenticated body."""
    request = ReceivedRequest(body.content, CIMultiDict({"Content-Type": form.content_type}))
    steps: list[Step] = []

    def once() -> float:
        with timing() as clock:
            steps[:] = decoding(gateway, request, clock)
        return float(max(step.cost for step in steps))

    return Hold(_best(once), name, body.name, len(body.content), len(steps))


def _best(once: Callable[[], float]) -> float:
    """Repeat a long measurement: other load on the processor can only make it longer."""
    best = once()
    for _ in range(ROUNDS if best > WORTH_A_LOOK else 0):
        best = min(best, once())
    return best


def _print(title: str, found: list[Hold]) -> None:
    print(f"\n### {title}\n\n| ms | gateway | body | bytes sent | steps |\n|---|---|---|---|---|")
    for hold in sorted(found, reverse=True)[:SHOWN]:
        print(
            f"| {hold.milliseconds:.1f} | {hold.format} | {hold.body} "
            f"| {hold.sent:,} | {hold.steps} |",
            flush=True,
        )


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        holds(Bench(Path(folder), Path(folder)), argparse.Namespace())
