"""The callback of Alibaba Cloud mPaaS Message Push Service: one JSON object a result.

The format is known from integrators' samples alone, so everything but the code is optional,
and a field of an unexpected type counts as absent.
"""

from typing import Any

import msgspec

from exporter.gateways.decoding import ItemDecoder, Said, text_of
from exporter.results import Batch


class Callback(msgspec.Struct, rename="camel"):
    """The fields that we read. `targetId` and `extInfo.adToken` are not among them."""

    status_code: Any = None
    status_desc: Any = None
    id: Any = msgspec.field(default=None, name="msgId")
    channel: Any = None
    ext_info: Any = None

    def __post_init__(self) -> None:
        """Take an id for absent that is of another type: it becomes an exemplar as it is."""
        if type(self.id) not in (str, int):
            self.id = None


_CODES = (str, int, float)


def decode(body: bytes, channel: str | None = None) -> Batch:
    """Read a body; `channel` is the hint that came with the URL and goes before the body's.

    Raises RequestError (`malformed_body`) if it is not an object or an array.
    """
    text = text_of(body)
    batch = _DECODER.array(text) if text.startswith("[") else _DECODER.single(text)
    if channel:
        for group in batch.groups:
            group.result = msgspec.structs.replace(group.result, hint=channel)
    return batch


def _said(callback: Callback) -> Said:
    """Return what a callback says; it stands for one push."""
    extra = callback.ext_info if isinstance(callback.ext_info, dict) else {}
    system = _text(extra.get("osType"))
    return (
        _code(callback.status_code),
        _text(callback.channel) or _text(extra.get("channel")),
        _text(callback.status_desc),
        1,
        system is not None and system.strip().lower() == "ios",
    )


def _code(value: object) -> object:
    """Return what may be a code; `True`, which equals 1, and lists are not even looked up."""
    return value if value is None or type(value) in _CODES else "?"


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) is int else None


_DECODER = ItemDecoder(Callback, _said)
