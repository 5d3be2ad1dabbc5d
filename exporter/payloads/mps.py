"""The callback of Alibaba Cloud mPaaS Message Push Service: one JSON object a result.

The format is known from integrators' samples alone, so everything but the code is optional,
and a field of an unexpected type counts as absent.
"""

from typing import Any

import msgspec

from exporter.payloads.decoding import ItemDecoder, code_of, collect, text_of
from exporter.results import Batch, PushResult


class Callback(msgspec.Struct, rename="camel"):
    """The fields that we read. `targetId` and `extInfo.adToken` are not among them."""

    status_code: Any = None
    status_desc: Any = None
    msg_id: Any = None
    channel: Any = None
    ext_info: Any = None


_DECODER = ItemDecoder(Callback)


def decode(body: bytes, channel: str | None = None) -> Batch:
    """Read a body; `channel` is the hint that came with the URL and goes before the body's.

    Raises Refusal (`malformed_body`) if it is not an object or an array.
    """
    text = text_of(body)
    items = _DECODER.array(text) if text.startswith("[") else _DECODER.single(text)
    return collect(items, lambda callback: _result(callback, channel))


def _result(callback: Callback, channel: str | None) -> PushResult:
    extra = callback.ext_info if isinstance(callback.ext_info, dict) else {}
    system = _text(extra.get("osType"))
    return PushResult(
        code=code_of(callback.status_code),
        hint=channel or _text(callback.channel) or _text(extra.get("channel")),
        message=_text(callback.status_desc),
        id=_text(callback.msg_id),
        ios=system is not None and system.strip().lower() == "ios",
    )


def _text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None
