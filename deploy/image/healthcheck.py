"""Exits with 0 if the public listener of this container responds with 200, else with 1.

    healthcheck.py [PATH]

`/-/healthy`, the default, does not depend on the ledger: a restart would not repair it.
`/-/ready` is for whoever waits until results are accepted. Neither needs credentials.
"""

import http.client
import os
import ssl
import sys

HOST = os.environ.get("PUSH_EXPORTER_INGEST_HOST", "")
PORT = int(os.environ.get("PUSH_EXPORTER_INGEST_PORT") or 10987)
SECONDS = 2


def connections() -> list[http.client.HTTPConnection]:
    """List the connections to try: both address families if it has all addresses, plain and TLS.

    The certificate is not verified, since the other end is this container.
    """
    unspecified = HOST in {"", "0.0.0.0", "::"}  # noqa: S104
    hosts = ["127.0.0.1", "::1"] if unspecified else [HOST]
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    plain = [http.client.HTTPConnection(host, PORT, timeout=SECONDS) for host in hosts]
    encrypted = [
        http.client.HTTPSConnection(host, PORT, timeout=SECONDS, context=context) for host in hosts
    ]
    # With TLS only these, since the exporter would log a plain request.
    prefixes = ("PUSH_EXPORTER_TLS", "PUSH_EXPORTER_INGEST_TLS")
    has_tls = any(os.environ.get(f"{prefix}_CERT_FILE") for prefix in prefixes)
    return encrypted if has_tls else [*plain, *encrypted]


def responds(connection: http.client.HTTPConnection, path: str) -> bool:
    """Whether the response is 200."""
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(path: str = "/-/healthy") -> int:
    """Try each connection until one has the response."""
    return int(not any(responds(one, path) for one in connections()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
