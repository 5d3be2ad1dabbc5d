#!/usr/bin/env bash
# libcurl 8.23.0 in pycurl 7.49.0 (PyPI); curl 7.88.1 of Debian 12 does the same: a POST on a
# connection on which another was answered, and which closes without a response.
#
# Guess: curl sends a request once unless --retry says otherwise, and then never a POST whose response
#        is missing, since nobody knows whether it was carried out.
# Seen:  on a kept connection libcurl takes the close for a race with the server's idle timeout, and
#        sends the whole POST again on a new connection, at once. With FORBID_REUSE, which keeps no
#        connection, it is sent once, as it is on a fresh one: 52, "Empty reply from server".
# So:    give every POST an id that the receiver recognises, even if you ask for no retries.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check pycurl==7.49.0

cat > post.py <<'END'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pycurl


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/closed":
            bodies.append(body.decode())
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()


def post(curl, path):
    curl.setopt(pycurl.URL, f"http://127.0.0.1:{server.server_port}{path}")
    curl.setopt(pycurl.POSTFIELDS, "result")
    try:
        curl.perform()
    except pycurl.error as error:
        return error.args[0]
    return curl.getinfo(pycurl.RESPONSE_CODE)


for name, option in (("kept", None), ("forbid reuse", pycurl.FORBID_REUSE), ("fresh", None)):
    curl, bodies = pycurl.Curl(), []
    if option:
        curl.setopt(option, 1)
    before = post(curl, "/answered") if name != "fresh" else None
    print(f"{name}: {before}, {post(curl, '/closed')}, {bodies}")
END
python/bin/python post.py | tee seen
diff seen - <<'END'
kept: 200, 52, ['result', 'result']
forbid reuse: 200, 52, ['result']
fresh: None, 52, ['result']
END
