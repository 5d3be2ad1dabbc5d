"""Exits with 0 if the exporter of this container is healthy or ready, else with 1.

    healthcheck.py [PATH [USERNAME_FILE PASSWORD_FILE]]

`/-/ready` requires the status 200. Any other path, by default `/-/healthy`, requires a status below
500, since the listener may ask for a password. Health does not depend on the ledger: a restart
would not repair it.
"""

import base64
import http.client
import os
import ssl
import sys
from pathlib import Path

HOST = os.environ.get("PUSH_EXPORTER_ADMIN_HOST", "")
PORT = int(os.environ.get("PUSH_EXPORTER_ADMIN_PORT") or 10988)
HAS_TLS = bool(os.environ.get("PUSH_EXPORTER_TLS_CERT_FILE"))
SECONDS = 2


def connections() -> list[http.client.HTTPConnection]:
    """List the connections to try: both address families if it has all addresses, TLS if possible.

    The certificate is not verified, since the other end is this container.
    """
    unspecified = HOST in {"", "0.0.0.0", "::"}  # noqa: S104
    hosts = ["127.0.0.1", "::1"] if unspecified else [HOST]
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    encrypted = [
        http.client.HTTPSConnection(host, PORT, timeout=SECONDS, context=context) for host in hosts
    ]
    plain = [http.client.HTTPConnection(host, PORT, timeout=SECONDS) for host in hosts]
    return [*([] if HAS_TLS else plain), *encrypted]


def status(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> int:
    """Return the status of a response; 599 if there is none."""
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 599
    finally:
        connection.close()


def main(path: str = "/-/healthy", *credentials: str) -> int:
    """Try each connection until one has an acceptable response."""
    headers = {}
    if credentials:
        words = [Path(file).read_text("utf-8").strip() for file in credentials]
        headers["Authorization"] = f"Basic {base64.b64encode(':'.join(words).encode()).decode()}"
    worst = 200 if path == "/-/ready" else 499
    return int(not any(status(one, path, headers) <= worst for one in connections()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
