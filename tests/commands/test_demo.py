"""What the demo sends: results, and a receipt for each push that can have one."""

from itertools import islice, repeat

import pytest

from exporter.commands.demo import calls
from exporter.traffic.sender import Call
from exporter.traffic.simulator import SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_accepted_push_has_one_receipt(scenario: str) -> None:
    """A receipt follows each accepted push of its channel, and not one that is sent again."""
    made = calls(
        scenario,
        repeat(b"receipt"),
        lambda body: Call("results", body),
        lambda body: Call("receipts", body),
        seed=1,
    )
    sent = list(islice(made, 5000))
    while sent[-1].url != "receipts":  # the next call may be the receipt of the last one
        sent.pop()
    accepted = [
        one.body for one in sent if b'"MIUI"' in one.body and b'"pushSuccess":true' in one.body
    ]
    receipts = [number for number, one in enumerate(sent) if one.url == "receipts"]
    assert len(set(accepted)) == len(receipts) > 100
    assert len(accepted) > len(receipts)
    assert all(sent[number - 1].body in accepted for number in receipts)
