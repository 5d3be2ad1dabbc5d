"""The thread that redacts rejected requests."""

from exporter.gateways.gateway import ReceivedRequest
from exporter.records.record import Record
from exporter.records.redactor import Redactor


def test_request_after_the_end_is_dropped() -> None:
    """A request that is rejected while the exporter stops is dropped, and nothing is raised."""
    kept: list[Record | None] = []
    redactor = Redactor(kept.append)
    request = ReceivedRequest(b'{"code": null}')
    redactor.submit("results", "code_missing", request, [0])
    redactor.close()
    redactor.submit("results", "code_missing", request, [0])
    assert [record and record.reason for record in kept] == ["code_missing", None]
