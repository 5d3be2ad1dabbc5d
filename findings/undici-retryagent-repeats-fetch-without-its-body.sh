#!/usr/bin/env bash
# undici 7.30.2 (npm), with Node.js 20 or newer: a POST by fetch through a RetryAgent.
#
# Guess: fetch and request share the dispatcher, so `new RetryAgent(agent, { methods: ["POST"] })`
#        repeats a POST after a 503 for both; a body of text can be sent any number of times.
# Seen:  request sends it again, whole, and returns the second response. fetch sends it again with
#        `content-length: 0`, and fails with UND_ERR_REQ_CONTENT_LENGTH_MISMATCH whatever the server
#        answers: it makes a stream of any body, which is used up. Node's own fetch with this
#        dispatcher does the same.
# So:    to repeat a fetch, call fetch again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund undici@7.30.2

cat > post.mjs <<'END'
import http from "node:http";
import { Agent, RetryAgent, fetch, request } from "undici";

let bodies = [];
const server = http.createServer((incoming, response) => {
  let body = "";
  incoming.on("data", (data) => (body += data));
  incoming.on("end", () => {
    bodies.push(body);
    response.writeHead(bodies.length === 1 ? 503 : 200).end();
  });
  incoming.on("error", () => {});
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const url = `http://127.0.0.1:${server.address().port}/`;
const dispatcher = new RetryAgent(new Agent(), { methods: ["POST"] });
const options = { method: "POST", body: "result", dispatcher };
const senders = {
  request: async () => (await request(url, options)).statusCode,
  fetch: async () => (await fetch(url, options)).status,
  "global fetch": async () => (await globalThis.fetch(url, options)).status,
};
const sleep = (milliseconds) => new Promise((slept) => setTimeout(slept, milliseconds));
for (const [name, send] of Object.entries(senders)) {
  bodies = [];
  const outcome = await send().catch((error) => error.cause.code);
  await sleep(500); // what was sent arrives, though the caller has its error
  console.log(name, outcome, bodies);
}
process.exit();
END
node post.mjs | tee seen
diff seen - <<'END'
request 200 [ 'result', 'result' ]
fetch UND_ERR_REQ_CONTENT_LENGTH_MISMATCH [ 'result', '' ]
global fetch UND_ERR_REQ_CONTENT_LENGTH_MISMATCH [ 'result', '' ]
END
