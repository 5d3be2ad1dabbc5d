#!/usr/bin/env bash
# boto3 1.44.8 (PyPI): SNS Publish, no option set.
#
# Guess: Publish takes no token that would make it idempotent, so boto3 sends it once unless SNS says
#        that it was throttled; a connection that closes without a response is left to the caller.
# Seen:  it is sent three times within a second, after a closed connection and after an HTTP 500 as
#        after Throttling. The caller gets one error, or the one MessageId of the last attempt: if
#        SNS had accepted an earlier one, the device gets the push more than once and one is counted.
# So:    Config(retries={"total_max_attempts": 1}) for pushes that must not come twice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check boto3==1.44.8 botocore==1.44.8

cat > publish.py <<'END'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ERROR = "<ErrorResponse><Error><Code>{}</Code></Error></ErrorResponse>"
ANSWERS = {"throttled": (400, "Throttling"), "broken": (500, "InternalError"), "closed": None}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        server.requests += 1
        if server.answer is None:
            self.close_connection = True
            return
        status, code = server.answer
        body = ERROR.format(code).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
settings = {"no option": None, "one attempt": Config(retries={"total_max_attempts": 1})}
for name, config in settings.items():
    client = boto3.client(
        "sns",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        region_name="us-east-1",
        aws_access_key_id="id",
        aws_secret_access_key="key",
        config=config,
    )
    for answer, server.answer in ANSWERS.items():
        server.requests = 0
        try:
            client.publish(TargetArn="arn:aws:sns:us-east-1:1:endpoint/APNS/a/b", Message="Hello")
        except (BotoCoreError, ClientError) as error:
            print(f"{name}, {answer}: requests {server.requests}, {type(error).__name__}")
END
AWS_CONFIG_FILE=/dev/null python/bin/python publish.py | tee seen
diff seen - <<'END'
no option, throttled: requests 3, ClientError
no option, broken: requests 3, InternalErrorException
no option, closed: requests 3, ConnectionClosedError
one attempt, throttled: requests 1, ClientError
one attempt, broken: requests 1, InternalErrorException
one attempt, closed: requests 1, ConnectionClosedError
END
