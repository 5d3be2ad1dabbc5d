"""Senders as gateways are: every signature is made by the openssl program, never by our code."""

import base64
import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlencode

from exporter.configuration.settings import Settings, load_settings
from tests.support.exporter import KeyPair, url_sign

RECIPES = Path(__file__).parents[2] / "deploy/gateways"
PAYLOADS = Path(__file__).parents[1] / "payloads"

OLD, NEW = "the-old-secret-0123456789", "bmV3LXNlY3JldC1vZi10aGlydHktdHdvLWJ5dGVz"
"""Two secrets, of which the second is Base64, too: a rotation."""


class Sent(NamedTuple):
    """A request that a sender makes of a body."""

    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})
    query: str = ""


Sign = Callable[[bytes, str, float], Sent]
"""Signs a body with a secret, so many seconds ago."""


def openssl(*arguments: str | Path, given: bytes = b"") -> bytes:
    """Run the openssl program; return its output."""
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


def hmac(secret: bytes, signed: bytes, digest: str = "sha256") -> bytes:
    """Sign with HMAC."""
    key = ["-mac", "HMAC", "-macopt", f"hexkey:{secret.hex()}"]
    return openssl("dgst", f"-{digest}", *key, "-binary", given=signed)


def stamp(age: float, *, milliseconds: bool = False) -> str:
    """Write the time so many seconds ago."""
    return str(int((time.time() - age) * (1000 if milliseconds else 1)))


@dataclass(frozen=True)
class Sender:
    """One gateway, as an operator configures it and as it sends."""

    name: str
    sign: Sign
    description: str | None = None
    """The operator's file; None for a gateway that needs none."""
    dated: bool = False
    """Whether a request holds a time that is checked."""
    covers_body: bool = False
    extra: str = ""
    """What else stands in the URL."""
    files: dict[str, str] = field(default_factory=dict)
    """Other files beside the description."""

    def settings(self, folder: Path, secrets: str = f"{OLD}\n# another\n{NEW}\n") -> Settings:
        """Write the operator's files; return the settings that name them."""
        given: dict[str, Any] = {"allow_unsigned": True}
        (folder / "secrets").write_text(secrets)
        for name, content in self.files.items():
            (folder / name).write_text(content)
        if self.description is not None:
            file = folder / f"{self.name}.toml"
            file.write_text(self.description)
            given["gateway_files"] = [file]
        elif self.name == "results":
            given["results_token_files"] = [folder / "secrets"]
        return load_settings(
            ledger_path=folder / "ledger.sqlite3",
            ingest_host="127.0.0.1",
            ingest_port=0,
            admin_port=0,
            dedupe_max_keys=1 << 14,
            code_table_files=sorted((RECIPES / "codes").glob("*.toml")),
            **given,
        )

    def path(self, sent: Sent) -> str:
        """Return path and query of a request."""
        query = "&".join(filter(None, (sent.query, self.extra)))
        return f"/webhooks/{self.name}?{query}"


def bearer(body: bytes, secret: str, _age: float) -> Sent:
    """Send a bearer token."""
    return Sent(body, {"Authorization": f"Bearer {secret}"})


def basic(body: bytes, secret: str, _age: float) -> Sent:
    """Send user and password."""
    encoded = base64.b64encode(f"push:{secret}".encode()).decode()
    return Sent(body, {"Authorization": f"Basic {encoded}"})


def own_header(body: bytes, secret: str, _age: float) -> Sent:
    """Send the secret in a header, after a word."""
    return Sent(body, {"X-Api-Key": f"Key {secret}"})


def gorush(body: bytes, secret: str, _age: float) -> Sent:
    """Send the secret in a header of gorush's configuration."""
    return Sent(body, {"X-Gorush-Token": secret})


def url_token(body: bytes, secret: str, _age: float) -> Sent:
    """Send the secret in the URL."""
    return Sent(body, {}, urlencode({"token": secret}))


def prefixed(body: bytes, secret: str, _age: float) -> Sent:
    """Sign the body alone, as GitHub does."""
    return Sent(body, {"X-Hub-Signature-256": f"sha256={hmac(secret.encode(), body).hex()}"})


def in_parts(body: bytes, secret: str, age: float) -> Sent:
    """Sign time and body, as Stripe does: with the signatures of two secrets."""
    at = stamp(age)
    made = hmac(secret.encode(), f"{at}.".encode() + body).hex()
    return Sent(body, {"X-Signature": f"t={at},v1={'0' * 64}, v1={made}"})


def versioned(body: bytes, secret: str, age: float) -> Sent:
    """Sign as Customer.io does."""
    at = stamp(age)
    made = hmac(secret.encode(), f"v0:{at}:".encode() + body).hex()
    return Sent(body, {"X-CIO-Timestamp": at, "X-CIO-Signature": made})


def huawei(between: str, *, base64_key: bool = False) -> Sign:
    """Sign as Huawei does, with this between the parts of its header."""

    def sign(body: bytes, secret: str, age: float) -> Sent:
        key = base64.b64decode(secret) if base64_key else secret.encode()
        at, nonce = stamp(age, milliseconds=True), "0123-4567"
        value = base64.b64encode(hmac(key, f"{at}{nonce}user".encode())).decode()
        parts = between.join((f"timestamp={at}", f"nonce={nonce}", f"value={value}"))
        return Sent(body, {"X-HUAWEI-CALLBACK-ID": parts})

    return sign


