"""Whether the exporter of this container is healthy or ready: exit status 0 or 1.

    healthcheck.py [PATH [USERNAME_FILE PASSWORD_FILE]]

`/-/ready` has to be answered with 200. With any other path, `/-/healthy` if none is given, a status
below 500 will do, since a password may be asked for; whether the ledger can be written is no part
of it, for a restart would not help there.
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
    """List the ways to the listener: either family if it has every address, TLS where it may be.

    Any certificate will do: the other end is this container.
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
    """Ask over one connection; 599 if there is no response."""
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 599
    finally:
        connection.close()


def main(path: str = "/-/healthy", *credentials: str) -> int:
    """Ask each way until one responds as it should."""
    headers = {}
    if credentials:
        words = [Path(file).read_text("utf-8").strip() for file in credentials]
        headers["Authorization"] = f"Basic {base64.b64encode(':'.join(words).encode()).decode()}"
    worst = 200 if path == "/-/ready" else 499
    return int(not any(status(one, path, headers) <= worst for one in connections()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
