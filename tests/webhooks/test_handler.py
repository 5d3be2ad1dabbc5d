"""The public edge, end to end: real sockets, real ledger, signatures by openssl."""

import asyncio
import base64
import hmac
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from structlog.testing import capture_logs

from exporter.classification.tables import COMMON_CHANNEL, load_tables
from exporter.errors import Reason
from exporter.webhooks.responses import LISTED_REJECTIONS, MAX_LISTED_REJECTIONS
from tests.support.exporter import (
    TOKEN,
    Exporter,
    KeyPair,
    MakeSettings,
    started,
    url_sign,
    webhook_headers,
)
from tests.support.programs import until

MPS = "/webhooks/mps"
RESULTS = "/webhooks/results"


def callback(code: object, message: str = "", **more: Any) -> bytes:
    """Make the body of an MPS callback."""
    return json.dumps(
        {
            "extInfo": {"adToken": "token-of-a-device", "osType": "android"},
            "msgId": "console_1584853300103",
            "pushSuccess": code == "2",
            "statusCode": code,
            "statusDesc": message,
            "targetId": "target-of-a-person",
        }
        | more
    ).encode()


async def call(
    exporter: Exporter, keys: KeyPair, body: bytes, query: str = ""
) -> tuple[int, dict[str, Any]]:
    """Post a signed callback."""
    return await exporter.post(f"{MPS}?sign={url_sign(keys.sign(body))}{query}", body)


async def outcome(exporter: Exporter, source: str, status: str) -> float:
    """Read how many calls of a source ended so."""
    return (await exporter.series("push_webhook_requests_total"))[source, status]


@pytest.mark.parametrize(
    ("query", "channel"),
    [
        (b"channel=HMS&channel=IOS", "huawei"),
        (b"%63hannel=H%4dS", "huawei"),
        (b"&=&channel=+HMS", "huawei"),
        (b"channel", "mps"),
        *((b"channel=" + bad, "other") for bad in (b"%ff", b"%4", b"%zz")),
    ],
)
async def test_parameters_of_the_query(
    exporter: Exporter, keys: KeyPair, query: bytes, channel: str
) -> None:
    """Escapes are read as UTF-8, nothing is refused, and the first of a name counts."""
    body = callback("2")
    target = b"%s?%s&sign=%s" % (MPS.encode(), query, url_sign(keys.sign(body)).encode())
    head = b"Host: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    answered = await exporter.exchange(b"POST %s HTTP/1.1\r\n%s%s" % (target, head, body))
    assert answered.startswith(b"HTTP/1.1 200 ")
    assert {series[0] for series in await exporter.counted()} == {channel}


async def test_signed_callback_is_counted(exporter: Exporter, keys: KeyPair) -> None:
    """A callback with a good signature becomes a count under its channel and severity."""
    body = callback("2", "Acked", extInfo={"adToken": "x", "osType": "ios"})
    assert await call(exporter, keys, body) == (
        200,
        {"accepted": 1, "duplicates": 0, "rejected": []},
    )
    assert await exporter.counted() == {("apns", "2", "info"): 1}


async def test_every_code_of_every_table_is_counted(exporter: Exporter, keys: KeyPair) -> None:
    """Each code, sent with its channel's name, raises exactly its own series by one."""
    expected: dict[tuple[str, ...], float] = {}
    tables = load_tables()
    results = []
    for channel, table in tables.items():
        common = tables[COMMON_CHANNEL].codes if table.common_codes else {}
        for code, row in {**common, **table.codes}.items():
            expected[channel, code, row.severity] = 1
            results.append(json.loads(callback(code, row.name, channel=channel)))
    status, answer = await call(exporter, keys, json.dumps(results).encode())
    assert (status, answer["accepted"]) == (200, len(expected))
    assert await exporter.counted() == expected


@pytest.mark.parametrize(
    ("more", "series"),
    [
        ({"channel": "HMS"}, ("huawei", "2", "info")),
        ({"extInfo": {"channel": "MIUI"}}, ("mipush", "2", "info")),
        ({"channel": "IOS", "extInfo": {"channel": "MIUI"}}, ("apns", "2", "info")),
        ({"channel": "smoke-signal"}, ("other", "2", "unknown")),
        ({"channel": 5, "extInfo": "not an object"}, ("other", "2", "unknown")),
        ({"channel": None, "extInfo": None}, ("mps", "2", "info")),
        ({"channel": ["HMS"], "extInfo": [1]}, ("mps", "2", "info")),
        ({"extInfo": {"osType": "iOS"}}, ("apns", "2", "info")),
        ({"unknownField": {"deep": [1, 2]}}, ("mps", "2", "info")),
    ],
)
async def test_callback_is_read_tolerantly(
    exporter: Exporter, keys: KeyPair, more: dict[str, Any], series: tuple[str, ...]
) -> None:
    """Hints are read from all documented places, and odd optional fields are ignored."""
    status, _ = await call(exporter, keys, callback("2", **more))
    assert status == 200
    assert await exporter.counted() == {series: 1}


