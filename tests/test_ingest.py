"""The public edge, end to end: real sockets, real ledger, signatures by openssl."""

import json

from tests.conftest import Exporter, KeyPair, url_sign


async def test_signed_callback_is_counted(exporter: Exporter, keys: KeyPair) -> None:
    """A callback with a good signature becomes a count under its channel and severity."""
    body = json.dumps(
        {
            "extInfo": {"adToken": "secret-token", "osType": "ios"},
            "msgId": "console_1584853300103",
            "pushSuccess": True,
            "statusCode": "2",
            "statusDesc": "Acked",
            "targetId": "secret-target",
        }
    ).encode()
    status, answer = await exporter.post(f"/webhooks/mps?sign={url_sign(keys.sign(body))}", body)
    assert (status, answer) == (200, {"accepted": 1, "duplicates": 0, "rejected": []})
    assert await exporter.counted() == {("apns", "2", "info"): 1}
