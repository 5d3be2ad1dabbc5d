"""What is simulated for a description is what that description takes and counts."""

import asyncio
from itertools import islice
from pathlib import Path

import pytest
from multidict import CIMultiDict
from yarl import URL

from exporter.classification.classifier import Classifier
from exporter.classification.tables import load_tables
from exporter.commands.main import main
from exporter.configuration.groups import GatewaySettings
from exporter.errors import ConfigurationError
from exporter.gateways.described.gateway import Described
from exporter.gateways.gateway import ReceivedRequest
from exporter.gateways.registry import load_gateways
from exporter.results import Category
from exporter.traffic.described import DescribedSigner
from exporter.traffic.receipts import receipts
from tests.support.exporter import KeyPair, started
from tests.support.gateways import decoded
from tests.support.senders import NEW, OLD, RECIPES, SENDERS, Sender

TABLES = load_tables(sorted((RECIPES / "codes").glob("*.toml")), {"acme": "acme"})
CLASSIFIER = Classifier(TABLES)
DESCRIBED = {
    f"{sender.name}-{number}": sender for number, sender in enumerate(SENDERS) if sender.description
}


def loaded(sender: Sender, folder: Path) -> tuple[Described, DescribedSigner]:
    """Load a described gateway, and what signs for it."""
    settings = sender.settings(folder, f"{OLD}\n{NEW}\n")
    gateway = load_gateways(settings)[sender.name]
    assert isinstance(gateway, Described)
    return gateway, DescribedSigner(gateway.description, folder / f"{sender.name}.toml")


@pytest.mark.parametrize("sender", DESCRIBED.values(), ids=DESCRIBED)
def test_receipts_are_signed_and_known(sender: Sender, tmp_path: Path) -> None:
    """Each receipt authenticates, is one result of a known code, and is no duplicate."""
    gateway, signer = loaded(sender, tmp_path)
    channel = gateway.description.channel or ""
    table = TABLES[channel] if channel != "acme" else TABLES["meizu-receipts"]
    keys = set()
    for number, body in enumerate(islice(receipts(gateway, table, seed=1), 50)):
        url, headers, signed = signer("http://x/", body, f"id-{number}")
        request = ReceivedRequest(signed or body, CIMultiDict(headers), URL(url).query)
        assert gateway.authenticate(request).proven
        batch = decoded(gateway, request)
        assert not batch.rejected
        [group] = batch.groups
        keys.add(group.ids[0])
        if channel != "acme":
            meaning = CLASSIFIER.classify(group.result)
            assert meaning.known, group
            assert meaning.series.channel == channel
    assert len(keys) == 50


def test_most_receipts_are_delivered(tmp_path: Path) -> None:
    """The mix is that of a healthy app."""
    names = {sender.name: sender for sender in SENDERS}
    gateway, _ = loaded(names["huawei-receipts"], tmp_path)
    made = islice(receipts(gateway, TABLES["huawei-receipts"], seed=2), 300)
    meanings = [
        CLASSIFIER.classify(group.result).category
        for body in made
        for group in decoded(gateway, ReceivedRequest(body)).groups
    ]
    assert meanings.count(Category.DELIVERED) > 200
    assert len(set(meanings)) > 2


@pytest.mark.parametrize("seed", [1, None])
def test_receipts_need_codes(tmp_path: Path, seed: int | None) -> None:
    """A channel without a table has nothing to send."""
    gateway, _ = loaded(SENDERS[-1], tmp_path)
    with pytest.raises(ConfigurationError, match="no codes to send"):
        next(receipts(gateway, None, seed))


def test_signing_needs_a_secret(tmp_path: Path) -> None:
    """A description without secrets, or with public keys alone, cannot sign."""
    for auth, message in (
        ('scheme = "bearer"', "no secret to sign with"),
        ('scheme = "rsa"\nsignature = "{query:s}"', "private key"),
    ):
        file = tmp_path / "acme.toml"
        file.write_text(f"[auth]\n{auth}\n[fields]\ncode = 'c'\n")
        sender = Sender("acme", SENDERS[0].sign, file.read_text())
        gateway = load_gateways(sender.settings(tmp_path))["acme"]
        assert isinstance(gateway, Described)
        with pytest.raises(ConfigurationError, match=message):
            DescribedSigner(gateway.description, file)


