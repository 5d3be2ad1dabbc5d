"""What every gateway is given: a request within its bounds."""

import pytest

from exporter.gateways.gateway import ReceivedRequest


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("", {}),
        ("a=1&b=2&a=3", {"a": "1", "b": "2"}),
        ("a+b=c+d&%61=%2b%3D", {"a b": "c d", "a": "+="}),
        ("a&b=&=c", {"a": "", "b": "", "": "c"}),
        ("a=%4&b=%zz", {"a": "%4", "b": "%zz"}),
        ("a=%41%ff", {"a": "A\ufffd"}),
        ("a=%41\udcff", {"a": "A\ufffd"}),  # a byte that was sent as it is
    ],
)
def test_parameters_of_the_query(query: str, parameters: dict[str, str]) -> None:
    """Escapes are read as UTF-8, nothing is refused, and the first of a name counts."""
    assert ReceivedRequest(query_string=query).query == parameters
