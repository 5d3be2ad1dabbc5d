"""The webhook and the chat that Alertmanager sends to."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Message(NamedTuple):
    """A message as a person reads it: that of a chat, or the texts of a webhook's alerts."""

    at: float
    """Unix time in seconds."""
    receiver: str
    text: str
    """It begins with FIRING or RESOLVED."""


class Receiver(ThreadingHTTPServer):
    """A webhook that keeps the notifications of Alertmanager.

    Alerts are sent to the path of their receiver's name, and what a person reads to `/message`
    below it.
    """

    def __init__(self) -> None:
        self.alerts: dict[tuple[str, str, str], dict[str, Any]] = {}
        """The latest state of each alert by receiver, name and channel."""
        self.messages: list[Message] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def told(self, path: str, alert: str, channel: str = "") -> dict[str, Any] | None:
        """Return an alert as it was sent to a path while it was firing."""
        return self.alerts.get((path, alert, channel))


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, _, message = self.path.strip("/").partition("/")
        if message:
            self.server.messages.append(Message(time.time(), name, _text(body)))
        else:
            self._keep(name, body["alerts"])
        self.send_response(200)
        self.end_headers()

    def _keep(self, name: str, alerts: list[dict[str, Any]]) -> None:
        for alert in alerts:
            labels = alert["labels"]
            key = (name, labels["alertname"], labels.get("channel", ""))
            if alert["status"] == "firing":
                first = self.server.alerts.get(key, {}).get("first_told_at", time.time())
                self.server.alerts[key] = alert | {"first_told_at": first}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is inherited
        """Write nothing."""


def _text(body: dict[str, Any]) -> str:
    """Return the text of a Slack message, or of the alerts that a webhook gets."""
    if "attachments" in body:
        parts = [
            part
            for attachment in body["attachments"]
            for part in (attachment["title"], attachment["text"])
        ]
    else:
        parts = [body["status"].upper()]
        for alert in body["alerts"]:
            parts += [
                alert["labels"]["alertname"],
                alert["annotations"]["summary"],
                alert["annotations"]["description"],
            ]
    return "\n".join(part.strip() for part in parts)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run the webhook inside the block."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
