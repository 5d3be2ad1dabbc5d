#!/usr/bin/env bash
# expo-server-sdk 7.2.0 (npm): Expo answers 429 TOO_MANY_REQUESTS, or 503.
#
# Guess: what can be repeated without harm, the query for receipts, is repeated at least as often as
#        a push, which a user may see twice.
# Seen:  the other way round: a push is sent three times after a 429, a query for receipts once. A
#        503 is repeated for neither. The error after three attempts looks like that after one.
# So:    repeat the query for receipts yourself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund expo-server-sdk@7.2.0

cat > send.mjs <<'END'
import http from "node:http";

let status;
let requests;
const server = http.createServer((incoming, response) => {
  requests++;
  incoming.resume();
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ errors: [{ code: `CODE_${status}`, message: "No." }] }));
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
process.env.EXPO_BASE_URL = `http://127.0.0.1:${server.address().port}`;
const { Expo } = await import("expo-server-sdk");
const expo = new Expo({ retryMinTimeout: 100 });
const calls = {
  push: () => expo.sendPushNotificationsAsync([{ to: "ExponentPushToken[x]", body: "Hello" }]),
  receipts: () => expo.getPushNotificationReceiptsAsync(["id"]),
};
for (status of [429, 503]) {
  for (const [name, call] of Object.entries(calls)) {
    requests = 0;
    const code = await call().catch((error) => error.code);
    console.log(status, name, code, requests);
  }
}
process.exit();
END
node send.mjs | tee seen
diff seen - <<'END'
429 push CODE_429 3
429 receipts CODE_429 1
503 push CODE_503 1
503 receipts CODE_503 1
END
