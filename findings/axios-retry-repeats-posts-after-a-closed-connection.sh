#!/usr/bin/env bash
# axios-retry 4.5.0 with axios 1.21.1 (npm), no option set: which failed POSTs are sent again.
#
# Guess: as its default condition speaks of idempotent requests, a POST is never sent again; or a
#        POST is sent again after a 503, which says that nothing was done.
# Seen:  the other way round. After a 503 a POST is sent once and a PUT four times. After a connection
#        that closes without a response, when nobody knows whether the request was carried out, a POST
#        is sent four times within milliseconds.
# So:    give every POST an id that the receiver recognises, made once at the call.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund axios@1.21.1 axios-retry@4.5.0

cat > send.mjs <<'END'
import http from "node:http";
import axios from "axios";
import axiosRetry from "axios-retry";

axiosRetry(axios);
let requests = 0;
const server = http.createServer((incoming, response) => {
  requests++;
  if (incoming.url === "/closed") incoming.socket.destroy();
  else response.writeHead(503).end();
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
for (const method of ["post", "put"]) {
  for (const path of ["/503", "/closed"]) {
    requests = 0;
    const url = `http://127.0.0.1:${server.address().port}${path}`;
    await axios({ method, url, data: "result" }).catch(() => {});
    console.log(method, path, requests);
  }
}
process.exit();
END
node send.mjs | tee seen
diff seen - <<'END'
post /503 1
post /closed 4
put /503 4
put /closed 4
END