async def test_query_names_the_channel(exporter: Exporter, keys: KeyPair) -> None:
    """A hint in the URL takes precedence over the body's."""
    await call(exporter, keys, callback(10072, channel="OPPO"), "&channel=vivo")
    assert await exporter.counted() == {("vivo", "10072", "warning"): 1}


@pytest.mark.parametrize("code", [2, "2", 2.0, " 2 ", "02"])
async def test_spellings_of_a_code_are_one(exporter: Exporter, keys: KeyPair, code: object) -> None:
    """Integers are canonicalised before they are looked up."""
    await call(exporter, keys, callback(code))
    assert await exporter.counted() == {("mps", "2", "info"): 1}


@pytest.mark.parametrize("code", [True, [[2]], {"a": 1}, 1.5, "9" * 65, 10**70])
async def test_callback_with_an_impossible_code(
    exporter: Exporter, keys: KeyPair, code: object
) -> None:
    """A value that cannot be a code is refused by name, and not converted to a code."""
    body = json.dumps([json.loads(callback(1)), json.loads(callback(code))]).encode()
    status, answer = await call(exporter, keys, body)
    assert (status, answer["accepted"]) == (200, 1)
    assert [item["reason"] for item in answer["rejected"]] == ["code_invalid"]
    assert await exporter.counted() == {("mps", "1", "warning"): 1}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ('{"statusCode": 1e999}', "malformed_json"),
        ('{"statusCode": 2, "statusDesc": 1e999}', "malformed_json"),
        ('{"statusCode": 2, "extInfo": {"osType": -1e999}}', "malformed_json"),
    ],
)
async def test_callback_with_a_number_out_of_range(
    exporter: Exporter, keys: KeyPair, item: str, reason: str
) -> None:
    """A number that no float holds is refused with its callback, and the others are counted."""
    status, answer = await call(exporter, keys, f'[{item}, {{"statusCode": 2}}]'.encode())
    assert (status, answer["accepted"]) == (200, 1)
    assert [item["reason"] for item in answer["rejected"]] == [reason]


async def test_same_body_is_counted_once(exporter: Exporter, keys: KeyPair) -> None:
    """A retry of a callback is answered 200 and counted as a duplicate."""
    body = callback("2")
    await call(exporter, keys, body)
    assert await call(exporter, keys, body) == (
        200,
        {"accepted": 0, "duplicates": 1, "rejected": []},
    )
    assert await exporter.counted() == {("mps", "2", "info"): 1}
    assert (await exporter.series("push_results_duplicate_total"))["mps",] == 1


async def test_array_of_callbacks_is_one_delivery(exporter: Exporter, keys: KeyPair) -> None:
    """An array keeps its good callbacks, and its retry is a duplicate as a whole."""
    body = json.dumps([json.loads(callback("2")), 5, {"msgId": "x"}]).encode()
    status, answer = await call(exporter, keys, body)
    assert (status, answer["accepted"]) == (200, 1)
    assert [(item["index"], item["reason"]) for item in answer["rejected"]] == [
        (1, "not_an_object"),
        (2, "code_missing"),
    ]
    status, answer = await call(exporter, keys, body)
    assert (status, answer["accepted"], answer["duplicates"]) == (200, 0, 1)


@pytest.mark.parametrize(
    "twist",
    [
        lambda s: base64.b64encode(s).decode(),  # a `+` arrives as a space
        lambda s: quote(base64.b64encode(s).decode(), safe=""),
        lambda s: base64.urlsafe_b64encode(s).decode().rstrip("="),
        lambda s: base64.b64encode(s).decode().rstrip("="),
    ],
    ids=["standard", "quoted", "url-safe-unpadded", "standard-unpadded"],
)
async def test_signature_in_any_alphabet(exporter: Exporter, keys: KeyPair, twist: Any) -> None:
    """Both base64 alphabets are read, padded or not."""
    for number in range(8):  # enough for `+` and `/` to occur
        body = callback("2", msgId=f"m{number}")
        status, _ = await exporter.post(f"{MPS}?sign={twist(keys.sign(body))}", body)
        assert status == 200


