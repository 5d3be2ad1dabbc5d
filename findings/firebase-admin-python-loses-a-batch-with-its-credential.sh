#!/usr/bin/env bash
# firebase-admin 7.7.0 (PyPI): send_each() of three pushes; FCM accepts two and answers one with 401,
# and the service account can get no other access token, since it was deleted meanwhile.
#
# Guess: the failed push gets an error of its own in the BatchResponse, as any other 401 does, and the
#        two others their message ids.
# Seen:  send_each() raises UnknownError, and there is no BatchResponse: the ids of the two that FCM
#        accepted are lost, and who repeats the call after the credential is renewed sends them twice.
# So:    report a batch that raises as many results of unknown outcome, not as failures to be sent
#        again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check firebase-admin==7.7.0
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem 2>openssl.log

cat > send.py <<'END'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import firebase_admin
from firebase_admin import credentials, messaging

accepted = threading.Barrier(3)  # the 401 comes when the others are accepted
requests = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = self.token() if self.path == "/token" else self.push(json.loads(body))
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def token(self):
        if "token" in requests:
            return 400, {"error": "invalid_grant", "error_description": "Invalid grant: not found"}
        requests.append("token")
        return 200, {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}

    def push(self, body):
        requests.append(body["message"]["token"])
        if body["message"]["token"] != "before":
            accepted.wait(10)
        if body["message"]["token"] == "refused":
            return 401, {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "Expired."}}
        return 200, {"name": "projects/p/messages/1"}

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
account = {
    "type": "service_account",
    "project_id": "p",
    "private_key_id": "1",
    "private_key": Path("key.pem").read_text(),
    "client_email": "push@p.iam.gserviceaccount.com",
    "client_id": "1",
    "token_uri": f"{url}/token",
}
messaging._MessagingService.FCM_URL = f"{url}/v1/projects/{{0}}/messages:send"
firebase_admin.initialize_app(credentials.Certificate(account))
messaging.send(messaging.Message(token="before"))  # gets the access token
try:
    messaging.send_each([messaging.Message(token=name) for name in ("first", "refused", "third")])
except Exception as error:
    print(type(error).__name__, "invalid_grant" in str(error))
print("requests", sorted(requests))
END
python/bin/python -W ignore send.py 2>errors | tee seen
diff seen - <<'END'
UnknownError True
requests ['before', 'first', 'refused', 'third', 'token']
END
