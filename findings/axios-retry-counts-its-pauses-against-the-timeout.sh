#!/usr/bin/env bash
# axios-retry 4.5.0 with axios 1.21.1, beside got 16.1.0 and ky 1.14.3 (npm): four retries with pauses
# of 300 ms, and a timeout of 700 ms that no single response comes near.
#
# Guess: `timeout` is axios' own, for one attempt, so all four retries are made in all three.
# Seen:  axios-retry takes what an attempt and the pause after it took off the timeout of the next,
#        and stops when nothing is left: two retries are made, and the error is the 503, not a
#        timeout. got and ky make four. With exponentialDelay, ten retries and the usual timeout of
#        10 s it gives up after 8 s, where its pauses alone would last minutes.
# So:    set `shouldResetTimeout: true`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund axios@1.21.1 axios-retry@4.5.0 got@16.1.0 ky@1.14.3

cat > post.mjs <<'END'
import http from "node:http";
import axios from "axios";
import axiosRetry from "axios-retry";
import got from "got";
import ky from "ky";

let requests = 0;
const server = http.createServer((incoming, response) => {
  requests++;
  incoming.resume();
  response.writeHead(503).end();
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const url = `http://127.0.0.1:${server.address().port}/`;
const pause = () => 300;
const retries = { retries: 4, retryDelay: pause, retryCondition: () => true };
const [usual, reset] = [axios.create(), axios.create()];
axiosRetry(usual, retries);
axiosRetry(reset, { ...retries, shouldResetTimeout: true });
const senders = {
  "axios-retry": () => usual.post(url, "result", { timeout: 700 }),
  "axios-retry, shouldResetTimeout": () => reset.post(url, "result", { timeout: 700 }),
  got: () =>
    got.post(url, {
      body: "result",
      timeout: { request: 700 },
      retry: { limit: 4, methods: ["POST"], calculateDelay: ({ computedValue }) => computedValue && 300 },
    }),
  ky: () =>
    ky.post(url, {
      body: "result",
      timeout: 700,
      retry: { limit: 4, methods: ["post"], delay: pause },
    }),
};
for (const [name, send] of Object.entries(senders)) {
  requests = 0;
  const error = await send().catch((caught) => caught);
  console.log(`${name}: ${error.response.status ?? error.response.statusCode}, ${requests} requests`);
}
process.exit();
END
node post.mjs | tee seen
diff seen - <<'END'
axios-retry: 503, 3 requests
axios-retry, shouldResetTimeout: 503, 5 requests
got: 503, 5 requests
ky: 503, 5 requests
END
