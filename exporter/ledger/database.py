"""A connection to PostgreSQL, with a deadline for each statement and advice for each failure."""

import asyncio
import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg

from exporter.ledger.address import Address
from exporter.ledger.store import StoreError

STATEMENT_SECONDS = 4
"""The server's `statement_timeout`."""

_DEADLINE = 6.0  # seconds per round trip, in case the server hangs
_CONNECT_SECONDS = 3  # per host of the URL
_READ_ONLY = "25006"

# A connection that PostgreSQL refuses has no SQLSTATE, so match the message.
_ADVICE = {
    "password authentication failed|no password supplied": "check the user in LEDGER_URL and the "
    "password there or in LEDGER_PASSWORD_FILE",
    "role .* does not exist": "create the role, or correct the user in LEDGER_URL",
    "database .* does not exist": "create the database, or correct its name in LEDGER_URL",
    "no pg_hba.conf entry": "allow this host, user and database in the server's pg_hba.conf",
    "too many clients|too many connections|connection slots|no more connections": "raise "
    "max_connections or the role's connection limit, or put PgBouncer before the server",
    "read-only|hot standby": "no host of LEDGER_URL accepts writes: name the primary, or all hosts "
    "and target_session_attrs=read-write",
    "starting up|shutting down|recovery mode": "the server is starting or stopping; this is "
    "temporary",
    "resolve|translate host name|Name or service": "check the host in LEDGER_URL, and this "
    "machine's DNS",
    "SSL|certificate": "check sslmode and sslrootcert in LEDGER_URL",
    "startup parameter": "add it to PgBouncer's ignore_startup_parameters",
    "refused|timeout|timed out|No route|unreachable|No such file": "check that the server is "
    "running, and check host and port in LEDGER_URL",
}
_ADVICE_BY_CODE = {
    _READ_ONLY: "the server is read-only: name the primary in LEDGER_URL, or all hosts and "
    "target_session_attrs=read-write",
    "42501": "the role lacks privileges: run `push-result-exporter ledger init --grant-to ROLE` as "
    "the owner of the schema",
    "42P01": "run `push-result-exporter ledger init` as a role that may create a schema",
    "3F000": "run `push-result-exporter ledger init` as a role that may create a schema",
    "53100": "the server's disk is full",
    "57014": f"the server took longer than {STATEMENT_SECONDS} s: check its locks and its load",
}


class ConnectionLostError(StoreError):
    """The connection is lost; the outcome of the current statement is unknown."""


class StatementError(StoreError):
    """A statement failed and was rolled back."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code
        """Its SQLSTATE."""

    @property
    def read_only(self) -> bool:
        """Whether the server is read-only."""
        return self.code == _READ_ONLY


class Database:
    """A connection that is opened explicitly and closed by the first connection error."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.synchronous_commit: str | None = None
        """The value set in each transaction, or None for the server's default."""
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def connect(self) -> None:
        """Connect unless connected; raises StoreError or ConfigurationError."""
        if self._connection:
            return
        try:
            self._connection = await psycopg.AsyncConnection.connect(
                self.address.url,
                autocommit=True,
                cursor_factory=psycopg.AsyncClientCursor,
                prepare_threshold=None,  # PgBouncer may switch servers between transactions
                **self._parameters(),
            )
        except (psycopg.Error, OSError, UnicodeError) as error:
            raise ConnectionLostError(_explain(error)) from error

    async def run(
        self,
        statement: str,
        values: Mapping[str, object] | None = None,
        *,
        seconds: float | None = None,
    ) -> list[tuple[Any, ...]]:
        """Run statements as one transaction; return the rows of the last statement.

        `seconds` replaces STATEMENT_SECONDS. The statements are sent in one message, as PgBouncer's
        transaction mode requires. Raises StatementError if the transaction was rolled back,
        ConnectionLostError if its outcome is unknown.
        """
        connection = self._connection
        if not connection:
            raise ConnectionLostError("not connected")
        seconds = STATEMENT_SECONDS if seconds is None else seconds
        deadline = max(_DEADLINE, seconds)
        watch = asyncio.get_running_loop().call_later(deadline, _abort, connection)
        try:
            cursor = await connection.execute(self._preamble(seconds) + statement, values)
            while cursor.nextset():
                pass
            return await cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            if connection.closed:
                await self.close()
                raise ConnectionLostError(_explain(error)) from error
            raise StatementError(_explain(error), error.sqlstate or "") from error
        finally:
            watch.cancel()

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection:
            with suppress(psycopg.Error, OSError):
                await connection.close()

    def _preamble(self, seconds: float) -> str:
        settings = [
            # Each statement of the function `commit` must see all rows committed before it.
            "SET LOCAL transaction_isolation = 'read committed'; ",
            f"SET LOCAL statement_timeout = {seconds * 1000:.0f}; ",
        ]
        if self.synchronous_commit:
            settings.append(f"SET LOCAL synchronous_commit = {self.synchronous_commit}; ")
        return "".join(settings)

    def _parameters(self) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "application_name": "push-result-exporter",
            "client_encoding": "UTF8",
            "connect_timeout": _CONNECT_SECONDS,
            "tcp_user_timeout": round(_DEADLINE * 1000),
        }
        if (password := self.address.password()) is not None:
            parameters["password"] = password
        return parameters


def _abort(connection: psycopg.AsyncConnection[Any]) -> None:
    """Shut down the socket of a connection whose server does not respond."""
    with (
        suppress(psycopg.Error, OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as duplicate,
    ):
        duplicate.shutdown(socket.SHUT_RDWR)


def _explain(error: Exception) -> str:
    """Describe an error in one line, with advice."""
    message = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    text = " ".join((message or str(error)).split()) or type(error).__name__
    advice = _ADVICE_BY_CODE.get(getattr(error, "sqlstate", None) or "")
    if not advice:
        found = (
            advice for pattern, advice in _ADVICE.items() if re.search(pattern, text, re.IGNORECASE)
        )
        advice = next(found, None)
    return f"{text}; {advice}" if advice else text