def getui(body: bytes, secret: str, _age: float) -> Sent:
    """Sign each line as Getui does, within the line."""
    lines = []
    for line in body.splitlines():
        item = json.loads(line)
        signed = "".join(item[name] for name in ("appid", "cid", "taskid", "msgid")) + secret
        item["sign"] = openssl("dgst", "-md5", "-r", given=signed.encode()).split()[0].decode()
        lines.append(json.dumps(item))
    return Sent("\n".join(lines).encode())


def easemob(body: bytes, secret: str, age: float) -> Sent:
    """Sign as Easemob does, within the body."""
    item = json.loads(body) | {"timestamp": stamp(age, milliseconds=True)}
    signed = f"{item['callId']}{secret}{item['timestamp']}"
    item["security"] = openssl("dgst", "-md5", "-r", given=signed.encode()).split()[0].decode()
    return Sent(json.dumps(item).encode())


def engagelab(body: bytes, secret: str, age: float) -> Sent:
    """Sign as EngageLab does."""
    at = stamp(age)
    made = hmac(secret.encode(), f"{at}n1push".encode()).hex()
    header = f"timestamp={at};nonce=n1;username=push;signature={made}"
    return Sent(body, {"X-CALLBACK-ID": header})


def standard(body: bytes, secret: str, age: float) -> Sent:
    """Sign according to Standard Webhooks."""
    at = stamp(age)
    made = hmac(base64.b64decode(secret), f"msg_1.{at}.".encode() + body)
    return Sent(
        body,
        {
            "webhook-id": "msg_1",
            "webhook-timestamp": at,
            "webhook-signature": f"v1,{base64.b64encode(made).decode()}",
        },
    )


def mps(keys: KeyPair) -> Sign:
    """Sign as MPS does, with a key instead of a secret."""
    return lambda body, _secret, _age: Sent(body, {}, f"sign={url_sign(keys.sign(body))}")


HUAWEI = """
use = "{name}"
[auth]
secrets = ["secrets"]
user = "user"
secret_encoding = "{encoding}"
"""
USE = 'use = "{name}"\n[auth]\nsecrets = ["secrets"]\n'
ITEM = """
title = "Acme"
channel = "acme"
[fields]
code = "code"
id = "id"
[map.code]
1 = "ok"
[auth]
secrets = ["secrets"]
"""


def recipe(name: str) -> str:
    """Read a file of deploy/gateways, with the tests' secret for the operator's."""
    text = (RECIPES / f"{name}.toml").read_text("utf-8")
    return text.replace(f'["{name}.secret"]', '["secrets"]')


def _acme(scheme: str) -> str:
    return f"{ITEM}{scheme}\n"


SENDERS = [
    Sender("results", bearer),
    *(
        Sender(name, sign, HUAWEI.format(name=name, encoding="text"), dated=True)
        for name in ("huawei-receipts", "harmonyos-receipts")
        for sign in (huawei("; "), huawei(";"))
    ),
    Sender("honor-receipts", url_token, USE.format(name="honor-receipts")),
    Sender("oppo-receipts", url_token, USE.format(name="oppo-receipts")),
    Sender("vivo-receipts", url_token, USE.format(name="vivo-receipts")),
    Sender("mipush-receipts", url_token, USE.format(name="mipush-receipts")),
    Sender("meizu-receipts", url_token, USE.format(name="meizu-receipts")),
    Sender("getui", getui, USE.format(name="getui")),
    Sender("easemob", easemob, recipe("easemob"), dated=True),
    Sender("tencent-chat", url_token, recipe("tencent-chat"), extra="SdkAppid=1400000000"),
    Sender("braze", bearer, recipe("braze")),
    Sender("gorush", gorush, recipe("gorush")),
    Sender("customer-io", versioned, recipe("customer-io"), dated=True, covers_body=True),
    Sender("acme", basic, _acme('scheme = "basic"\nuser = "push"')),
    Sender("acme", own_header, _acme('scheme = "header"\nname = "X-Api-Key"\nprefix = "Key "')),
    Sender(
        "acme",
        prefixed,
        _acme('scheme = "hmac"\nprefix = "sha256="\nsignature = "{header:X-Hub-Signature-256}"'),
        covers_body=True,
    ),
    Sender(
        "acme",
        in_parts,
        _acme(
            'scheme = "hmac"\nheader = "X-Signature"\nparts = ","\nsignature = "{part:v1}"\n'
            'signed = "{part:t}.{body}"\ntimestamp = "{part:t}"'
        ),
        dated=True,
        covers_body=True,
    ),
    Sender(
        "acme",
        engagelab,
        _acme(
            'scheme = "hmac"\nuser = "push"\nheader = "X-CALLBACK-ID"\nparts = ";"\n'
            'signature = "{part:signature}"\nsigned = "{part:timestamp}{part:nonce}{user}"\n'
            'timestamp = "{part:timestamp}"\n[handshake]\nbody = "echostr"\nquery = "echostr"'
        ),
        dated=True,
    ),
]

BASE64_SENDERS = [
    Sender(
        "huawei-receipts",
        huawei("; ", base64_key=True),
        HUAWEI.format(name="huawei-receipts", encoding="base64"),
        dated=True,
    ),
    Sender("acme", standard, _acme('scheme = "standard-webhooks"'), dated=True, covers_body=True),
]
"""Those whose secrets are Base64."""
