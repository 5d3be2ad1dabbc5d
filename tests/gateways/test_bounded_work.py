"""No body is much work at a time: one test over every gateway and format."""

import json
from pathlib import Path

import pytest
from multidict import CIMultiDict
from yarl import URL

from exporter.gateways.described.files import shipped
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.registry import load_gateways
from exporter.gateways.steps import ITEMS_PER_STEP
from tests.support.bodies import FORMATS, Format, bodies, with_more_inside
from tests.support.exporter import KeyPair
from tests.support.senders import RECIPES, SENDERS, Sender, Sent
from tests.support.work import authentication, counting_calls, decoding

CALLS_PER_STEP = 200 * ITEMS_PER_STEP
"""Calls of functions: two hundred an item, some milliseconds in all."""

CALLS_BEFORE_AUTHENTICATION = 5_000

SIGNED_BY_NOBODY = "sign=" + "A" * 342
SENDERS_BY_NAME = {sender.name: sender for sender in reversed(SENDERS) if sender.name != "acme"}


def _sender(name: str) -> Sender:
    nobody = Sender(name, lambda body, _secret, _age: Sent(body, {}, SIGNED_BY_NOBODY))
    return SENDERS_BY_NAME.get(name, nobody)


def test_every_gateway_has_a_format() -> None:
    """No gateway is left out: neither a shipped description, nor a recipe, nor one in code."""
    described = {path.stem for path in RECIPES.glob("*.toml")} | {*shipped()}
    assert described | {"mps", "results"} == {form.gateway for form in FORMATS.values()}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_no_step_is_much_work(form: Format, tmp_path: Path) -> None:
    """A step over any authenticated body within the limits has few items and few calls."""
    gateway = load_gateways(_sender(form.gateway).settings(tmp_path))[form.gateway]
    for body in bodies(form):
        request = ReceivedRequest(body.content, CIMultiDict({"Content-Type": form.content_type}))
        with counting_calls() as calls:
            steps = list(decoding(gateway, request, calls))
        assert max(step.cost for step in steps) <= CALLS_PER_STEP, body.name
        assert max(step.items for step in steps) <= ITEMS_PER_STEP, body.name
        assert max(step.groups for step in steps) <= ITEMS_PER_STEP, body.name


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_unauthenticated_request_is_little_work(
    form: Format, keys: KeyPair, tmp_path: Path
) -> None:
    """Refusing any unsigned request, or one with a wrong secret, takes few calls."""
    sender = _sender(form.gateway)
    settings = sender.settings(tmp_path)
    if form.gateway == "mps":
        settings = settings.model_copy(update={"mps_public_key_files": [keys.public]})
    gateway = load_gateways(settings)[form.gateway]
    signed = sender.sign(json.dumps(form.item).encode(), "of nobody", 0)
    sent = [
        *(Sent(body.content) for body in bodies(form)),
        *(signed._replace(body=body.content) for body in bodies(form)),
        *(signed._replace(body=body.content) for body in with_more_inside(signed.body)),
    ]
    for request_sent in sent:
        url = URL(sender.path(request_sent))
        request = ReceivedRequest(request_sent.body, CIMultiDict(request_sent.headers), url.query)
        with counting_calls() as calls:
            cost = authentication(gateway, request, calls)
        assert cost <= CALLS_BEFORE_AUTHENTICATION, request_sent.body[:200]