async def test_forged_callbacks_are_refused_before_parsing(
    exporter: Exporter, keys: KeyPair, unknown_key: KeyPair
) -> None:
    """An unknown key, a changed body, a cut signature and garbage are a 401."""
    body = callback("2")
    good = url_sign(keys.sign(body))
    forged = [
        (url_sign(unknown_key.sign(body)), body),
        (good, body + b" "),
        (good[:-8], body),
        ("AAAA", body),
        ("%FF%FE", body),
        ("a" * 5000, body),
        (good, b"not json"),
    ]
    for sign, sent in forged:
        status, answer = await exporter.post(f"{MPS}?sign={sign}", sent)
        assert (status, answer["error"]) == (401, "bad_signature"), sign
    for query in ("", "?sign=", "?signature=abc"):
        status, answer = await exporter.post(MPS + query, body)
        assert (status, answer["error"]) == (401, "missing_credentials")
    assert await exporter.counted() == {}
    assert await outcome(exporter, "mps", "bad_signature") == len(forged)
    assert await outcome(exporter, "mps", "missing_credentials") == 3


MALFORMED = [
    b"",
    b" ",
    b"{",
    b"nonsense",
    b"5",
    b'"text"',
    b"null",
    b"\xff\xfe",
    b'{"statusCode": "2", "code": 2, "targetId": "\xff"}',
    b'{"statusCode": NaN, "code": NaN}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"statusCode": 2} trailing',
    b'[{"statusCode": 2, "code": 2},',
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:20]))
async def test_malformed_bodies_are_a_400(exporter: Exporter, keys: KeyPair, body: bytes) -> None:
    """A signed body that is not JSON of the right shape is refused, counted, and loses nothing."""
    status, answer = await call(exporter, keys, body)
    assert (status, answer["error"]) == (400, "malformed_body")
    status, answer = await exporter.results(body)
    assert (status, answer["error"]) == (400, "malformed_body")
    assert await outcome(exporter, "mps", "malformed_body") == 1
    assert await outcome(exporter, "results", "malformed_body") == 1


ITEMS: list[tuple[Any, str]] = [
    ({}, "code_missing"),
    ({"code": None}, "code_missing"),
    ({"code": ""}, "code_missing"),
    ({"code": True}, "code_invalid"),
    ({"code": [[2]]}, "code_invalid"),
    ({"code": 1.5}, "code_invalid"),
    ({"code": " "}, "code_missing"),
    ({"code": "9" * 65}, "code_invalid"),
    ({"code": 10**70}, "code_invalid"),
    ({"code": 1, "count": 0}, "count_invalid"),
    ({"code": 1, "count": -1}, "count_invalid"),
    ({"code": 1, "count": "3"}, "count_invalid"),
    ({"code": 1, "count": True}, "count_invalid"),
    ({"code": 1, "count": 10**30}, "count_invalid"),
    ({"code": 1, "channel": 5}, "channel_invalid"),
    ({"code": 1, "message": {}}, "message_invalid"),
    ({"code": 1, "id": []}, "id_invalid"),
    ({"code": 1, "id": "x" * 300}, "id_invalid"),
    (5, "not_an_object"),
    ([{"code": 1}], "not_an_object"),
    (None, "not_an_object"),
]


@pytest.mark.parametrize(("item", "reason"), ITEMS, ids=lambda value: str(value)[:40])
async def test_bad_item_leaves_the_others(exporter: Exporter, item: Any, reason: str) -> None:
    """A batch keeps its good results; the bad one is named by position and counted by reason."""
    good = {"channel": "vivo", "code": 10072}
    for batch in ([good, item, good], {"results": [good, item, good]}):
        status, answer = await exporter.results(json.dumps(batch).encode())
        assert (status, answer["accepted"]) == (200, 2)
        assert [(item["index"], item["reason"]) for item in answer["rejected"]] == [(1, reason)]
        assert answer["rejected"][0]["detail"]
    rejected = await exporter.series("push_results_rejected_total")
    assert rejected[reason, "results"] == 2
    assert await exporter.counted() == {("vivo", "10072", "warning"): 4}


