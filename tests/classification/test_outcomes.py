"""What libraries report, from the text that a developer posts to the row that it is counted under.

`outcomes.csv` holds outcomes of the vendors' answers as the named libraries report them: the
library, its version, the answer with the attribute that was read, the channel, the text that was
posted as the code and as the message, and the row. Each was seen when the library was run against
a local server with the vendor's documented answers, or stands in its source.
"""

import csv
from pathlib import Path

import msgspec
import pytest

from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.gateways.gateway import ReceivedRequest
from exporter.results import PushResult, Series, Severity
from tests.support.gateways import decoded, unsigned_gateways

CLASSIFIER = Classifier(load_tables())
GENERIC = unsigned_gateways()["results"]

with (Path(__file__).parent / "outcomes.csv").open(encoding="utf-8", newline="") as file:
    OUTCOMES = list(csv.DictReader(file))


def posted(**item: object) -> PushResult:
    """Return the result that a posted item becomes."""
    (group,) = decoded(GENERIC, ReceivedRequest(msgspec.json.encode(item))).groups
    return group.result


@pytest.mark.parametrize(
    "outcome", OUTCOMES, ids=lambda row: f"{row['channel']}-{row['library']}-{row['code']:.40}"
)
def test_an_outcome_lands_on_its_row(outcome: dict[str, str]) -> None:
    """Each outcome is known on its channel: under the row of its cause, or of its merged causes."""
    channel = outcome["channel"]
    result = posted(channel=channel, code=outcome["code"], message=outcome["message"])
    meaning = CLASSIFIER.classify(result)
    assert meaning.series == Series(channel, outcome["row"], meaning.series.table)
    assert meaning.known


@pytest.mark.parametrize("channel", sorted({row["channel"] for row in OUTCOMES}))
def test_an_outcome_without_its_channel_is_never_success_nor_critical_elsewhere(
    channel: str,
) -> None:
    """A library's word alone is counted as another channel's only where MPS numbers it so."""
    for outcome in OUTCOMES:
        if outcome["channel"] == channel and not outcome["code"].isdecimal():
            meaning = CLASSIFIER.classify(posted(code=outcome["code"]))
            elsewhere = meaning.series.channel not in {channel, "other"}
            assert not (elsewhere and meaning.severity is Severity.CRITICAL), outcome


@pytest.mark.parametrize(
    ("code", "counted"),
    [
        (["Unregistered", 1454948015990], "2011"),
        ([410, "Gone"], "410"),
        (["BadDeviceToken"], "2009"),
    ],
)
def test_the_code_may_be_an_array(code: list[object], counted: str) -> None:
    """A tuple that became an array counts as its first element."""
    assert CLASSIFIER.classify(posted(channel="apns", code=code)).series.code == counted


@pytest.mark.parametrize("code", ["A sentence of a library. " * 100, "错误" * 500, "x/" * 40_000])
def test_a_long_sentence_is_a_result(code: str) -> None:
    """A text of any length is counted, under a name of at most 64 characters."""
    meaning = CLASSIFIER.classify(posted(channel="fcm", code=code))
    assert not meaning.known
    assert 0 < len(meaning.series.code) <= 64
