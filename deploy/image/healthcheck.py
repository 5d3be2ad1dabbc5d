"""Whether the exporter of this container answers: exit status 0 or 1.

Any answer below 500 will do, for a password or TLS may be asked for; it is not whether the ledger
can be written (`/-/ready`), since a restart would not mend that.
"""

import http.client
import os
import ssl
import sys

HOST = "127.0.0.1"
PORT = int(os.environ.get("PUSH_EXPORTER_ADMIN_PORT") or 10988)
SECONDS = 2


def healthy(connection: http.client.HTTPConnection) -> bool:
    """Ask over one kind of connection."""
    try:
        connection.request("GET", "/-/healthy")
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """Ask over HTTP, then over TLS; nothing secret is sent, so any certificate will do."""
    plain = http.client.HTTPConnection(HOST, PORT, timeout=SECONDS)
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    encrypted = http.client.HTTPSConnection(HOST, PORT, timeout=SECONDS, context=context)
    return 0 if healthy(plain) or healthy(encrypted) else 1


if __name__ == "__main__":
    sys.exit(main())