async def test_batch_of_bad_items_is_a_400(exporter: Exporter) -> None:
    """A batch without a valid item is an error that lists the invalid ones."""
    status, answer = await exporter.results(b'[{"code": true}, {}]')
    assert (status, answer["error"], answer["accepted"]) == (400, "invalid_results", 0)
    assert [item["reason"] for item in answer["rejected"]] == ["code_invalid", "code_missing"]
    assert "index 0" in answer["detail"]
    assert await outcome(exporter, "results", "invalid_results") == 1


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("", LISTED_REJECTIONS),
        ("?verbose=1", MAX_LISTED_REJECTIONS),
        ("?verbose=0", LISTED_REJECTIONS),
    ],
)
async def test_list_of_rejections_is_bounded(exporter: Exporter, query: str, listed: int) -> None:
    """A response names the first rejections, more when asked; it and the metric count them all."""
    bad = MAX_LISTED_REJECTIONS + 5
    body = json.dumps([{"code": 2}] + [{}] * bad).encode()
    status, answer = await exporter.post(
        RESULTS + query, body, {"Authorization": f"Bearer {TOKEN}"}
    )
    assert (status, len(answer["rejected"]), answer["rejected_total"]) == (200, listed, bad)
    rejected = await exporter.series("push_results_rejected_total")
    assert rejected["code_missing", "results"] == bad


async def test_shapes_of_the_generic_format(exporter: Exporter) -> None:
    """An object, an array, an envelope and NDJSON are all read, with `count` and hints."""
    item = b'{"channel": "vivo", "code": 10072, "message": "push too fast", "count": 3}'
    for body in (item, b"[" + item + b"]", b'{"results": [' + item + b"]}"):
        status, answer = await exporter.results(body)
        assert (status, answer["accepted"]) == (200, 1)
    lines = item + b"\r\n\n" + item + b"\n{broken\n"
    status, answer = await exporter.results(lines, Content_Type="application/x-ndjson")
    assert (status, answer["accepted"]) == (200, 2)
    assert [(each["index"], each["reason"]) for each in answer["rejected"]] == [
        (2, "malformed_json")
    ]
    assert await exporter.counted() == {("vivo", "10072", "warning"): 15}


@pytest.mark.parametrize("body", [b"[]", b'{"results": []}'])
async def test_empty_batch_is_accepted(exporter: Exporter, body: bytes) -> None:
    """A batch without results has nothing wrong in it."""
    assert await exporter.results(body) == (
        200,
        {"accepted": 0, "duplicates": 0, "rejected": []},
    )


async def test_ids_make_results_unique(exporter: Exporter) -> None:
    """A result with an id is counted once by channel, id and code, under any alias."""
    batch = [
        {"channel": "vivo", "code": 10072, "id": "m-1"},
        {"channel": "VIVO", "code": "10072", "id": "m-1"},
        {"channel": "vivo", "code": 10072, "id": "m-2"},
        {"channel": "vivo", "code": 10072, "id": "m-3", "count": 5},
        {"channel": "vivo", "code": 2, "id": "m-1"},
        {"channel": "oppo", "code": 2, "id": "m-1"},
        {"channel": "smoke", "code": 2, "id": "m-1"},
        {"channel": "flags", "code": 2, "id": "m-1"},
        {"channel": "vivo", "code": 10072},
        {"channel": "vivo", "code": 10072},
    ]
    _, answer = await exporter.results(json.dumps(batch).encode())
    assert (answer["accepted"], answer["duplicates"]) == (9, 1)
    _, answer = await exporter.results(json.dumps(batch).encode())
    assert (answer["accepted"], answer["duplicates"]) == (2, 8)


async def test_webhook_id_makes_a_call_unique(exporter: Exporter) -> None:
    """`webhook-id` is the key of the whole call, before the ids of its results."""
    body = b'[{"code": 2, "id": "a"}, {"code": 2, "id": "b"}, {}]'
    _, answer = await exporter.results(body, webhook_id="call-1")
    assert (answer["accepted"], answer["duplicates"]) == (2, 0)
    status, answer = await exporter.results(body, webhook_id="call-1")
    assert (status, answer["accepted"], answer["duplicates"]) == (200, 0, 2)
    _, answer = await exporter.results(body, webhook_id="call-2")
    assert (answer["accepted"], answer["duplicates"]) == (2, 0)


async def test_duplicates_survive_a_restart(make_settings: MakeSettings, keys: KeyPair) -> None:
    """Counts and delivery keys continue after a stop."""
    settings = make_settings()
    body = callback("2")
    async with started(settings) as exporter:
        await call(exporter, keys, body)
    async with started(settings) as exporter:
        assert await exporter.counted() == {("mps", "2", "info"): 1}
        _, answer = await call(exporter, keys, body)
        assert answer["duplicates"] == 1
        assert await exporter.counted() == {("mps", "2", "info"): 1}


