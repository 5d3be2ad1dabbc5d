"""The servers of FCM, Expo, JPush and Umeng with their documented answers."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.exporter import Exporter


class Answer(NamedTuple):
    """A vendor's response to a push, and its code."""

    status: int
    body: Any
    code: str


def _fcm_error(status: int, name: str, message: str, detail: str | None, code: str) -> Answer:
    kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
    details = [{"@type": kind, "errorCode": detail}] if detail else []
    error = {"code": status, "message": message, "status": name, "details": details}
    return Answer(status, {"error": error}, code)


_NOT_FOUND = "Requested entity was not found."
_NO_ROLE = "Permission 'cloudmessaging.messages.create' denied on resource."
_APNS_KEY = "Auth error from APNS or Web Push Service"
_ACCESS_TOKEN = "Request had invalid authentication credentials."
_BAD_TOKEN = "The registration token is not a valid FCM registration token"

FCM = {
    "accepted": Answer(200, {"name": "projects/p/messages/0:1500415314455276"}, "2"),
    "gone": _fcm_error(404, "NOT_FOUND", _NOT_FOUND, "UNREGISTERED", "90000003"),
    "wrong-project": _fcm_error(404, "NOT_FOUND", _NOT_FOUND, None, "NOT_FOUND"),
    "foreign": _fcm_error(
        403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH", "SENDER_ID_MISMATCH"
    ),
    "no-role": _fcm_error(403, "PERMISSION_DENIED", _NO_ROLE, None, "PERMISSION_DENIED"),
    "apns-key": _fcm_error(
        401, "UNAUTHENTICATED", _APNS_KEY, "THIRD_PARTY_AUTH_ERROR", "THIRD_PARTY_AUTH_ERROR"
    ),
    "access-token": _fcm_error(401, "UNAUTHENTICATED", _ACCESS_TOKEN, None, "UNAUTHENTICATED"),
    "bad-token": _fcm_error(400, "INVALID_ARGUMENT", _BAD_TOKEN, "INVALID_ARGUMENT", "90000002"),
    "quota": _fcm_error(
        429, "RESOURCE_EXHAUSTED", "Quota exceeded.", "QUOTA_EXCEEDED", "QUOTA_EXCEEDED"
    ),
}
"""By the name in the device token."""

APNS = {
    "accepted": Answer(200, None, "2"),
    "bad": Answer(400, "BadDeviceToken", "2009"),
    "gone": Answer(410, "Unregistered", "2011"),
    "throttled": Answer(429, "TooManyRequests", "2018"),
    "expired-key": Answer(403, "ExpiredProviderToken", "ExpiredProviderToken"),
    "outage": Answer(500, "InternalServerError", "2021"),
}
"""By the name in the device token; the bodies are reasons. HTTP/2 is served elsewhere."""

EXPO_RECEIPTS: dict[str, dict[str, Any]] = {
    "receipt-good": {"status": "ok"},
    "receipt-large": {
        "status": "error",
        "message": "The notification payload was too large.",
        "details": {"error": "MessageTooBig"},
    },
    "receipt-odd": {"status": "error", "message": 'Failed for "ExponentPushToken[odd-01234567]".'},
}
"""There is none yet for other pushes."""

UMENG_TASKS: dict[str, dict[str, int]] = {
    "android": {"status": 2, "sent_count": 80, "open_count": 7, "dismiss_count": 3},
    "ios": {"status": 2, "total_count": 100, "sent_count": 90, "open_count": 9},
    "empty": {"status": 6, "sent_count": 0, "open_count": 0, "dismiss_count": 0},
}


def device_token(name: str) -> str:
    """Make a device token with a name in it."""
    return f"{name}-" + "0123456789abcdef" * 4


def expo_token(name: str) -> str:
    """Make a token of Expo with a name in it."""
    return f"ExponentPushToken[{name}-01234567]"


class Vendors:
    """The vendors' servers, and a recorder in front of an exporter, on one port."""

    def __init__(self, exporter: Exporter) -> None:
        self.port = 0
        self.reported: list[str] = []
        """The bodies that were posted to the exporter."""
        self._exporter = exporter

    def app(self) -> web.Application:
        """Make the application."""
        app = web.Application()
        app.router.add_post("/v1/projects/p/messages:send", _fcm)
        app.router.add_post("/--/api/v2/push/send", _expo_tickets)
        app.router.add_post("/--/api/v2/push/getReceipts", _expo_receipts)
        app.router.add_post("/v3/status/message", _jpush_statuses)
        app.router.add_post("/api/status", _umeng_task)
        app.router.add_post("/webhooks/results", self._record)
        return app

    async def _record(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.reported.append(body.decode())
        names = {"Authorization", "webhook-id"} & request.headers.keys()
        headers = {name: request.headers[name] for name in names}
        status, answer = await self._exporter.post("/webhooks/results", body, headers)
        return web.json_response(answer, status=status)


@asynccontextmanager
async def vendors(exporter: Exporter) -> AsyncIterator[Vendors]:
    """Run the servers inside the block."""
    made = Vendors(exporter)
    async with TestServer(made.app()) as server:
        made.port = server.port or 0
        yield made


async def _fcm(request: web.Request) -> web.Response:
    token = (await request.json())["message"]["token"]
    answer = FCM[token.rpartition("-")[0]]
    return web.json_response(answer.body, status=answer.status)


async def _expo_tickets(request: web.Request) -> web.Response:
    return web.json_response(
        {"data": [_expo_ticket(message["to"]) for message in await request.json()]}
    )


def _expo_ticket(token: str) -> dict[str, Any]:
    if token == expo_token("gone"):
        details = {"error": "DeviceNotRegistered", "expoPushToken": token}
        message = f'"{token}" is not a registered push notification recipient'
        return {"status": "error", "message": message, "details": details}
    name = token.removeprefix("ExponentPushToken[").partition("-")[0]
    return {"status": "ok", "id": f"receipt-{name}"}


async def _expo_receipts(request: web.Request) -> web.Response:
    ids = (await request.json())["ids"]
    found = {token: EXPO_RECEIPTS[token] for token in ids if token in EXPO_RECEIPTS}
    return web.json_response({"data": found})


async def _jpush_statuses(request: web.Request) -> web.Response:
    ids = (await request.json())["registration_ids"]
    return web.json_response({token: {"status": number % 3} for number, token in enumerate(ids)})


async def _umeng_task(request: web.Request) -> web.Response:
    body = await request.text()
    signed = f"POST{request.url.with_query(None)}{body}master-secret"
    assert request.query["sign"] == hashlib.md5(signed.encode()).hexdigest()
    task = json.loads(body)["task_id"]
    return web.json_response({"ret": "SUCCESS", "data": {"task_id": task, **UMENG_TASKS[task]}})
