"""What the demo sends: results of two apps, and a receipt for each push that can have one."""

from itertools import islice, repeat
from urllib.parse import parse_qs, urlsplit

import pytest

from exporter.commands.demo import Senders, requests_of, story_of
from exporter.traffic.sender import Request
from exporter.traffic.simulator import SCENARIOS
from exporter.traffic.story import tell

SENDERS = Senders(
    lambda app, body: Request(f"results?app={app}", body),
    lambda app, body: Request(f"receipts?app={app}", body),
)


@pytest.mark.parametrize("scenario", ["story", *SCENARIOS])
def test_each_accepted_push_has_one_receipt(scenario: str) -> None:
    """A receipt follows each accepted push of its channel, and no repeated one."""
    story = tell(story_of(scenario), lambda: 0, lambda _text: None, seed=1)
    sent = list(islice(requests_of(story, repeat(b"receipt"), SENDERS), 5000))
    # The next request may be the receipt of the last one.
    while not sent[-1].url.startswith("receipts"):
        sent.pop()
    accepted = [
        request.body
        for request in sent
        if b'"MIUI"' in request.body and b'"pushSuccess":true' in request.body
    ]
    receipts = [number for number, request in enumerate(sent) if request.url.startswith("receipts")]
    assert len(set(accepted)) == len(receipts) > 100
    assert len(accepted) > len(receipts)
    for number in receipts:
        push, receipt = sent[number - 1], sent[number]
        assert push.body in accepted
        assert push.url.partition("?")[2] == receipt.url.partition("?")[2]  # the app


def test_results_name_their_app() -> None:
    """Both apps send, by the parameter `app` of the URL."""
    story = tell(story_of("healthy"), lambda: 0, lambda _text: None, seed=1)
    sent = islice(requests_of(story, repeat(b"receipt"), SENDERS), 200)
    apps = {app for request in sent for app in parse_qs(urlsplit(request.url).query).get("app", [])}
    assert apps == {"shop", "news"}
