#!/usr/bin/env bash
# requests 2.34.2 with urllib3 2.8.0 (PyPI): Retry(total=2, allowed_methods=None), a POST.
#
# Guess: `allowed_methods=None` is documented as "retry on any verb", so a 503 is repeated, with or
#        without Retry-After; or, without a status_forcelist, no status is.
# Seen:  the server decides. A 503 with Retry-After is repeated, one without is returned as it is.
#        The same holds for 413 and 429: a body that was too large is sent again, whole.
# So:    name the statuses: status_forcelist=[502, 503, 504].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check requests==2.34.2 urllib3==2.8.0

cat > post.py <<'END'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        server.requests += 1
        _, status, retry_after = self.path.split("/")
        self.send_response(int(status))
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
session = requests.Session()
session.mount("http://", HTTPAdapter(max_retries=Retry(total=2, allowed_methods=None)))
for path in ("/503/", "/503/1", "/502/1", "/413/", "/413/1", "/429/", "/429/1"):
    server.requests = 0
    status = session.post(f"http://127.0.0.1:{server.server_port}{path}", b"result").status_code
    print(path, status, server.requests)
END
python/bin/python post.py | tee seen
diff seen - <<'END'
/503/ 503 1
/503/1 503 3
/502/1 502 1
/413/ 413 1
/413/1 413 3
/429/ 429 1
/429/1 429 3
END
