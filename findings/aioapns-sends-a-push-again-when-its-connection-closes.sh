#!/usr/bin/env bash
# aioapns 4.0 (PyPI), no option set: APNs has read a push, and the connection closes.
#
# Guess: `max_connection_attempts` is about connecting, so a push that was sent fails, or waits, when
#        its connection closes before the response: APNs may have accepted it.
# Seen:  the whole push is sent again on a new connection, five times at most and at once. If a later
#        one is answered, the result is that of one push, and nothing tells of the others: a device
#        may show three where one success is counted. After five, MaxAttemptsExceeded is raised, which
#        has neither status nor reason.
# So:    set a collapse_key for pushes that must not show twice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check aioapns==4.0 h2==4.4.1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem 2>openssl.log

cat > push.py <<'END'
import asyncio
import logging
import ssl
from pathlib import Path

from aioapns import APNs, NotificationRequest
from aioapns.connection import APNsProductionClientProtocol
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

logging.disable()
pushes = []
unanswered = 0


class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.connection = H2Connection(H2Configuration(client_side=False))
        self.connection.initiate_connection()
        transport.write(self.connection.data_to_send())

    def data_received(self, data):
        for event in self.connection.receive_data(data):
            if isinstance(event, RequestReceived):
                pushes.append(dict(event.headers)[b"apns-id"])
            elif isinstance(event, StreamEnded):
                if len(pushes) <= unanswered:
                    self.transport.close()
                    return
                headers = [(":status", "200"), ("apns-id", pushes[-1])]
                self.connection.send_headers(event.stream_id, headers, end_stream=True)
        self.transport.write(self.connection.data_to_send())


async def main():
    global unanswered
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("certificate.pem", "key.pem")
    context.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, ssl=context)
    APNsProductionClientProtocol.APNS_SERVER = "localhost"
    APNsProductionClientProtocol.APNS_PORT = server.sockets[0].getsockname()[1]
    for unanswered in (0, 2, 9):
        pushes.clear()
        client = APNs(
            key=Path("key.pem").read_text(),
            key_id="K",
            team_id="T",
            topic="com.example.chat",
            ssl_context=ssl.create_default_context(cafile="certificate.pem"),
        )
        request = NotificationRequest(device_token="a" * 64, message={"aps": {"alert": "Hello"}})
        try:
            outcome = (await client.send_notification(request)).status
        except Exception as error:
            outcome = f"{type(error).__name__}({error})"
        print(f"unanswered {unanswered}: {outcome}, pushes {len(pushes)}, ids {len(set(pushes))}")


asyncio.run(main())
END
python/bin/python -W ignore push.py | tee seen
diff seen - <<'END'
unanswered 0: 200, pushes 1, ids 1
unanswered 2: 200, pushes 3, ids 1
unanswered 9: MaxAttemptsExceeded(), pushes 5, ids 1
END