async def test_standard_webhooks(exporter: Exporter) -> None:
    """A signed request is accepted; stale and forged ones have different errors."""
    body = b'{"code": 2}'
    status, _ = await exporter.post(RESULTS, body, webhook_headers(body, time.time()))
    assert status == 200
    for age in (-600, 600):
        headers = webhook_headers(body, time.time() + age)
        status, answer = await exporter.post(RESULTS, body, headers)
        assert (status, answer["error"]) == (401, "stale_timestamp")
    headers = webhook_headers(b"another body", time.time())
    status, answer = await exporter.post(RESULTS, body, headers)
    assert (status, answer["error"]) == (401, "bad_signature")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "missing_credentials"),
        ({"Authorization": "Basic eDp5"}, "missing_credentials"),
        ({"Authorization": "Bearer"}, "missing_credentials"),
        ({"Authorization": "Bearer wrong"}, "bad_signature"),
        ({"Authorization": f"Bearer {TOKEN}x"}, "bad_signature"),
        ({"webhook-id": "x"}, "missing_credentials"),
        (
            {"webhook-id": "x", "webhook-timestamp": "nan", "webhook-signature": "v1,x"},
            "bad_signature",
        ),
    ],
)
async def test_calls_without_credentials_are_refused(
    exporter: Exporter, headers: dict[str, str], reason: str
) -> None:
    """The generic webhook wants a known token or a Standard Webhooks signature."""
    status, answer = await exporter.post(RESULTS, b'{"code": 2}', headers)
    assert (status, answer["error"]) == (401, reason)
    assert await outcome(exporter, "results", reason) == 1


async def test_unsigned_calls_only_where_nothing_is_configured(
    make_settings: MakeSettings,
) -> None:
    """ALLOW_UNSIGNED opens the webhooks that have no credentials, and no other."""
    settings = make_settings(allow_unsigned=True, results_token_files=[], results_secret_files=[])
    async with started(settings) as exporter:
        assert (await exporter.post(RESULTS, b'{"code": 2}'))[0] == 200
        assert (await exporter.post(MPS, callback("2")))[0] == 401


async def test_webhook_without_credentials_is_closed(make_settings: MakeSettings) -> None:
    """A webhook that has no credentials refuses everyone unless unsigned calls are allowed."""
    async with started(make_settings(results_token_files=[], results_secret_files=[])) as exporter:
        status, answer = await exporter.results(b'{"code": 2}')
        assert (status, answer["error"]) == (401, "missing_credentials")


async def test_debug_logs_one_line_per_request(make_settings: MakeSettings) -> None:
    """At level debug, and only there, each request has one line with its outcome."""
    for level, lines in (("debug", 2), ("info", 0)):
        with capture_logs() as logs:
            async with started(make_settings(log_level=level)) as exporter:
                await exporter.results(b'{"code": 2}')
                await exporter.post(MPS, b"")
            assert len([line for line in logs if line["event"] == "request"]) == lines


