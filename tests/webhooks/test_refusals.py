"""Log lines for refused requests: few, complete, and without anything secret."""

import asyncio
from typing import Any

import structlog

from exporter.errors import Reason, RequestError
from exporter.webhooks.refusals import ACTIONS, Refusals

SIGNATURE = RequestError(Reason.BAD_SIGNATURE, "No configured key verifies it.")
NOT_FOUND = RequestError(Reason.NOT_FOUND, "No webhook has this path.")


def webhooks() -> list[str]:
    """Name the gateways."""
    return ["mps", "results"]


def counts(logs: list[Any]) -> list[tuple[str, str, int]]:
    """Return source, reason and number of each line."""
    return [(line["source"], line["reason"], line["requests"]) for line in logs]


async def test_first_is_logged_at_once_and_the_rest_together() -> None:
    """A burst makes one line at its start, and one for all that followed; then there is silence."""
    with structlog.testing.capture_logs() as logs:
        refusals = Refusals(webhooks, interval=0.1)
        for _ in range(20):
            refusals.add("mps", SIGNATURE)
        assert counts(logs) == [("mps", "bad_signature", 1)]
        await asyncio.sleep(0.35)
        assert counts(logs) == [("mps", "bad_signature", 1), ("mps", "bad_signature", 19)]
        refusals.add("mps", SIGNATURE)
        assert counts(logs)[2:] == [("mps", "bad_signature", 1)]
        refusals.close()


async def test_each_gateway_and_reason_has_its_line() -> None:
    """One kind of refusal does not hide another."""
    with structlog.testing.capture_logs() as logs:
        refusals = Refusals(webhooks)
        for source in ("mps", "results"):
            for error in (SIGNATURE, RequestError(Reason.TOO_LARGE, "Too large.")):
                refusals.add(source, error)
        refusals.close()
    assert len(logs) == 4
    assert {(line["log_level"], line["event"]) for line in logs} == {("info", "requests refused")}
    assert logs[0]["detail"] == "No configured key verifies it."


async def test_close_logs_remaining_refusals() -> None:
    """A stop within the minute loses no count, and leaves no timer behind."""
    with structlog.testing.capture_logs() as logs:
        refusals = Refusals(webhooks)
        for _ in range(3):
            refusals.add("mps", SIGNATURE)
        refusals.close()
    assert counts(logs) == [("mps", "bad_signature", 1), ("mps", "bad_signature", 2)]


async def test_other_path_is_named_with_the_webhooks() -> None:
    """A request that no webhook takes is logged with its path, and the paths that there are."""
    with structlog.testing.capture_logs() as logs:
        refusals = Refusals(webhooks)
        refusals.add("unknown", NOT_FOUND, "/webhook/mps")
        refusals.close()
    assert logs[0]["last_path"] == "/webhook/mps"
    assert logs[0]["webhooks"] == "/webhooks/mps /webhooks/results"


async def test_path_of_a_webhook_is_not_logged() -> None:
    """Only a path that no webhook has is worth a look, and only that is redacted."""
    with structlog.testing.capture_logs() as logs:
        refusals = Refusals(webhooks)
        refusals.add("mps", SIGNATURE, "/webhooks/mps")
        refusals.close()
    assert "last_path" not in logs[0]


def test_every_reason_has_an_action() -> None:
    """There is advice for each reason but a fault of the exporter, which is logged elsewhere."""
    assert ACTIONS.keys() == {*Reason} - {Reason.INTERNAL_ERROR}


async def test_fault_of_the_exporter_is_not_logged_again() -> None:
    """The log has its traceback already."""
    with structlog.testing.capture_logs() as logs:
        Refusals(webhooks).add("mps", RequestError(Reason.INTERNAL_ERROR, "It failed."))
    assert logs == []
