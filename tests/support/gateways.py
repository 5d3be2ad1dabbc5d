"""Gateways without an exporter around them."""

import pytest

from exporter.configuration.settings import load_settings
from exporter.errors import RequestError
from exporter.gateways.gateway import Gateway, ReceivedRequest
from exporter.gateways.registry import Gateways, load_gateways
from exporter.results import DecodedItems, ResultGroup


def unsigned_gateways() -> Gateways:
    """Give the gateways that need no description, open to anyone."""
    return load_gateways(load_settings(allow_unsigned=True))


def decoded(gateway: Gateway, request: ReceivedRequest) -> DecodedItems:
    """Decode a body to its end; equal results of several steps become one group."""
    whole = DecodedItems()
    for step in gateway.decode(request):
        whole.groups += step.groups
        whole.rejected += step.rejected
        whole.skipped += step.skipped
        whole.defaulted += step.defaulted
    groups: dict[tuple[object, int], ResultGroup] = {}
    for group in whole.groups:
        first = groups.setdefault((group.result, group.count), group)
        if first is not group:
            first.anonymous += group.anonymous
            first.ids += group.ids
            first.exemplar = group.exemplar or first.exemplar
    whole.groups = list(groups.values())
    return whole


def refusal(gateway: Gateway, request: ReceivedRequest) -> str:
    """Decode a body that is refused; return the reason and the detail."""
    with pytest.raises(RequestError) as caught:
        decoded(gateway, request)
    return f"{caught.value.reason}: {caught.value.detail}"