def test_private_key_signs(tmp_path: Path, keys: KeyPair) -> None:
    """RSA signs with the hash of the description, and the private key that belongs to its own."""
    file = tmp_path / "acme.toml"
    file.write_text(
        f'[auth]\nscheme = "rsa"\nsignature = "{{query:s}}"\nhash = "sha512"\n'
        f'secrets = ["{keys.public}"]\n[fields]\ncode = "c"\n'
    )
    gateway = load_gateways(GatewaySettings(gateway_files=(file,)))["acme"]
    assert isinstance(gateway, Described)
    signer = DescribedSigner(gateway.description, file, private_key=keys.private)
    sent = signer("http://x/", b"{}", "id")
    request = ReceivedRequest(b"{}", CIMultiDict(sent.headers), URL(sent.url).query)
    assert gateway.authenticate(request).proven


async def test_commands_send_requests_of_a_description(tmp_path: Path) -> None:
    """`simulate --gateway` and `replay --gateway-files` sign with the description's own secret."""
    sender = {sender.name: sender for sender in SENDERS}["huawei-receipts"]
    body = tmp_path / "body.json"
    body.write_text('{"statuses": [{"requestId": "r1", "token": "t", "status": 0}]}')
    async with started(sender.settings(tmp_path)) as exporter:
        url = ["--url", f"{exporter.ingest}/webhooks/{sender.name}"]
        file = str(tmp_path / f"{sender.name}.toml")
        for words in (
            ["simulate", "--gateway", file, "--count", "9", "--seed", "1", "--rate", "1000"],
            ["replay", str(body), "--gateway-files", file],
        ):
            assert await asyncio.to_thread(main, [*words, *url]) == 0
        counted = await exporter.counted()
    assert sum(counted.values()) == 10
    assert {channel for channel, _, _ in counted} == {"huawei-receipts"}


SHAPES = {
    "a form of flat fields": """
        auth = { scheme = "query", name = "token", secrets = ["secrets"] }
        content = { format = "form" }
        fields = { code = "status", id = "message" }
    """,
    "a multipart form with its JSON in a field": """
        auth = { scheme = "query", name = "token", secrets = ["secrets"] }
        content = { format = "multipart", field = "data" }
        fields = { code = "status", id = "message" }
    """,
    "a multipart form of flat fields": """
        auth = { scheme = "bearer", secrets = ["secrets"] }
        content = { format = "multipart" }
        fields = { code = "status", id = "message" }
    """,
    "a signature over the URL": """
        require = { query = { account = ["1"] } }
        fields = { code = "status", id = "message" }
        [auth]
        scheme = "hmac"
        signed = "{url}{body}"
        signature = "{header:X-Signature}"
        encoding = "base64"
        secrets = ["secrets"]
    """,
    "nothing that tells items apart": """
        auth = { scheme = "standard-webhooks", secrets = ["secrets"] }
        fields = { code = "status" }
    """,
    "targets that tell items apart": """
        auth = { scheme = "bearer", secrets = ["secrets"] }
        fields = { code = "status", dedupe = ["token", "status"] }
    """,
    "codes by default alone": """
        auth = { scheme = "none" }
        fields = { message = "text" }
        default = { code = "1" }
    """,
    "a code for items without one": """
        auth = { scheme = "none" }
        fields = { code = "status", id = "id" }
        map = { code = { "*missing" = "1" } }
    """,
    "an id of its own or the key of a map": """
        auth = { scheme = "bearer", secrets = ["secrets"] }
        items = { path = "*" }
        fields = { code = "status", id = ["id", "@key"] }
    """,
}


@pytest.mark.parametrize("described", SHAPES.values(), ids=SHAPES)
async def test_receipts_of_other_shapes_are_counted(tmp_path: Path, described: str) -> None:
    """Receipts for a description of any shape and scheme are counted once each."""
    sender = Sender("acme", SENDERS[0].sign, f'channel = "meizu-receipts"\n{described}')
    async with started(sender.settings(tmp_path, NEW)) as exporter:
        words = ["--gateway", str(tmp_path / "acme.toml"), "--count", "9", "--rate", "1000"]
        url = f"{exporter.ingest}/webhooks/acme"
        assert await asyncio.to_thread(main, ["simulate", *words, "--url", url]) == 0
        counted = await exporter.counted()
    assert sum(counted.values()) == 9
    assert {(channel, severity) for channel, _, severity in counted} == {("meizu-receipts", "info")}
