#!/usr/bin/env bash
# exponent-server-sdk 2.2.0 (PyPI): publish_multiple() of 150 messages, of which Expo takes 100.
#
# Guess: publish_multiple() sends chunks of 100 for the caller, so that when a later chunk fails, the
#        error holds the tickets of those that were accepted, or they are returned with the failures.
# Seen:  the error of the second chunk is raised, an HTTPError of requests for a 502, and the 100
#        tickets are gone: their receipts cannot be asked for, and who sends all 150 again sends 100
#        pushes twice.
# So:    send chunks of at most 100 yourself, and keep the tickets of each.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check exponent-server-sdk==2.2.0

cat > publish.py <<'END'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from exponent_server_sdk import PushClient, PushMessage

chunks = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        chunks.append(len(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        tickets = [{"status": "ok", "id": str(number)} for number in range(chunks[-1])]
        body = json.dumps({"data": tickets}).encode()
        self.send_response(200 if len(chunks) == 1 else 502)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = PushClient(host=f"http://127.0.0.1:{server.server_port}")
messages = [PushMessage(to=f"ExponentPushToken[{n}]", body="Hello") for n in range(150)]
try:
    client.publish_multiple(messages)
except Exception as error:
    print("chunks", chunks)
    print(f"{type(error).__module__}.{type(error).__name__}", error.response.status_code)
    held = [name for name, value in vars(error).items() if "ticket" in name or "ticket" in str(value)]
    print("tickets in the error", held)
END
python/bin/python publish.py | tee seen
diff seen - <<'END'
chunks [100, 50]
requests.exceptions.HTTPError 502
tickets in the error []
END
