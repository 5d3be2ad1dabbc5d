"""The contract of every gateway: shipped, described in deploy/, or made up for a scheme."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from multidict import CIMultiDict
from yarl import URL

from exporter.errors import RequestError
from exporter.gateways.described.files import shipped
from exporter.gateways.gateway import Credential, Gateway, ReceivedRequest
from exporter.gateways.registry import load_gateways
from tests.support.exporter import Exporter, KeyPair, started
from tests.support.senders import (
    BASE64_SENDERS,
    NEW,
    OLD,
    PAYLOADS,
    RECIPES,
    SENDERS,
    Sender,
    Sent,
    mps,
)


class Case(NamedTuple):
    """A body, and the series that it adds to."""

    sender: Sender
    body: bytes
    series: dict[tuple[str, ...], float]
    rejected: dict[str, float]
    skipped: float


def _case(sender: Sender, path: Path) -> Case:
    series: dict[tuple[str, ...], float] = {}
    rejected: dict[str, float] = {}
    skipped = 0.0
    for line in path.with_suffix(".series").read_text("utf-8").splitlines():
        *words, number = line.split() or [""]
        if line.startswith("#") or not line:
            continue
        if words[0] == "rejected":
            rejected[words[1]] = float(number)
        elif words[0] == "skipped":
            skipped = float(number)
        else:
            series[tuple(words)] = float(number)
    return Case(sender, path.read_bytes(), series, rejected, skipped)


def _cases() -> Iterator[tuple[str, Case]]:
    for number, sender in enumerate(SENDERS):
        for path in sorted((PAYLOADS / sender.name).glob("*.body")):
            yield f"{sender.name}-{number}-{path.stem}", _case(sender, path)


CASES = dict(_cases())
FIRST = {f"{sender.name}-{number}": sender for number, sender in enumerate(SENDERS)}


def body_of(sender: Sender) -> bytes:
    """Return the first payload of a gateway."""
    return min((PAYLOADS / sender.name).glob("*.body")).read_bytes()


def gateway_of(sender: Sender, folder: Path, secrets: str = f"{OLD}\n{NEW}\n") -> Gateway:
    """Load a gateway with secrets."""
    return load_gateways(sender.settings(folder, secrets))[sender.name]


def received(sender: Sender, sent: Sent) -> ReceivedRequest:
    """Make the request as the exporter gets it."""
    return ReceivedRequest(sent.body, CIMultiDict(sent.headers), URL(sender.path(sent)).query)


def outcome(sender: Sender, gateway: Gateway, sent: Sent) -> str | Credential:
    """Authenticate; return the credential, or the reason of the refusal."""
    try:
        return gateway.authenticate(received(sender, sent))
    except RequestError as error:
        refusal = error
    assert not any(secret in refusal.detail for secret in (OLD, NEW))
    return refusal.reason.value


def test_every_gateway_has_its_cases() -> None:
    """No shipped description and no recipe is without a sender and a payload."""
    described = {path.stem for path in RECIPES.glob("*.toml")} | {*shipped(), "mps", "results"}
    assert described - {sender.name for sender in SENDERS} == {"mps"}
    assert described <= {path.name for path in PAYLOADS.iterdir()}


@pytest.mark.parametrize("sender", FIRST.values(), ids=FIRST)
def test_credentials(sender: Sender, tmp_path: Path) -> None:
    """Both secrets of a rotation are valid, each with its scope; wrong and missing ones are not."""
    body = body_of(sender)
    gateway = gateway_of(sender, tmp_path)
    old, new = (outcome(sender, gateway, sender.sign(body, secret, 0)) for secret in (OLD, NEW))
    assert isinstance(old, Credential)
    assert isinstance(new, Credential)
    assert old.proven
    assert old.scope != new.scope
    assert gateway_of(sender, tmp_path).authenticate(
        received(sender, sender.sign(body, OLD, 0))
    ) == old  # fmt: skip
    assert outcome(sender, gateway, sender.sign(body, "another", 0)) == "bad_signature"
    assert outcome(sender, gateway, Sent(body)) == "missing_credentials"
    rotated = gateway_of(sender, tmp_path, f"{NEW}\n")
    assert outcome(sender, rotated, sender.sign(body, OLD, 0)) == "bad_signature"


@pytest.mark.parametrize("sender", BASE64_SENDERS, ids=lambda sender: sender.name)
def test_credentials_in_base64(sender: Sender, tmp_path: Path) -> None:
    """A key may be Base64 in its file."""
    gateway = gateway_of(sender, tmp_path, f"{NEW}\n")
    body = body_of(sender)
    assert isinstance(outcome(sender, gateway, sender.sign(body, NEW, 0)), Credential)
    assert outcome(sender, gateway, sender.sign(body, "YW5vdGhlcg==", 0)) == "bad_signature"
    assert outcome(sender, gateway, sender.sign(body, NEW, 999)) == "stale_timestamp"


@pytest.mark.parametrize(
    "sender", [sender for sender in SENDERS if sender.dated], ids=lambda sender: sender.name
)
def test_stale_requests(sender: Sender, tmp_path: Path) -> None:
    """A signature of five minutes ago, or from a clock ahead, is stale and not forged."""
    gateway = gateway_of(sender, tmp_path)
    for age in (400, -400, 10**9):
        sent = sender.sign(body_of(sender), OLD, age)
        assert outcome(sender, gateway, sent) == "stale_timestamp"
        assert gateway.authenticate(received(sender, sent), fresh=False).proven
        assert outcome(sender, gateway, sender.sign(body_of(sender), "x" * 32, age)) == (
            "bad_signature"
        )


@pytest.mark.parametrize(
    "sender", [sender for sender in SENDERS if sender.covers_body], ids=lambda sender: sender.name
)
def test_signatures_cover_the_body(sender: Sender, tmp_path: Path) -> None:
    """Where the body is signed, another body with the same signature is forged."""
    sent = sender.sign(body_of(sender), OLD, 0)
    changed = sent._replace(body=sent.body + b" ")
    assert outcome(sender, gateway_of(sender, tmp_path), changed) == "bad_signature"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_payloads(case: Case, tmp_path: Path) -> None:
    """A signed body adds to the series in its `.series` file, once, and shows no secret."""
    sender = case.sender
    async with started(sender.settings(tmp_path)) as exporter:
        answers = [await post(exporter, sender, case.body) for _ in range(2)]
        assert {status for status, _ in answers} == {200}
        assert await exporter.counted() == case.series
        samples = await exporter.samples()
        rejected = {
            reason: number / 2
            for (reason, source), number in samples["push_results_rejected_total"].items()
            if source == sender.name and number
        }
        assert rejected == case.rejected
        assert samples["push_results_skipped_total"][(sender.name,)] == 2 * case.skipped
        status, _ = await exporter.post(sender.path(Sent(b"")), case.body)
        assert status == 401
        shown = [text for _, text in answers]
        for url in ("/metrics", "/", "/api/v1/status"):
            async with exporter.client.get(exporter.admin + url) as page:
                shown.append(await page.text())
        assert not [text for text in shown if OLD in text or "tokA" in text or "reg1" in text]


async def post(exporter: Exporter, sender: Sender, body: bytes) -> tuple[int, str]:
    """Send a signed body."""
    sent = sender.sign(body, OLD, 0)
    async with exporter.client.post(
        exporter.ingest + sender.path(sent), data=sent.body, headers=sent.headers
    ) as response:
        return response.status, await response.text()


def test_callbacks_of_mps(keys: KeyPair, unknown_key: KeyPair, tmp_path: Path) -> None:
    """MPS keeps the contract with keys for secrets."""
    sender = Sender("mps", mps(keys))
    settings = sender.settings(tmp_path)
    public = [keys.public, unknown_key.public]
    gateway = load_gateways(settings.model_copy(update={"mps_public_key_files": public}))["mps"]
    body = body_of(sender)
    ours, theirs = (
        outcome(sender, gateway, mps(pair)(body, "", 0)) for pair in (keys, unknown_key)
    )
    assert isinstance(ours, Credential)
    assert isinstance(theirs, Credential)
    assert ours.scope != theirs.scope
    assert outcome(sender, gateway, Sent(body)) == "missing_credentials"
    assert outcome(sender, gateway, mps(keys)(body + b" ", "", 0)._replace(body=body)) == (
        "bad_signature"
    )


def test_response_is_the_gateways_own(tmp_path: Path) -> None:
    """A gateway gets the response that it expects."""
    names = {sender.name: sender for sender in SENDERS}
    huawei = gateway_of(names["huawei-receipts"], tmp_path)
    assert huawei.response == b'{"code":"0","message":"success"}'
    assert gateway_of(names["oppo-receipts"], tmp_path).response is None
