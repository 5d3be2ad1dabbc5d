"""Bodies at the limits, honest and hostile, for every format: what one request may cost."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote_plus

LIMIT = 1 << 20
"""MAX_BODY_BYTES, unless it is set."""

ALIKE = 2**61 - 1
"""Python's hash of an integer is its remainder modulo this number."""


class Body(NamedTuple):
    """A body, named by its peculiarity."""

    name: str
    content: bytes


class Format(NamedTuple):
    """How a gateway writes a body."""

    gateway: str
    item: dict[str, Any]
    """A valid item."""
    code: str
    """The name of the code's field."""
    join: Callable[[list[str]], bytes]
    """Makes a body of the JSON of items."""
    content_type: str = ""


def _array(items: list[str]) -> bytes:
    return f"[{','.join(items)}]".encode()


def _under(name: str) -> Callable[[list[str]], bytes]:
    return lambda items: b'{"%b":%b}' % (name.encode(), _array(items))


def _map(items: list[str]) -> bytes:
    members = ",".join(f'"{number}":{item}' for number, item in enumerate(items))
    return f"{{{members}}}".encode()


def _lines(items: list[str]) -> bytes:
    return "\n".join(items).encode()


def _form(field: str) -> Callable[[list[str]], bytes]:
    return lambda items: f"{field}={quote_plus(_map(items))}".encode()


_STATUS = {"status": 0, "token": "t", "requestId": "r", "timestamp": 1}
_RESULT = {"code": 2, "channel": "vivo", "message": "Acked", "id": "m"}

FORMATS = {
    "mps": Format(
        "mps",
        {"statusCode": 2, "statusDesc": "Acked", "channel": "HMS", "msgId": "m"},
        "statusCode",
        _array,
    ),
    "results": Format("results", _RESULT, "code", _array),
    "results in lines": Format("results", _RESULT, "code", _lines, "application/x-ndjson"),
    "results in an envelope": Format("results", _RESULT, "code", _under("results")),
    "huawei": Format("huawei-receipts", _STATUS, "status", _under("statuses")),
    "harmonyos": Format("harmonyos-receipts", _STATUS, "status", _under("statuses")),
    "honor": Format("honor-receipts", _STATUS, "status", _under("statuses")),
    "oppo": Format(
        "oppo-receipts",
        {"eventType": "push_arrive", "messageId": "m", "registrationIds": "a,b"},
        "eventType",
        _array,
    ),
    "vivo": Format("vivo-receipts", {"ackType": "0", "targets": "a,b"}, "ackType", _map),
    "mipush": Format("mipush-receipts", {"type": 1, "targets": "a,b"}, "type", _form("data")),
    "meizu": Format("meizu-receipts", {"type": 1, "targets": ["a", "b"]}, "type", _form("cb")),
    "meizu in JSON": Format("meizu-receipts", {"type": 1, "targets": "a"}, "type", _map),
    "getui": Format(
        "getui",
        {"code": "400", "taskid": "t", "msgid": "m", "cid": "c", "appid": "a"},
        "code",
        _lines,
    ),
    "easemob": Format(
        "easemob",
        {"step": "push", "channel": "a", "status": "success", "callId": "c", "msg_id": "m"},
        "status",
        _array,
    ),
    "tencent-chat": Format(
        "tencent-chat",
        {"CallbackCommand": "Push.OfflinePush", "PushStage": 1, "ErrCode": 0, "TaskId": "t"},
        "ErrCode",
        _under("Events"),
    ),
    "braze": Format(
        "braze",
        {"event_type": "users.messages.pushnotification.Send", "id": "e"},
        "event_type",
        _under("events"),
    ),
    "gorush": Format(
        "gorush",
        {"type": "failed-push", "platform": "ios", "notif_id": "m", "token": "t", "error": "e"},
        "error",
        _array,
    ),
    "customer-io": Format(
        "customer-io", {"object_type": "push", "metric": "sent", "event_id": "e"}, "metric", _array
    ),
}
"""The formats of all gateways; of some, in more than one shape."""


AT_THE_LIMIT = {"mps", "results", "customer-io"}
"""Gateways that take bodies of small items up to LIMIT here: both in code, and a description."""


