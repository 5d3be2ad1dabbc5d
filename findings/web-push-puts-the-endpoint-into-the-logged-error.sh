#!/usr/bin/env bash
# web-push 3.6.7 (npm) and pywebpush 2.5.0 (PyPI): the error of a subscription that is gone (410).
#
# Guess: the two libraries hold the same in their errors: the status, and the subscription's endpoint,
#        which is a token, at most in an attribute of its own. What is logged as JSON or as text holds
#        the status and no endpoint.
# Seen:  in Node the text has neither: String(error) is one sentence for every status, and the stack
#        too. JSON.stringify(error), which structured loggers use, has the status and the endpoint.
#        In Python str(error) has the status and the service's body, and no endpoint; the endpoint is
#        in error.response.request.url.
# So:    report error.statusCode and error.body, never the error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund web-push@3.6.7
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check pywebpush==2.5.0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem 2>openssl.log

cat > send.mjs <<'END'
import { execFile } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import https from "node:https";
import { promisify } from "node:util";
import webpush from "web-push";

const [key, cert] = ["key.pem", "certificate.pem"].map((file) => fs.readFileSync(file));
const server = https.createServer({ key, cert }, (incoming, response) => {
  incoming.resume();
  response.writeHead(410).end("no such subscription");
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const browser = crypto.createECDH("prime256v1");
browser.generateKeys();
const p256dh = browser.getPublicKey("base64url");
const keys = { p256dh, auth: crypto.randomBytes(16).toString("base64url") };
const endpoint = `https://localhost:${server.address().port}/push/the-token`;
const subscription = { endpoint, keys };
const vapidDetails = { subject: "mailto:ops@example.com", ...webpush.generateVAPIDKeys() };
const show = (name, text) =>
  console.log(name, ["410", "no such", "the-token"].map((part) => text.includes(part)).join(" "));
try {
  const agent = new https.Agent({ ca: cert });
  await webpush.sendNotification(subscription, "Hello", { vapidDetails, agent });
} catch (error) {
  show("node text:", String(error) + error.stack);
  show("node JSON:", JSON.stringify(error));
}
const run = promisify(execFile);
const { stdout } = await run("python/bin/python", ["send.py", JSON.stringify(subscription)]);
show("python text:", stdout.split("\n")[0]);
show("python request:", stdout.split("\n")[1]);
process.exit();
END
cat > send.py <<'END'
import json
import sys

from py_vapid import Vapid
from pywebpush import WebPushException, webpush

vapid = Vapid()
vapid.generate_keys()
try:
    webpush(
        json.loads(sys.argv[1]),
        "Hello",
        vapid_private_key=vapid,
        vapid_claims={"sub": "mailto:ops@example.com"},
        timeout=10,
    )
except WebPushException as error:
    print(repr(str(error)))
    print(error.response.request.url)
END
REQUESTS_CA_BUNDLE="$folder/certificate.pem" node send.mjs | tee seen
# Status, body, endpoint:
diff seen - <<'END'
node text: false false false
node JSON: true true true
python text: true true false
python request: false false true
END