async def test_overload_has_its_own_error(make_settings: MakeSettings, keys: KeyPair) -> None:
    """Beyond the bound on pending results requests get 503 and Retry-After; the others count."""
    settings = make_settings(max_pending_results=2)
    async with started(settings) as exporter:
        bodies = [callback("2", msgId=f"m{number}") for number in range(5)]
        with closing(sqlite3.connect(settings.ledger_path, isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")  # nothing can be committed, so results pile up
            calls = [asyncio.create_task(call(exporter, keys, body)) for body in bodies]
            done, waiting = await asyncio.wait(calls, timeout=1)
            lock.execute("ROLLBACK")
        assert {task.result()[1]["error"] for task in done} == {"overloaded"}
        assert len(done) == 3
        assert [(await task)[0] for task in waiting] == [200, 200]
        assert await exporter.counted() == {("mps", "2", "info"): 2}
        assert await outcome(exporter, "mps", "overloaded") == 3


async def test_locked_ledger_acknowledges_nothing(
    make_settings: MakeSettings, keys: KeyPair
) -> None:
    """While nothing can be stored calls get a 503, and afterwards they succeed by themselves."""
    settings = make_settings()
    body = callback("2")
    async with started(settings) as exporter:
        with closing(sqlite3.connect(settings.ledger_path, isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            url = f"{exporter.ingest}{MPS}?sign={url_sign(keys.sign(body))}"
            async with exporter.client.post(url, data=body) as answer:
                assert answer.status == 503
                assert (await answer.json())["error"] == "ledger_unavailable"
                assert int(answer.headers["Retry-After"]) > 0
            async with exporter.client.get(exporter.admin + "/-/ready") as answer:
                assert answer.status == 503
            async with exporter.client.get(exporter.admin + "/-/healthy") as answer:
                assert answer.status == 200
            lock.execute("ROLLBACK")
        await until(lambda: not exporter.hub.ledger.problem)
        assert (await call(exporter, keys, body))[1]["accepted"] == 1
        assert await exporter.counted() == {("mps", "2", "info"): 1}


async def test_draining_exporter_refuses_results(exporter: Exporter, keys: KeyPair) -> None:
    """An exporter that is stopping is not ready, and after the grace period refuses results."""
    exporter.service.draining = exporter.service.refusing = True
    body = callback("2")
    url = f"{exporter.ingest}{MPS}?sign={url_sign(keys.sign(body))}"
    async with exporter.client.post(url, data=body) as answer:
        assert (answer.status, (await answer.json())["error"]) == (503, "draining")
        assert answer.headers["Retry-After"]
    async with exporter.client.get(exporter.admin + "/-/ready") as answer:
        assert answer.status == 503


async def test_series_exist_before_the_first_call(exporter: Exporter) -> None:
    """Every source has each of its outcomes at 0 from the start."""
    requests = await exporter.series("push_webhook_requests_total")
    for source in ("mps", "results"):
        for status in ("accepted", *Reason):
            assert requests[source, status] == 0


async def test_unknown_codes_stay_bounded(exporter: Exporter) -> None:
    """A flood of unknown codes takes 21 series of its channel and is counted whole."""
    batch = [{"channel": "fcm", "code": f"NEW_{number}"} for number in range(500)]
    status, answer = await exporter.results(json.dumps(batch).encode())
    assert (status, answer["accepted"]) == (200, 500)
    counted = await exporter.counted()
    assert len(counted) == 21
    assert counted["fcm", "other", "unknown"] == 480


async def test_exemplar_leads_to_a_message(exporter: Exporter, keys: KeyPair) -> None:
    """OpenMetrics shows the message id of a failed push, and never a token or target id."""
    await call(exporter, keys, callback("2009", channel="IOS"))
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with exporter.client.get(exporter.admin + "/metrics", headers=headers) as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    [line] = [line for line in text.splitlines() if 'code="2009"' in line and " 1.0 # " in line]
    assert '# {msg_id="console_1584853300103"}' in line
    assert "token-of-a-device" not in text
    assert "target-of-a-person" not in text
    assert "_created" not in text


async def test_answer_is_json(exporter: Exporter) -> None:
    """Answers carry their type, errors as well."""
    async with exporter.client.post(exporter.ingest + RESULTS, data=b"") as answer:
        assert answer.headers["Content-Type"] == "application/json"
        assert set(msgspec.json.decode(await answer.read())) == {"error", "detail"}


DESCRIBED = """
[auth]
scheme = "hmac"
secrets = ["secret"]
signature = "{header:X-Signature}"
signed = "{url}"
encoding = "hex"
[handshake]
query = "echostr"
[fields]
code = "code"
channel = "channel"
"""


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_described_gateway(make_settings: MakeSettings, tmp_path: Path, scheme: str) -> None:
    """A handshake is answered, and an address is signed as the sender calls it through a proxy."""
    description = tmp_path / "acme.toml"
    description.write_text(DESCRIBED)
    settings = make_settings(gateway_files=[description])
    secret = (tmp_path / "secret").read_text().strip()
    async with started(settings) as exporter:
        url = f"{exporter.ingest}/webhooks/acme"
        async with exporter.client.get(f"{url}?echostr=hello-1") as response:
            assert (response.status, await response.text()) == (200, "hello-1")
            assert response.content_type == "text/plain"
            assert response.headers["Server"] == "push-result-exporter"
        async with exporter.client.get(url) as response:
            assert response.status == 405
        signed = url.replace("http", scheme, 1) + "?x=1"
        headers = {
            "X-Signature": hmac.new(secret.encode(), signed.encode(), "sha256").hexdigest(),
            "X-Forwarded-Proto": scheme,
        }
        body = b'{"code": 10072, "channel": "vivo"}'
        status, answer = await exporter.post("/webhooks/acme?x=1", body, headers)
        assert (status, answer["accepted"]) == (200, 1)
        assert await exporter.counted() == {("vivo", "10072", "warning"): 1}