def bodies(form: Format) -> Iterator[Body]:
    """Yield bodies of about LIMIT bytes: as they are meant, and each kind of work at its worst.

    Of gateways that share the code of others, those of many small items have an eighth, which
    makes five steps and more.
    """
    limit = LIMIT if form.gateway in AT_THE_LIMIT else LIMIT // 8
    for name, make in ITEMS.items():
        yield Body(name, _filled(form, make, limit))
    for name, text in TEXTS.items():
        yield Body(name, text[:LIMIT])
    old = f'"{form.code}": {json.dumps(form.item[form.code])}'
    for name, value in VALUES.items():
        item = json.dumps(form.item).replace(old, f'"{form.code}": {value}')
        yield Body(name, form.join([item])[:LIMIT])


def _filled(form: Format, make: Callable[[Format, int], str], limit: int) -> bytes:
    """Fill a body with items, of which one may become longer by escapes."""
    sample = len(form.join([make(form, 100_000 + number) for number in range(100)])) / 100
    items = [make(form, number) for number in range(int(limit / sample))]
    while len(body := form.join(items)) > limit:
        del items[int(len(items) * limit / len(body)) - 1 :]
    return body


def _with(form: Format, **fields: Any) -> str:
    return json.dumps(form.item | fields)


def _as_meant(form: Format, number: int) -> str:
    """Write an item with an id of its own."""
    names = ("m", "r", "t", "e", "c")
    return _with(
        form, **{key: f"{value}{number}" for key, value in form.item.items() if value in names}
    )


ITEMS: dict[str, Callable[[Format, int], str]] = {
    "as meant": _as_meant,
    "distinct codes": lambda form, number: _with(form, **{form.code: number}),
    "codes that hash alike": lambda form, number: _with(form, **{form.code: number * ALIKE}),
    "only codes": lambda form, number: f'{{"{form.code}":{number}}}',
    "empty objects": lambda _form, _number: "{}",
    "empty arrays": lambda _form, _number: "[]",
    "numbers": lambda _form, _number: "1",
    "an object as code": lambda form, number: _with(form, **{form.code: {"a": number}}),
    "an object in every field": lambda form, number: _with(
        form, **{key: {"a": number} for key in form.item}
    ),
    "long texts": lambda form, number: _with(form, message="x" * 300, statusDesc=str(number)),
}
"""The JSON of an item by its number."""

TEXTS = {
    "brackets": b"[" * LIMIT,
    "objects in objects": b'{"a":' * (LIMIT // 5),
    "blanks": b" " * LIMIT,
    "line ends": b"\n" * LIMIT,
    "percent signs": b"data=" + b"%" * LIMIT,
    "escapes": b"data=" + b"%41" * (LIMIT // 3),
    "ampersands": b"&" * LIMIT,
    "parts": b"--b\r\n" * (LIMIT // 5),
    "halves of surrogates": b'["' + b"\\ud83d" * (LIMIT // 6 - 2) + b'"]',
    "escaped quotes": b'["\\ud83d' + b'\\"' * (LIMIT // 2 - 10) + b'"]',
    "cut characters": b'["' + b'\xc3"' * (LIMIT // 2 - 2) + b"]",
    "no UTF-8": b"\xe0" * LIMIT,
    "deep arrays": b"[" + b",".join([b"[" * 900 + b"]" * 900] * 580) + b"]",
    "digits": b"[" + b"9" * (LIMIT - 2) + b"]",
    "keys": b"{" + b",".join(b'"%d":1' % n for n in range(90_000)) + b"}",
}
"""Bodies whatever the format."""

_ROOM = LIMIT - 300

VALUES = {
    "a large array as code": "[" + ",".join(["[]"] * (_ROOM // 3)) + "]",
    "a nested value as code": "[" * 900 + "]" * 900,
    "a long text as code": f'"{"x" * _ROOM}"',
    "commas as code": f'"{"," * _ROOM}"',
}
"""The JSON of one value."""


def with_more_inside(document: bytes) -> Iterator[Body]:
    """Yield an object with a further member, which is as much work as there is room for."""
    for limit in (LIMIT, 65_000):
        for name, text in MEMBERS.items():
            value = b"[%b0]" % (text * ((limit - len(document) - 20) // len(text)))
            yield Body(f"{name}, {limit} bytes", document[:-1] + b',"x":' + value + b"}")


MEMBERS = {
    "nested arrays": b"[" * 900 + b"]" * 900 + b",",
    "empty arrays": b"[],",
    "empty objects": b"{},",
    "arrays in an array": b"[[]],",
    "objects": b'{"a":1},',
}
"""Values of an array, each with a comma."""
